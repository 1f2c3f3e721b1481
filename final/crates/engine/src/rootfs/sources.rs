//! Sources of mounts that are more than a path of the host: a volume that is a mount of its own, a part of a volume, an
//! overlay over a directory. They are made in the monitor's mount namespace, on a small file system in the run directory,
//! so nothing of them is on the host, and a killed monitor leaves nothing.
//!
//! ```text
//! containers/<id>/sources/<n>.volume   the volume of mount n, mounted by its driver
//!                         <n>.tree     what the builder of a step hands over, of which a part is mounted (handed)
//!                         <n>          the part of it, or the overlay over it
//! ```

use std::ffi::OsStr;
use std::fs::File;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use hull_docker::flags::local_driver::{self, LocalMount};
use hull_storage::process_id::ProcessId;
use hull_storage::volumes::{MountedBy, fill_directory};
use nix::mount::{MntFlags, MsFlags};
use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::block;
use super::source_paths::{directory, driver_path, is_directory, is_mount, make_directory};
pub(crate) use super::source_paths::{node_path, path};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::records::mount_extras::Recursion;
use crate::records::record::{MountKind, MountRecord, Record};

/// Room for mount points.
const SIZE: usize = 256 << 10;

/// The options of the bind mount, but for its propagation.
pub(crate) fn options(mount: &MountRecord) -> [&'static str; 2] {
    match (mount.extras.recursion, mount.read_only) {
        (Recursion::Disabled, read_only) => ["bind", if read_only { "ro" } else { "rw" }],
        (Recursion::Writable, true) => ["rbind", "ro"],
        (_, true) => ["rbind", "rro"],
        (_, false) => ["rbind", "rw"],
    }
}

/// Makes the sources. With `rootfs`, new volumes take what the image has at their mount points.
pub(crate) fn prepare(engine: &Engine, record: &Record, rootfs: Option<&Path>) -> Result<()> {
    super::nodes::prepare(engine, record)?;
    if !record.mounts.iter().any(|mount| mount.extras.need_source()) {
        return Ok(());
    }
    mount_directory(engine, record)?;
    for (index, mount) in record.mounts.iter().enumerate().filter(|(_, mount)| mount.extras.need_source()) {
        if let Some(number) = mount.extras.handed {
            super::handed::prepare(engine, record, index, number)?;
            continue;
        }
        if mount.kind == MountKind::Image {
            super::handed::image(engine, record, index)?;
            continue;
        }
        let wanted = rootfs.filter(|_| mount.kind == MountKind::Volume && mount.copy_up);
        Source { engine, record, index, mount }.prepare(wanted)?;
    }
    Ok(())
}

/// Makes the sources of devices that were added after the monitor had prepared the record's sources.
pub(crate) fn prepare_again(engine: &Engine, record: &Record) -> Result<()> {
    super::nodes::prepare(engine, record)?;
    for (index, mount) in record.mounts.iter().enumerate() {
        let extras = &mount.extras;
        let path = path(engine, record, index);
        let is_there = if extras.block.is_some() { is_mount(&path) } else { path.exists() };
        if extras.device.is_some() && extras.need_source() && !is_there {
            mount_directory(engine, record)?;
            Source { engine, record, index, mount }.prepare(None)?;
        }
    }
    Ok(())
}

/// Mounts the file system of a block device for a container that runs already. The calling process has a mount namespace
/// of its own for this.
pub(crate) fn prepare_block(engine: &Engine, record: &Record, index: usize) -> Result<()> {
    mount_directory(engine, record)?;
    Source { engine, record, index, mount: &record.mounts[index] }.prepare(None)
}

/// Mounts the small file system for sources, unless it is mounted.
fn mount_directory(engine: &Engine, record: &Record) -> Result<()> {
    let directory = directory(engine, record);
    let context = || format!("mount a file system at {}", directory.display());
    hull_storage::directory::make_dirs(&directory, 0o700)?;
    if is_mount(&directory) {
        return Ok(());
    }
    let mut flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    // A heredoc of RUN may be a program.
    flags.set(MsFlags::MS_NOEXEC, record.handed.is_none());
    let handed = record.handed.as_ref().map_or(0, |handed| handed.content_size());
    let size = format!("size={},nr_inodes=1024,mode=700", SIZE + handed);
    nix::mount::mount(Some("tmpfs"), &directory, Some("tmpfs"), flags, Some(size.as_str())).context(context)
}

/// Unmounts the file system of a block device that a monitor has mounted for its container. The calling process has
/// entered the monitor's mount namespace.
pub(crate) fn release_block(engine: &Engine, record: &Record, mount: &MountRecord) {
    if let Some(index) = record.mounts.iter().position(|one| one == mount) {
        // Nothing is mounted there if the device was added while the container ran.
        let _ = nix::mount::umount2(&driver_path(engine, record, index), MntFlags::MNT_DETACH);
    }
}

/// Detaches them all. Ignores errors: the end of the mount namespace unmounts what could not be unmounted here.
pub(crate) fn release(engine: &Engine, record: &Record) {
    if record.mounts.iter().any(|mount| mount.extras.need_source()) {
        let _ = nix::mount::umount2(&directory(engine, record), MntFlags::MNT_DETACH);
    }
}

struct Source<'a> {
    engine: &'a Engine,
    record: &'a Record,
    index: usize,
    mount: &'a MountRecord,
}

impl Source<'_> {
    fn prepare(&self, fill_from: Option<&Path>) -> Result<()> {
        let extras = &self.mount.extras;
        if let Some(options) = &extras.block {
            if extras.optional && !self.mount.source.exists() {
                return Ok(());
            }
            let target = driver_path(self.engine, self.record, self.index);
            return block::mount(&self.mount.source, &target, options, self.mount.read_only);
        }
        let base = match extras.has_driver_mount {
            true => {
                let path = driver_path(self.engine, self.record, self.index);
                mount_volume(self.engine, self.mount.name.as_deref().unwrap_or_default(), &path)?;
                path
            }
            false => self.mount.source.clone(),
        };
        let opened = rustix::fs::open(&base, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .context(|| format!("open {}", base.display()))?;
        let opened = match &extras.subpath {
            Some(part) => self.open_part(&opened, part)?,
            None => opened,
        };
        if let Some(rootfs) = fill_from
            && is_directory(&opened).context(|| self.about("fill"))?
            && (extras.has_driver_mount || extras.subpath.is_some())
        {
            fill_directory(opened.as_fd(), rootfs, &self.mount.destination)?;
        }
        let target = path(self.engine, self.record, self.index);
        match extras.overlay {
            true => self.lay_over(&opened, &target),
            false if target != base => self.attach(&opened, &target),
            false => Ok(()),
        }
    }

    fn about(&self, verb: &str) -> String {
        let name = self.mount.name.as_deref().unwrap_or_default();
        match self.mount.kind {
            MountKind::Volume => format!("{verb} the volume {name}"),
            _ => format!("{verb} {}", self.mount.source.display()),
        }
    }

    /// What is in the volume may be hostile and may change meanwhile, so its part is looked up once, by one call that
    /// neither `..` nor a symlink leads out of, and held by descriptor.
    fn open_part(&self, volume: &OwnedFd, part: &Path) -> Result<OwnedFd> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        hull_sys::fs::openat2(volume, part, OFlags::PATH, Mode::empty(), resolve).map_err(|errno| {
            let name = self.mount.name.as_deref().unwrap_or_default();
            let why = match errno {
                nix::errno::Errno::EXDEV => "it leads out of the volume".to_owned(),
                errno => errno.desc().to_owned(),
            };
            Error::Invalid { what: format!("subpath {:?} of the volume {name}", part.display()), why }
        })
    }

    fn attach(&self, source: &OwnedFd, target: &Path) -> Result<()> {
        let context = || self.about("bind a part of");
        let tree = hull_sys::mount::clone_tree(source, c"", true).context(context)?;
        let point = match is_directory(source).context(context)? {
            true => make_directory(target)?,
            false => OwnedFd::from(File::create_new(target).context(context)?),
        };
        hull_sys::mount::attach(&tree, &point).context(context)
    }

    /// podman's `O`. The upper directory belongs to the container, and each monitor finds it empty.
    fn lay_over(&self, lower: &OwnedFd, target: &Path) -> Result<()> {
        if !is_directory(lower).context(|| self.about("look at"))? {
            let what = format!("option O of the mount at {}", self.mount.destination.display());
            return Err(Error::Invalid { what, why: "its source is not a directory".into() });
        }
        let own =
            self.engine.root().container_dir(&self.record.id).join("overlays").join(self.index.to_string());
        hull_storage::tree::remove_tree(&own)?;
        let overlay = hull_storage::writable_layer::WritableLayer::of(&own);
        let lower = PathBuf::from(hull_sys::fs::fd_path(lower));
        Ok(overlay.overlay(vec![lower], false).mount_at(target)?)
    }
}

/// Mounts the volume as its driver's options say, or shares the mount of another running container: a second tmpfs would
/// be empty. Nothing is mounted for a volume without options.
pub(crate) fn mount_volume(engine: &Engine, name: &str, target: &Path) -> Result<()> {
    let volumes = engine.volumes();
    let volume = volumes.get(name)?;
    let invalid = |why| Error::Invalid { what: format!("options of the volume {name}"), why };
    let Some(local) = local_driver::parse(&volume.options).map_err(invalid)? else { return Ok(()) };
    let point = make_directory(target)?;
    let _lock = volumes.lock_mounts(name)?;
    let mut holders = volumes.mounted(name)?;
    match holders.iter().find_map(shared) {
        Some(tree) => {
            hull_sys::mount::attach(&tree, &point).context(|| format!("mount the volume {name}"))?;
        }
        None => {
            let local = resolved(local)?;
            hull_runtime::mount_at(target, &local.kind, &local.device, &local.options)
                .context(|| format!("mount {} for the volume {name}", local.device))?;
        }
    }
    holders.push(MountedBy { process: ProcessId::of_self()?, path: target.to_owned() });
    Ok(volumes.note_mounted(name, &holders)?)
}

/// The mount of another monitor. `None` if that monitor has just ended or unmounted it.
fn shared(holder: &MountedBy) -> Option<OwnedFd> {
    let namespace = File::open(format!("/proc/{}/ns/mnt", holder.process.pid)).ok()?;
    // Checked after the file is open: the descriptor cannot come to mean another process's namespace.
    if !holder.process.is_alive() {
        return None;
    }
    hull_runtime::clone_from(&namespace, &holder.path, true).ok()
}

/// The kernel takes a server's address and resolves no names.
fn resolved(local: LocalMount) -> Result<LocalMount> {
    let Some(server) = local.server().map(str::to_owned) else { return Ok(local) };
    let context = || format!("resolve {server}");
    let mut found = (server.as_str(), 0).to_socket_addrs().context(context)?;
    let address: Option<IpAddr> = found.next().map(|address| address.ip());
    let missing = || std::io::Error::other("it has no address");
    Ok(local.resolved(address.ok_or_else(missing).context(context)?))
}

/// podman's `U`: gives the sources to the container's user. A directory of the system's own is refused, as in podman, and so
/// is one with the state of all containers, which hull keeps nowhere but in a directory of its own user's.
pub(crate) fn give_to(engine: &Engine, record: &Record, uid: u32, gid: u32) -> Result<()> {
    for (index, mount) in record.mounts.iter().enumerate().filter(|(_, mount)| mount.extras.chown) {
        if mount.kind == MountKind::Bind
            && !mount.extras.overlay
            && let Some(owner) = owner_of(engine, &mount.source)
        {
            let what = format!("option U of the mount at {}", mount.destination.display());
            let source = mount.source.display();
            let why = format!("{source} is {owner}, and is not given to a container's user");
            return Err(Error::Invalid { what, why });
        }
        let (uid, gid) = match &record.id_maps {
            Some(maps) if !record.maps_ids_of(mount) => maps.outside_of(uid, gid)?,
            _ => (uid, gid),
        };
        hull_storage::tree::change_owner(&path(engine, record, index), uid, gid)?;
    }
    Ok(())
}

/// The owner of the directory, if it has to stay as it is.
fn owner_of(engine: &Engine, path: &Path) -> Option<&'static str> {
    // Symlinks and `..` are followed first: the check is about the directory, not about its name.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let holds =
        |root: &Path| root.canonicalize().is_ok_and(|root| root.starts_with(&path) || path.starts_with(root));
    if is_the_systems(&path) {
        Some("the system's")
    } else if [engine.root().data(), engine.root().run()].into_iter().any(holds) {
        Some("where hull keeps its state")
    } else {
        None
    }
}

/// Directories whose owner the machine depends on.
fn is_the_systems(path: &Path) -> bool {
    const TOPS: [&str; 18] = [
        "bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root", "run",
        "sbin", "srv", "sys", "tmp", "usr",
    ];
    let names: Vec<&OsStr> = path.iter().skip(1).collect();
    match names[..] {
        [] => true,
        [top] => TOPS.iter().any(|name| top == *name) || top == "var",
        [top, ..] if ["boot", "dev", "etc", "proc", "sys", "usr"].iter().any(|name| top == *name) => true,
        [top, _] if top == "home" => true,
        [top, below] => top == "var" && ["lib", "log", "run"].iter().any(|name| below == *name),
        _ => false,
    }
}
