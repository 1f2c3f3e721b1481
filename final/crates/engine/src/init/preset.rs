//! The options of a system container.

use std::path::{Path, PathBuf};

use crate::records::options::{CreateOptions, DeviceOption, MountOption, SeccompOption};

/// The path at which every distribution has its init.
const INIT: &str = "/sbin/init";

/// What systemd takes as: halt (systemd(1), "Signals").
const HALT: &str = "RTMIN+3";

/// Which system calls LXD refuses in unprivileged containers: loading modules and kernels, and opening files by handles, which
/// leads out of a root.
const POLICY: &str = include_str!("policy.json");

/// Devices that a distribution's programs expect, and that do no harm: each has its own checks.
const DEVICES: [&str; 2] = ["/dev/fuse", "/dev/net/tun"];

/// Sets what the caller left open. Does nothing for an ordinary container.
pub(crate) fn apply(options: &mut CreateOptions) {
    if !options.system {
        return;
    }
    if options.command.is_empty() && options.entrypoint.is_none() {
        options.entrypoint = Some(vec![]);
        options.command = vec![INIT.into()];
    }
    options.user.get_or_insert_with(|| "0".into());
    options.working_dir.get_or_insert_with(|| "/".into());
    options.stop_signal.get_or_insert_with(|| HALT.into());
    // The init writes to its console, and reads from it.
    options.tty = true;
    // systemd-detect-virt(1) knows this value. /proc/1/environ of the container tells it to other programs.
    options.env.insert(0, "container=lxc".into());
    for (target, mode) in [("/run", "mode=755"), ("/tmp", "mode=1777")] {
        fresh(options, target, mode);
    }
    if !options.privileged && !hull_sys::id_map::in_user_namespace() {
        own_ids(options);
    }
    if options.seccomp == SeccompOption::Default && !options.privileged {
        options.seccomp = SeccompOption::Policy(POLICY.into());
    }
}

/// The container's root is nobody on the host, so it may have all capabilities: they hold for what belongs to its user
/// namespace. For the same reason nothing in /proc has to be hidden, and a hidden part would forbid the container to mount
/// procfs for containers of its own (`mount_too_revealing` in the kernel).
fn own_ids(options: &mut CreateOptions) {
    if options.userns.is_host() {
        options.userns.mode = "auto".into();
    }
    if options.cap_add.is_empty() && options.cap_drop.is_empty() {
        options.cap_add = vec!["ALL".into()];
    }
    options.masked_paths.get_or_insert_default();
    options.readonly_paths.get_or_insert_default();
    for path in DEVICES.map(PathBuf::from).into_iter().filter(|path| path.exists()) {
        let has = options.devices.iter().any(|device| device.container == path);
        if !has {
            options.devices.push(DeviceOption {
                host: path.clone(),
                container: path,
                permissions: "rwm".into(),
            });
        }
    }
}

/// A directory that is empty at each start.
fn fresh(options: &mut CreateOptions, target: &str, mode: &str) {
    if options.mounts.iter().any(|mount| mount.target() == Path::new(target)) {
        return;
    }
    options.mounts.push(MountOption::Tmpfs {
        target: target.into(),
        options: vec!["exec".into(), mode.into()],
        from_mount_flag: false,
    });
}
