//! Refuses options that contradict each other, or that this machine cannot fulfil.

use hull_image::platform::Platform;
use hull_image::store::Image;

use crate::error::{Error, Result};
use crate::records::options::{CreateOptions, NamespaceMode, NetworkMode, RestartPolicy};
use crate::rootfs::etc_files;

/// The checks that need no image.
pub(super) fn options(options: &CreateOptions) -> Result<()> {
    let conflict = |why: &str| Err(Error::Invalid { what: "combination of options".into(), why: why.into() });
    if options.auto_remove && options.restart != RestartPolicy::No {
        return conflict("--rm and --restart: a container that is removed cannot be restarted");
    }
    if options.hostname.is_some() && options.uts == NamespaceMode::Host {
        return conflict("--hostname and --uts host: the name would be the host's");
    }
    if matches!(options.network, NetworkMode::Container(_))
        && (!options.publish.is_empty() || options.publish_all)
    {
        return conflict("-p and --network container: the ports are the other container's");
    }
    if matches!(options.network, NetworkMode::Container(_)) && options.hostname.is_some() {
        return conflict("--hostname and --network container: the name is the other container's");
    }
    if let Some(asked) = options.resources.nano_cpus {
        check_cpus(asked)?;
    }
    if !options.device_cgroup_rules.is_empty() && hull_sys::id_map::in_user_namespace() {
        return conflict(
            "--device-cgroup-rule: device rules are root's; for an unprivileged user --device binds a device",
        );
    }
    let resources = &options.resources;
    crate::spec::check_resources(resources)?;
    check_cpuset("--cpuset-cpus", resources.cpuset_cpus.as_deref(), "cpu")?;
    check_cpuset("--cpuset-mems", resources.cpuset_mems.as_deref(), "node")?;
    etc_files::check(options)?;
    for sysctl in options.sysctls.keys() {
        let shared = match sysctl.split('.').next() {
            Some("net") => options.network == NetworkMode::Host,
            Some("kernel" | "fs") => options.ipc == NamespaceMode::Host,
            _ => false,
        };
        if shared {
            return conflict(&format!(
                "--sysctl {sysctl} would change the host: its namespace is the host's"
            ));
        }
    }
    Ok(())
}

/// `--platform` has to name the platform of the image.
pub(super) fn platform(image: &Image, name: &str, wanted: &str) -> Result<()> {
    let (wanted, found) = (Platform::parse(wanted)?, image.config.platform());
    if wanted.suits(&found).is_some() {
        return Ok(());
    }
    Err(Error::Unsupported(format!("image {name} is for {found}, and --platform asks for {wanted}")))
}

/// Checks a list of CPUs or memory nodes. The kernel's own error for one that does not exist is a bare ERANGE.
fn check_cpuset(flag: &str, wanted: Option<&str>, kind: &str) -> Result<()> {
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else { return Ok(()) };
    let invalid = |why: String| Error::Invalid { what: format!("{flag} {wanted:?}"), why };
    let list = cpuset(wanted).ok_or_else(|| invalid("expected a list such as 0-2,4".into()))?;
    // A kernel without NUMA has no such directory, and one node.
    let path = format!("/sys/devices/system/{kind}/online");
    let text = std::fs::read_to_string(path).unwrap_or_else(|_| "0".into());
    let online = cpuset(text.trim()).unwrap_or_default();
    let is_online = |number: u16| online.iter().any(|(first, last)| (*first..=*last).contains(&number));
    match list.into_iter().flat_map(|(first, last)| first..=last).all(is_online) {
        true => Ok(()),
        false => Err(invalid(format!("this machine has {}", text.trim()))),
    }
}

/// The ranges of cpuset(7)'s list format.
fn cpuset(text: &str) -> Option<Vec<(u16, u16)>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last).then_some((first, last))
    };
    text.split(',').map(range).collect()
}

/// More CPUs than the machine has would be no limit, and are most likely a mistake. docker refuses them, too.
fn check_cpus(nano_cpus: u64) -> Result<()> {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if nano_cpus <= cpus as u64 * 1_000_000_000 {
        return Ok(());
    }
    Err(Error::Invalid {
        what: format!("--cpus {}", nano_cpus as f64 / 1e9),
        why: format!("there are only {cpus} CPUs here"),
    })
}
