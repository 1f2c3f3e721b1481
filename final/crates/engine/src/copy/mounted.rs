//! LXD's `file mount`: a directory of a container on the host, for as long as a command runs.
//!
//! A separate process, the guardian, makes the mount. It unmounts when the command ends, even if it was killed, and
//! when the container ends. The guardian also ends when somebody else unmounts the directory. For a stopped container
//! the guardian holds the container's lock, so that the container does not start: its files may be in only one overlay
//! at a time.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use hull_sys::process::{Fork, exit_now, fork, pidfd_open, reap};
use hull_sys::wait::until_any_readable;
use nix::libc;
use nix::mount::{MntFlags, umount2};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags};

use super::root::ContainerRoot;
use super::view::{View, kind};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Report, Result};
use crate::records::record::Record;

/// The interval at which the guardian looks whether somebody else has unmounted the directory.
const LOOK: Duration = Duration::from_secs(1);

/// A directory of a container that is mounted on the host.
#[derive(Debug)]
pub struct MountedFiles {
    guardian: OwnedFd,
    /// This end of a pipe is closed when the process ends, which the guardian notices.
    command: PipeWriter,
}

impl Engine {
    /// Mounts a directory of a container at `target`. Its files show the ids that the container sees.
    ///
    /// # Errors
    ///
    /// If the container runs with ids of its own: the kernel maps no ids of an overlay that is mounted.
    pub fn mount_files(&self, name: &str, path: &Path, target: &Path) -> Result<MountedFiles> {
        if crate::rootless::has_entered() {
            let text =
                "an unprivileged user's mounts are seen by nobody else: file push and file pull copy files";
            return Err(Error::Unsupported(text.into()));
        }
        let record = self.find(name)?;
        let target = std::fs::canonicalize(target).context(|| format!("mount at {}", target.display()))?;
        let (mut reports, report) = std::io::pipe().context(|| "create a pipe".into())?;
        let (alive, command) = std::io::pipe().context(|| "create a pipe".into())?;
        let pid = match fork().context(|| "fork a process that keeps a mount".into())? {
            Fork::Parent { pid } => pid,
            Fork::Child => {
                drop((reports, command));
                let done = guard(self, &record, path, &target, report, &alive);
                exit_now(i32::from(done.is_err()))
            }
        };
        drop((report, alive));
        let guardian = pidfd_open(pid).context(|| "hold a process".into())?;
        let mut text = String::new();
        reports.read_to_string(&mut text).context(|| "read whether the mount was made".into())?;
        if text != MADE {
            reap(guardian.as_fd()).context(|| "wait for a process".into())?;
            return Err(Report::decode(&text).into());
        }
        Ok(MountedFiles { guardian, command })
    }
}

impl MountedFiles {
    /// Readable when the mount is gone: somebody has unmounted it, or the container has ended.
    pub fn ended(&self) -> BorrowedFd<'_> {
        self.guardian.as_fd()
    }

    /// Unmounts the directory, even if files in it are still open.
    pub fn end(self) -> Result<()> {
        drop(self.command);
        let code = reap(self.guardian.as_fd()).context(|| "wait for a process".into())?;
        match code {
            0 => Ok(()),
            _ => Err(Error::Unsupported("the files could not be unmounted".into())),
        }
    }
}

const MADE: &str = "made";

/// The guardian's work.
fn guard(
    engine: &Engine,
    record: &Record,
    path: &Path,
    target: &Path,
    mut report: PipeWriter,
    alive: &PipeReader,
) -> Result<()> {
    // Ctrl+C signals all processes of the terminal. In a session of its own the guardian outlives the command.
    let _ = nix::unistd::setsid();
    let made = make(engine, record, path, target);
    let text = made.as_ref().map_or_else(Report::encode, |_| MADE.to_owned());
    let told = report.write_all(text.as_bytes());
    drop(report);
    let (container, mount) = made?;
    if told.is_err() {
        return unmount(target);
    }
    let ends: Vec<BorrowedFd<'_>> = [alive.as_fd()].into_iter().chain(container.ended()).collect();
    while mount_id(target).ok() == Some(mount) {
        if until_any_readable(&ends, Some(LOOK)).context(|| "wait for the end of a mount".into())? {
            return unmount(target);
        }
    }
    Ok(())
}

fn unmount(target: &Path) -> Result<()> {
    umount2(target, MntFlags::MNT_DETACH).context(|| format!("unmount {}", target.display()))
}

/// Makes the mount. Returns its id, and the container's root, which has to be held while the mount exists.
fn make(engine: &Engine, record: &Record, path: &Path, target: &Path) -> Result<(ContainerRoot, u64)> {
    let context = || format!("mount {}:{}", record.name, path.display());
    let point = rustix::fs::open(target, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .context(|| format!("mount at {}", target.display()))?;
    let here = File::open("/proc/self/ns/mnt").context(context)?;
    let (root, container) = ContainerRoot::open(engine, record)?;
    if container.ended().is_some() && record.id_maps.is_some() {
        let text = format!(
            "container {} runs with ids of its own, and the kernel does not map those of a mounted overlay: stop it \
             first, or copy with file push and file pull",
            record.name
        );
        return Err(Error::Unsupported(text));
    }
    if let Some(there) = container.mount_namespace()? {
        hull_sys::process::setns(there.as_fd(), libc::CLONE_NEWNS).context(context)?;
    }
    let found = View::container(root, &record.name).hold(path, true)?;
    let stat = rustix::fs::fstat(&found).context(context)?;
    if kind(&stat) != rustix::fs::FileType::Directory {
        return Err(super::invalid(&format!("path {}", path.display()), "only a directory can be mounted"));
    }
    let tree = hull_sys::mount::clone_tree(&found, c"", true).context(context)?;
    // Later mounts of the container must not appear on the host, nor those of the host in the container.
    hull_sys::mount::set_attributes(&tree, 0, 0, libc::MS_PRIVATE, true).context(context)?;
    // Set-ID bits and device nodes of the container must have no effect on the host.
    let guarded = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    hull_sys::mount::set_attributes(&tree, guarded, 0, 0, true).context(context)?;
    hull_sys::process::setns(here.as_fd(), libc::CLONE_NEWNS).context(context)?;
    hull_sys::mount::attach(&tree, &point).context(|| format!("mount at {}", target.display()))?;
    Ok((container, mount_id(target).context(context)?))
}

fn mount_id(path: &Path) -> std::io::Result<u64> {
    let found = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID)?;
    Ok(found.stx_mnt_id)
}
