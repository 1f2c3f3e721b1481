//! The mounts of a container: docker's defaults, the host's `/usr` for the built-in image, the files that hull writes, and
//! the user's mounts. A later mount covers an earlier one, so the user's come last, parents before children.

use std::path::{Path, PathBuf};

use hull_runtime::defaults;
use hull_runtime::spec::Mount;

use crate::engine::Engine;
use crate::error::Result;
use crate::records::options::{IpcSharing, NamespaceMode, NetworkMode};
use crate::records::record::{MountKind, MountRecord, Record};
use crate::rootfs::sources;

/// docker's size of /dev/shm.
const SHM_SIZE: u64 = 64 << 20;

const QUEUES: &str = "/dev/mqueue";

pub(super) fn mounts(engine: &Engine, record: &Record) -> Result<Vec<Mount>> {
    let options = &record.options;
    let mut mounts = kernel_mounts(record);
    if record.host_image {
        let binds = hull_image::host_image::host_binds();
        mounts.extend(binds.into_iter().map(|(source, target)| bind(&source, &target, &["rbind", "rro"])));
    }
    let directory = crate::rootfs::etc_files::directory(engine, record);
    let access = if options.read_only { "ro" } else { "rw" };
    // A system container has its own file /etc/hostname, because hostnamectl(1) replaces it, and a mount cannot be
    // replaced.
    let leaves_out =
        |name: &str| options.process_extras.leaves_out(name) || options.system && name == "hostname";
    for name in crate::rootfs::etc_files::NAMES.into_iter().filter(|name| !leaves_out(name)) {
        mounts.push(bind(
            &directory.join(name),
            &Path::new("/etc").join(name),
            &["rbind", "rprivate", access],
        ));
    }
    if options.system && options.pid == NamespaceMode::Private {
        let views = crate::init::views::mounts();
        mounts.extend(views.iter().map(|(source, target)| bind(source, target, &["bind", "rprivate"])));
    }
    let mut asked: Vec<(usize, &MountRecord)> = record.mounts.iter().enumerate().collect();
    asked.sort_by_key(|(_, mount)| mount.destination.components().count());
    for (index, mount) in asked {
        // A mount of the user's replaces one of hull's at the same place, as in docker: `-v x:/etc/hosts`.
        mounts.retain(|ours| ours.destination != mount.destination);
        let source = sources::path(engine, record, index);
        if !mount.extras.optional || source.exists() {
            mounts.push(user_mount(record, mount, &source));
        }
    }
    Ok(mounts)
}

/// The mount points of a container's bind mounts, each with its source.
pub(crate) fn binds(engine: &Engine, record: &Record) -> Result<Vec<(PathBuf, PathBuf)>> {
    let all = mounts(engine, record)?.into_iter().filter(|mount| mount.kind.as_deref() == Some("bind"));
    Ok(all.filter_map(|mount| Some((mount.destination, mount.source?.into()))).collect())
}

/// One mount of a record, for a container that runs already.
pub(crate) fn one(engine: &Engine, record: &Record, index: usize) -> Mount {
    user_mount(record, &record.mounts[index], &sources::path(engine, record, index))
}

/// /proc, /dev, /sys and what is mounted in them, fitted to the namespaces that the container shares.
fn kernel_mounts(record: &Record) -> Vec<Mount> {
    let options = &record.options;
    let in_user_namespace = record.in_user_namespace();
    let mut mounts = defaults::mounts();
    if matches!(options.ipc, NamespaceMode::Container(_)) || options.ipc_sharing == IpcSharing::NoMemory {
        // The monitor attaches the other container's /dev/shm.
        mounts.retain(|mount| mount.destination != Path::new("/dev/shm"));
    }
    // The host's is bind-mounted below, if it has one.
    let binds_queues = in_user_namespace && options.ipc != NamespaceMode::Private;
    if binds_queues && !Path::new(QUEUES).exists() {
        mounts.retain(|mount| mount.destination != Path::new(QUEUES));
    }
    for mount in &mut mounts {
        match mount.destination.to_str() {
            // Shared memory is files in /dev/shm: sharing the namespace alone would not share them.
            Some("/dev/shm") if options.ipc == NamespaceMode::Host => {
                *mount = bind(Path::new("/dev/shm"), &mount.destination, &["rbind"]);
            }
            Some("/dev/shm") => {
                mount.options.retain(|option| !option.starts_with("size="));
                mount.options.push(format!("size={}", options.shm_size.unwrap_or(SHM_SIZE)));
            }
            // Mounting mqueue takes CAP_SYS_ADMIN in the user namespace that owns the IPC namespace (mq_overview(7)).
            Some(QUEUES) if binds_queues => {
                *mount = bind(Path::new(QUEUES), &mount.destination, &["rbind"]);
            }
            // A sysfs shows the network namespace in which it is mounted, and mounting one takes rights over that
            // namespace. Of one that belongs to another user namespace, only the existing one can be bind-mounted.
            Some("/sys") if in_user_namespace && shares_network(record) => {
                *mount = bind(
                    Path::new("/sys"),
                    &mount.destination,
                    &["rbind", "rro", "nosuid", "noexec", "nodev"],
                );
            }
            Some("/proc") if in_user_namespace && options.pid == NamespaceMode::Host => {
                *mount = bind(Path::new("/proc"), &mount.destination, &["rbind"]);
            }
            _ => {}
        }
        // The init makes a cgroup for each of its services, below the container's.
        let delegates = options.system && mount.destination == Path::new("/sys/fs/cgroup");
        if options.privileged || delegates {
            for option in &mut mount.options {
                if option == "ro" || option == "rro" {
                    *option = "rw".into();
                }
            }
        }
    }
    mounts
}

/// Whether the network namespace belongs to another user namespace than the container's.
fn shares_network(record: &Record) -> bool {
    match record.options.network {
        NetworkMode::Host | NetworkMode::Container(_) => true,
        // It is made before the container.
        NetworkMode::UserMode(_) => record.id_maps.is_some(),
        NetworkMode::Default | NetworkMode::None | NetworkMode::Networks => false,
    }
}

fn user_mount(record: &Record, mount: &MountRecord, source: &Path) -> Mount {
    if mount.kind == MountKind::Tmpfs {
        let mut options: Vec<String> = ["nosuid", "nodev", "noexec"].map(Into::into).into();
        for option in &mount.options {
            options.retain(|kept| kept.trim_start_matches("no") != option.trim_start_matches("no"));
            options.push(option.clone());
        }
        return Mount {
            destination: mount.destination.clone(),
            kind: Some("tmpfs".into()),
            source: Some("tmpfs".into()),
            options,
            ..Mount::default()
        };
    }
    let mut bound = bind(source, &mount.destination, &sources::options(mount));
    if record.maps_ids_of(mount) {
        bound.options.push("idmap".into());
    }
    let propagation = mount.options.iter().find(|option| {
        option.ends_with("private") || option.ends_with("slave") || option.ends_with("shared")
    });
    bound.options.push(propagation.cloned().unwrap_or_else(|| "rprivate".into()));
    bound
}

pub(super) fn bind(source: &Path, destination: &Path, options: &[&str]) -> Mount {
    Mount {
        destination: destination.into(),
        kind: Some("bind".into()),
        source: Some(source.display().to_string()),
        options: options.iter().map(|option| option.to_string()).collect(),
        ..Mount::default()
    }
}
