//! The options of a system container.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::records::options::{
    CreateOptions, DeviceOption, MountOption, NamespaceMode, NetworkMode, SeccompOption,
};
use crate::records::record::Record;

/// The path at which every distribution has its init.
const INIT: &str = "/sbin/init";

/// Seconds that a stop waits: as many as LXD gives an instance when the machine goes down
/// (`boot.host_shutdown_timeout`). docker's 10 seconds are meant for one program, but a system has to end its services
/// first. systemd waits up to 90 seconds for a service (systemd-system.conf(5), `DefaultTimeoutStopSec`), which needs a
/// longer `--stop-timeout`.
const STOP_TIMEOUT: u32 = 30;

/// The length of the longest host name (gethostname(2)), without the zero byte at its end.
const LONGEST_NAME: usize = 63;

/// The system calls that LXD refuses in unprivileged containers: loading modules and kernels, and opening files by
/// handles, which may lead out of the root.
const POLICY: &str = include_str!("policy.json");

/// Devices that a distribution's programs expect. They are harmless, because their drivers check their users' rights.
const DEVICES: [&str; 2] = ["/dev/fuse", "/dev/net/tun"];

/// Capabilities that only the machine's own root can use (capabilities(7)). systemd would take them as a reason to
/// mount debugfs and to load modules, and would fail.
const OF_THE_MACHINE: [&str; 2] = ["SYS_RAWIO", "SYS_MODULE"];

/// Capabilities that LXD takes in addition from a container whose root is the machine's: over the clock, and over the
/// rules of security modules.
const OF_THE_MACHINES_ROOT: [&str; 3] = ["SYS_TIME", "MAC_ADMIN", "MAC_OVERRIDE"];

/// Sets the options that the caller has left open. Does nothing for an ordinary container.
pub(crate) fn apply(options: &mut CreateOptions) -> Result<()> {
    if !options.system {
        return Ok(());
    }
    check(options)?;
    if options.command.is_empty() && options.entrypoint.is_none() {
        options.entrypoint = Some(vec![]);
        options.command = vec![INIT.into()];
    }
    options.user.get_or_insert_with(|| "0".into());
    options.working_dir.get_or_insert_with(|| "/".into());
    options.stop_timeout.get_or_insert(STOP_TIMEOUT);
    // An init reads from its console and writes to it.
    options.tty = true;
    options.interactive = true;
    // systemd-detect-virt(1) knows this value. Other programs read it from /proc/1/environ.
    options.env.insert(0, "container=lxc".into());
    for (target, mode) in [("/run", "mode=755"), ("/tmp", "mode=1777")] {
        fresh(options, target, mode);
    }
    if !options.privileged {
        rights(options);
        if options.seccomp == SeccompOption::Default {
            options.seccomp = SeccompOption::Policy(POLICY.into());
        }
    }
    Ok(())
}

/// Refuses what would give the init something of the host instead of its own.
fn check(options: &CreateOptions) -> Result<()> {
    let refuse = |option: &str, why: &str| {
        Err(Error::Invalid {
            what: "combination of options".into(),
            why: format!("--system and {option}: {why}"),
        })
    };
    if options.pid != NamespaceMode::Private {
        return refuse(
            "--pid",
            "an init is the first process of its own pid namespace, which reboot(2) ends",
        );
    }
    if options.cgroupns != NamespaceMode::Private {
        return refuse("--cgroupns", "an init makes cgroups, and would make them among the host's");
    }
    if options.init {
        return refuse("--init", "the first process is the init of the distribution");
    }
    Ok(())
}

/// Sets the capabilities and the ids. An unprivileged user's container shares the ids of the user's other containers,
/// because the kernel maps the ids of a host file system only for root (mount_setattr(2)).
fn rights(options: &mut CreateOptions) {
    let has_own_caps = options.cap_add.is_empty() && options.cap_drop.is_empty();
    if hull_sys::id_map::in_user_namespace() {
        if has_own_caps {
            // reboot(2) then ends the container's own pid namespace, and nothing else.
            options.cap_add = vec!["SYS_BOOT".into()];
        }
        return;
    }
    if has_own_caps {
        options.cap_add = vec!["ALL".into()];
        options.cap_drop = OF_THE_MACHINE.map(String::from).into();
    }
    match options.userns.mode.as_str() {
        // The caller asks for the host's ids, as LXD's security.privileged does.
        "host" if has_own_caps => options.cap_drop.extend(OF_THE_MACHINES_ROOT.map(String::from)),
        "host" => {}
        _ => own_ids(options),
    }
}

/// Gives the container ids of its own. Its root is nobody on the host, so it may have all capabilities: they hold only
/// for what belongs to its user namespace. For the same reason nothing in /proc has to be hidden. A hidden part would
/// even forbid the container to mount procfs for containers of its own (`mount_too_revealing` in the kernel).
fn own_ids(options: &mut CreateOptions) {
    if options.userns.is_host() {
        options.userns.mode = "auto".into();
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

/// Adds a tmpfs, so that the directory is empty at each start.
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

/// The host name of a system container, made from the container's name. `None` for an ordinary container, for a host
/// name that the caller has chosen, and for one that is shared with the host or another container. hostname(7) allows
/// letters, digits and
/// hyphens.
pub(crate) fn host_name(record: &Record) -> Option<String> {
    let options = &record.options;
    let is_shared = matches!(options.network, NetworkMode::Host | NetworkMode::Container(_));
    if !options.system || options.hostname.is_some() || options.uts != NamespaceMode::Private || is_shared {
        return None;
    }
    let letters = record.name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' });
    Some(letters.take(LONGEST_NAME).collect::<String>().trim_matches('-').to_owned())
}
