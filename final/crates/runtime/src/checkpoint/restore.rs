//! Restoring a container's processes from a directory.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::mount::MsFlags;

use super::criu::{Criu, Notice, Request, Worker};
use super::outside;
use super::{Directories, Error, Message, Options, field, request};
use crate::cgroups::Cgroup;
use crate::error::{self, Result, Step};
use crate::hooks::{self, HookState, Point};
use crate::spec::Spec;

/// A container to restore. The caller must have one thread, and gets a mount namespace of its own.
#[derive(Debug)]
pub struct Restore<'a> {
    pub id: &'a str,
    pub bundle: &'a Path,
    pub spec: &'a Spec,
    pub rootfs: &'a Path,
    /// The cgroup, which is made with the bundle's limits and which the restored processes are in.
    pub cgroup: &'a Cgroup,
    pub options: &'a Options,
}

/// A restored container, which is a child of this process.
#[derive(Debug)]
pub struct Restored {
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// The master of its terminal.
    pub console: Option<OwnedFd>,
}

const LOG: &str = "restore.log";

/// The image that CRIU reads first.
const INVENTORY: &str = "inventory.img";

/// Restores a container. After a failure neither a process nor the cgroup is left.
pub fn restore(criu: &Criu, restore: &Restore<'_>) -> Result<Restored> {
    let options = restore.options;
    outside::check_namespaces(restore.spec)?;
    let inventory = options.images.join(INVENTORY);
    if let Err(error) = std::fs::metadata(&inventory) {
        return Err(Error::Image { path: inventory, why: format!("there is no checkpoint: {error}") }.into());
    }
    outside::make_mount_points(restore.spec, restore.bundle, restore.rootfs)?;
    mount_root(restore.rootfs)?;
    // After the mount namespace has changed, because CRIU works and mounts in this directory, in that namespace.
    let directories = Directories::open(options, LOG)?;
    let mut message = request(options, &directories, restore.rootfs);
    message.flag(field::EVASIVE_DEVICES, true);
    // The restored process becomes a sibling of CRIU, and so a child of this process.
    message.flag(field::SIBLING, true);
    outside::give_descriptors(&options.images, &mut message)?;
    outside::give_mounts(restore.spec, restore.bundle, &mut message);
    let namespaces = outside::give_namespaces(restore.spec, &mut message)?;

    let resources = restore.spec.linux.as_ref().and_then(|linux| linux.resources.clone()).unwrap_or_default();
    let placeholder = restore.cgroup.create(&resources)?;
    let restored = Worker::start(criu, Some(&namespaces)).and_then(|worker| {
        // The processes that CRIU clones are in its cgroup.
        restore.cgroup.admit(worker.pid())?;
        drop(placeholder);
        name_cgroups(worker.pid(), &mut message)?;
        begin(restore, &worker, &message, &directories)
    });
    restored.map_err(|error| {
        let removed = restore.cgroup.remove().map_err(error::Error::from);
        error.with_cleanup(removed.err().into_iter().collect())
    })
}

fn begin(
    restore: &Restore<'_>,
    worker: &Worker,
    message: &Message,
    directories: &Directories,
) -> Result<Restored> {
    let mut console = None;
    let answer = worker.ask(Request::Restore, message, &mut |notice: Notice<'_>| {
        match notice.what {
            "setup-namespaces" => {
                let Restore { id, bundle, spec, .. } = *restore;
                let state = HookState { id, bundle, spec, pid: notice.pid, env: &[] };
                hooks::run(Point::Prestart, state)?;
                hooks::run(Point::CreateRuntime, state)?;
            }
            "orphan-pts-master" => console = notice.fd,
            _ => {}
        }
        Ok(())
    })?;
    let Some(pid) = answer.pid.filter(|_| answer.success) else {
        return Err(directories.failure("bring it back", &answer).into());
    };
    let pidfd = hull_sys::process::pidfd_open(pid).step(|| format!("open process {pid}"))?;
    Ok(Restored { pid, pidfd, console })
}

impl Restored {
    /// Kills the restored container, because the caller could not finish its part.
    pub fn kill(self) -> Result<()> {
        let killed = hull_sys::process::kill_and_reap(self.pidfd.as_fd());
        killed.map(drop).step(|| "kill the restored container".into())
    }
}

/// Makes the root a mount point, as CRIU demands, in a new mount namespace, with which the mount disappears.
fn mount_root(rootfs: &Path) -> Result<()> {
    let step = || format!("mount the root {}", rootfs.display());
    hull_sys::mount::enter_slave_namespace().step(|| "create a mount namespace".into())?;
    let nothing = None::<&str>;
    nix::mount::mount(Some(rootfs), rootfs, nothing, MsFlags::MS_BIND | MsFlags::MS_REC, nothing).step(step)
}

/// Replaces the cgroup in which the processes were saved by the one that CRIU is in.
fn name_cgroups(pid: i32, message: &mut Message) -> Result<()> {
    let path = format!("/proc/{pid}/cgroup");
    let text = std::fs::read_to_string(&path).step(|| format!("read {path}"))?;
    for line in text.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        message.pair(field::CGROUP_ROOT, controllers.as_bytes(), path.as_bytes());
    }
    Ok(())
}
