//! The container's root file system, as its first process builds it and enters it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::hook_state;
use crate::console::{self, Console};
use crate::container::{CreateOptions, Prepared};
use crate::error::{Error, Result, Step};
use crate::hooks::{self, Point};
use crate::namespaces;
use crate::protocol::{Channel, Message};
use crate::rootfs::{self, Masks, Source};
use crate::spec::{NamespaceKind, Process};
use crate::stdio::Stdio;

pub(super) use crate::rootfs::Rootfs;

/// Opens the root by descriptor. `None` if the container shares its mount namespace.
pub(super) fn open(options: &CreateOptions<'_>, prepared: &Prepared) -> Result<Option<Rootfs>> {
    if !namespaces::owns_mounts(options.spec) {
        return Ok(None);
    }
    let rootfs = rootfs::prepare(&root_path(options)?, options.spec)?;
    let namespace = prepared.pid_namespace.as_ref().map(OwnedFd::try_clone).transpose();
    Ok(Some(rootfs.with_pid_namespace(namespace.step(|| "duplicate a descriptor".into())?)))
}

fn root_path(options: &CreateOptions<'_>) -> Result<PathBuf> {
    let root = options.spec.root.as_ref().ok_or_else(|| Error::Invalid("it has no root".into()))?;
    Ok(options.bundle.join(&root.path))
}

/// Mounts everything, runs the hooks, hides paths and makes the root this process's own. Returns the terminal, if the
/// program gets one.
pub(super) fn build(
    options: &CreateOptions<'_>,
    prepared: &Prepared,
    rootfs: Option<Rootfs>,
    channel: &Channel,
) -> Result<Option<Console>> {
    let spec = options.spec;
    let terminal = spec.process.as_ref().filter(|process| process.terminal);
    let Some(rootfs) = rootfs else {
        run_hooks(options, channel)?;
        rootfs::enter_shared(&root_path(options)?)?;
        return terminal
            .map(|process| console::open(console::dev()?, console_size(process), &options.stdio))
            .transpose();
    };
    let read_only_later = mount_all(options, prepared, &rootfs, channel)?;
    make_devices(options, &rootfs)?;
    let console = terminal.map(|process| open_console(&rootfs, process, &options.stdio)).transpose()?;
    run_hooks(options, channel)?;
    hide_paths(options, &rootfs)?;
    // docker makes a working directory that the image lacks.
    if let Some(process) = &spec.process {
        rootfs.find_or_make(&process.cwd, rootfs::Kind::Directory)?;
    }
    read_only_later.apply()?;
    rootfs::pivot(&rootfs, spec, options.may_move_root)?;
    Ok(console)
}

/// Makes the mounts of the spec, in their order, and then attaches those that the caller gives.
fn mount_all(
    options: &CreateOptions<'_>,
    prepared: &Prepared,
    rootfs: &Rootfs,
    channel: &Channel,
) -> Result<rootfs::ReadOnlyLater> {
    // With a cgroup namespace the container sees its own cgroup as the root. Without one that cgroup is bind-mounted.
    let has_cgroup_namespace =
        namespaces::of(options.spec).iter().any(|one| one.kind == NamespaceKind::Cgroup);
    let visible = options.cgroup.as_ref().filter(|_| !has_cgroup_namespace);
    let mut read_only_later = rootfs::ReadOnlyLater::default();
    for (index, mount) in options.spec.mounts.iter().enumerate() {
        let requested;
        let source = match prepared.sources.get(index) {
            Source::Bound(tree) => Some(tree),
            Source::Requested => {
                requested = rootfs::request(channel, index)?;
                Some(&requested)
            }
            Source::Own => None,
        };
        rootfs::mount(rootfs, mount, options.bundle, source, visible, &mut read_only_later)?;
    }
    options.detached_mounts.iter().try_for_each(|mount| rootfs::attach_detached(rootfs, mount))?;
    Ok(read_only_later)
}

/// Makes docker's devices and those of the spec. A /dev that is bind-mounted belongs to the host and is left as it is.
fn make_devices(options: &CreateOptions<'_>, rootfs: &Rootfs) -> Result<()> {
    if rootfs::has_bound_dev(options.spec) {
        return Ok(());
    }
    let bind = hull_sys::id_map::in_user_namespace();
    rootfs::make_default_devices(rootfs, bind)?;
    let devices = options.spec.linux.iter().flat_map(|linux| &linux.devices);
    devices.into_iter().try_for_each(|device| rootfs::make_device(rootfs, device, bind))
}

fn hide_paths(options: &CreateOptions<'_>, rootfs: &Rootfs) -> Result<()> {
    for path in options.spec.linux.iter().flat_map(|linux| &linux.readonly_paths) {
        rootfs::read_only(rootfs, path)?;
    }
    let mut masks = Masks::default();
    for path in options.spec.linux.iter().flat_map(|linux| &linux.masked_paths) {
        masks.mask(rootfs, path)?;
    }
    Ok(())
}

/// Runs the hooks that need both the container's mounts and the host's files: first the parent's, then this process's.
fn run_hooks(options: &CreateOptions<'_>, channel: &Channel) -> Result<()> {
    let spec = options.spec;
    if hooks::has(spec, Point::Prestart) || hooks::has(spec, Point::CreateRuntime) {
        channel.send(&Message::Mounted)?;
        channel.await_go()?;
    }
    hooks::run(Point::CreateContainer, hook_state(options))
}

fn open_console(rootfs: &Rootfs, user_process: &Process, stdio: &Stdio) -> Result<Console> {
    let dev = rootfs.find(Path::new("/dev"), OFlags::PATH | OFlags::DIRECTORY).step(|| "open /dev".into())?;
    let console = console::open(dev.as_fd(), console_size(user_process), stdio)?;
    rootfs::bind_console(rootfs, &console.slave)?;
    Ok(console)
}

fn console_size(user_process: &Process) -> Option<(u16, u16)> {
    user_process.console_size.map(|size| (size.height, size.width))
}
