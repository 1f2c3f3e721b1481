//! What the user can do about an error, and the exit code of the command that failed. Both follow from the error's kind
//! and details; the crates below know no verbs and no flags.

use crate::persona::Persona;
use hull_engine::Obstacle;
use hull_engine::{Detail, ParentProblem};
use hull_storage::OverlayObstacle;
use hull_sys::Kind;

/// How a verb's failure becomes an exit code. These are docker's rules.
#[derive(Debug, Clone, Copy)]
pub enum Code {
    /// 126 and 127 for the program, 125 for everything else.
    Run,
    /// 126 and 127 for the program, 1 for everything else.
    Exec,
    /// 1.
    Plain,
}

/// What docker exits with when it is itself at fault, or was asked for what it does not understand.
pub const OWN_FAILURE: u8 = 125;

pub fn exit_code(kind: Option<Kind>, code: Code) -> u8 {
    match (code, kind) {
        (Code::Run | Code::Exec, Some(Kind::ProgramNotFound)) => 127,
        (Code::Run | Code::Exec, Some(Kind::ProgramNotExecutable)) => 126,
        (Code::Run, _) => OWN_FAILURE,
        // podman's code for nearly all errors of its own.
        (Code::Exec | Code::Plain, _) if Persona::is_podman() => OWN_FAILURE,
        (Code::Exec | Code::Plain, _) => 1,
    }
}

/// What the kind and the details of an error are found out from: the first error in the chain that has them.
pub fn classify(error: &anyhow::Error) -> (Option<Kind>, Option<Detail>) {
    // An error that is the context of another is found by `downcast_ref` of the whole, and not in the chain.
    if let Some(image) = error.downcast_ref::<hull_image::Error>() {
        return (Some(image.kind()), Detail::of_image(image));
    }
    let known = error.chain().find_map(|cause| {
        if let Some(error) = cause.downcast_ref::<hull_build::Error>() {
            return Some(of_build(error));
        }
        if let Some(error) = cause.downcast_ref::<hull_engine::Error>() {
            return Some((error.kind(), error.detail()));
        }
        if let Some(hull_compose::Error::Engine { source, .. }) = cause.downcast_ref() {
            return Some((source.kind(), source.detail()));
        }
        if let Some(error) = cause.downcast_ref::<hull_image::Error>() {
            return Some((error.kind(), Detail::of_image(error)));
        }
        let error = cause.downcast_ref::<hull_storage::Error>()?;
        Some((error.kind(), Detail::of_storage(error)))
    });
    known.map_or((None, None), |(kind, detail)| (Some(kind), detail))
}

/// An error of the builder contains those of the crates below it.
fn of_build(error: &hull_build::Error) -> (Kind, Option<Detail>) {
    use hull_build::Error;
    let detail = match error {
        Error::At { source, .. } => return of_build(source),
        Error::Engine(error) => error.detail(),
        Error::Image(error) => Detail::of_image(error),
        Error::Storage(error) => Detail::of_storage(error),
        other => build_advice(other).map(|advice| Detail::Advice(advice.into())),
    };
    (error.kind(), detail)
}

/// What helps with the usual errors of a Dockerfile.
fn build_advice(error: &hull_build::Error) -> Option<&'static str> {
    use hull_build::Error;
    match error {
        Error::NoSuchFile { path, .. } if path.ends_with("Dockerfile") => Some(
            "-f names another Dockerfile; the argument of hull build is the directory of the build context",
        ),
        Error::NoSuchFile { place, .. } if place.contains("context") => {
            Some("paths of COPY and ADD are in the build context, and .dockerignore leaves files out of it")
        }
        // The shell was opened.
        Error::Failed { kept: Some(_), .. } => None,
        Error::Failed { code: 126 | 127, .. } => {
            Some("the image may lack the program: --shell-on-failure opens a shell where the step has failed")
        }
        Error::Failed { .. } => Some("--shell-on-failure opens a shell where the step has failed"),
        _ => None,
    }
}

/// The hint for an error with these details.
pub fn hint(detail: Detail) -> Option<String> {
    let text = match detail {
        Detail::NoSuchContainer => "hull ps -a lists all containers",
        Detail::WrongState { container, verb, state } => return wrong_state(&container, &verb, &state),
        Detail::ContainerRuns { container } => {
            return Some(format!("stop it, or remove it by force: hull rm -f {container}"));
        }
        Detail::DamagedContainer { container } => {
            return Some(format!("remove the container: hull rm -f {container}"));
        }
        Detail::MonitorSilent { container, pid } => {
            return Some(format!(
                "continue it (kill -CONT {pid}), or end the container: hull rm -f {container}"
            ));
        }
        Detail::MonitorAlive { container } => return Some(format!("end it first: hull rm -f {container}")),
        Detail::LockHeld { pid: 0, .. } => "wait until that process has ended",
        Detail::LockHeld { pid, is_stopped: true } => {
            return Some(format!("continue it (kill -CONT {pid}) or end it (kill -KILL {pid})"));
        }
        Detail::LockHeld { pid, is_stopped: false } => {
            return Some(format!("wait until it has ended, or end it: kill {pid}"));
        }
        Detail::NameTaken { container } => {
            return Some(format!("remove it (hull rm {container}), rename it, or choose another name"));
        }
        Detail::NoSuchSnapshot { container } => {
            return Some(format!("hull snapshots list {container} lists them"));
        }
        Detail::SnapshotExists => {
            "choose another name, or take it with hull snapshot --reuse, which replaces that one"
        }
        Detail::NoSuchVolume => "hull volume ls lists all volumes",
        Detail::NoSuchPool => "hull storage list lists all storage pools",
        Detail::NoSuchPoolVolume { pool } => {
            return Some(format!("hull storage volume list {pool} lists the pool's volumes"));
        }
        Detail::PoolUnavailable { pool } => {
            return Some(format!(
                "hull storage show {pool} says where it should be; nothing of it was changed"
            ));
        }
        Detail::VolumeInUse { containers } => {
            return Some(format!("remove what uses it first: hull rm {}", containers.join(" ")));
        }
        Detail::RootNotPermitted => {
            "hull keeps its state where only its user can write: choose a --root of your own"
        }
        Detail::RootReadOnly => "choose a --root on a writable file system",
        Detail::DiskFull => "make room: hull system prune",
        Detail::NewerFormat => "use the hull that wrote it, or another directory with --root",
        Detail::ForeignRunRoot => "name another --runroot, or none: a --root has a run directory in it",
        Detail::ForeignDirectory => "choose a --root and a --runroot of your own",
        Detail::IdNotMapped => {
            return Some(hull_engine::rootless::more_ids_hint(&crate::environment::search_path()));
        }
        Detail::UserNamespace(obstacle) => user_namespace(obstacle),
        Detail::Overlay(obstacle) => overlay(obstacle),
        Detail::NoSuchProfile => "hull profile list lists all profiles",
        Detail::ProfileInUse { name } => {
            return Some(format!("take it from them first: hull profile remove CONTAINER {name}"));
        }
        Detail::DidYouMean { name } => return Some(format!("did you mean {name}?")),
        Detail::ProtectedContainer { container } => {
            return Some(format!("hull container config set {container} security.protection.delete=false"));
        }
        Detail::Advice(advice) => return Some(advice),
        other => return image_hint(other),
    };
    Some(text.to_owned())
}

/// Images, archives and registries.
fn image_hint(detail: Detail) -> Option<String> {
    let text = match detail {
        Detail::NoSuchImage { nearest: Some(nearest) } => return Some(format!("did you mean {nearest}?")),
        Detail::NoSuchImage { nearest: None } => {
            "hull images lists the images of this machine; hull import makes one from a root file system; `host` needs no download"
        }
        Detail::ImageInUse { container } => {
            return Some(format!("remove the container first: hull rm {container}"));
        }
        Detail::DamagedImage => {
            "hull system check --repair downloads the damaged parts again; hull rmi removes the image"
        }
        Detail::NotAnImage => {
            "hull load reads what docker save or an OCI layout holds; a root file system: hull import"
        }
        Detail::NotATar => {
            "expected a tar, plain or packed with gzip, zstd, xz or bzip2; if it is one, it was changed on the way"
        }
        Detail::IncompleteArchive => "fetch it again: it is incomplete or was changed on the way",
        Detail::RegistryUnreachable => {
            "check the name of the registry, and whether you need a proxy (HTTPS_PROXY)"
        }
        Detail::RegistryCertificate { registry } => {
            return Some(format!(
                "put the authority's certificate into /etc/docker/certs.d/{registry}/ca.crt, or switch the check off: \
                 --tls-verify=false"
            ));
        }
        Detail::RegistryDenied { registry } => {
            return Some(format!("check the name, or log in: hull login {registry}"));
        }
        Detail::NotInRegistry => {
            "hull image tags lists the tags of a repository; a private repository needs hull login first"
        }
        Detail::RegistryBusy => "wait, or hull login: registries often allow more to a user who is logged in",
        network => return network_hint(network),
    };
    Some(text.to_owned())
}

fn wrong_state(container: &str, verb: &str, state: &str) -> Option<String> {
    match (verb, state) {
        ("unpause", _) => None,
        (_, "running") => Some(format!("stop it first: hull stop {container}")),
        (_, "paused") => Some(format!("hull unpause {container}")),
        _ => None,
    }
}

fn network_hint(detail: Detail) -> Option<String> {
    let text = match detail {
        Detail::NoSuchNetwork => "hull network ls lists all networks",
        Detail::NoSuchNetworkDriver { driver } => network_driver(&driver),
        Detail::NetworkInUse { network, container } => {
            return Some(format!("stop the container, or: hull network disconnect {network} {container}"));
        }
        Detail::Parent { link, problem } => return Some(parent(&link, &problem)),
        Detail::NetworkNotPermitted => {
            "networks need CAP_NET_ADMIN: use sudo, or install pasta for unprivileged users"
        }
        Detail::NetworkNotInKernel => {
            "this kernel was built without it: bridge, veth, nf_tables and nf_nat are needed"
        }
        Detail::NoUserModeNetwork => {
            "an unprivileged user's containers have a user-mode network: slirp4netns (apt install slirp4netns) or pasta \
             (apt install passt), which open /dev/net/tun; or use --network host, or sudo"
        }
        Detail::NoTunDevice => {
            "let root make it yours to open (modprobe tun; chmod 666 /dev/net/tun), or use --network host"
        }
        Detail::InvalidLinkName => "1 to 15 letters, digits, '-', '_' and '.'",
        Detail::InvalidMac => "six pairs of hex digits, the first one even: 02:42:ac:11:00:02",
        Detail::InvalidSubnet => "a subnet is an address and a prefix length: 172.30.0.0/16, fd00:30::/64",
        Detail::AddressTaken => "without --ip, hull chooses a free address",
        Detail::NoAddressLeft => {
            "remove a container, or make a network with a larger --subnet (or --ip-range)"
        }
        Detail::InvalidPort => {
            "[IP:][HOST PORT:]CONTAINER PORT[/tcp|udp|sctp], where a port is 1 to 65535 or a range"
        }
        Detail::PortTaken => {
            "choose another host port, or omit it to get a free one: -p 80, or ports: [80] in a compose file"
        }
        Detail::PortReserved { port, first } => {
            return Some(format!(
                "publish a port from {first} on, or let root permit it: sysctl -w \
                 net.ipv4.ip_unprivileged_port_start={port}"
            ));
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// What to take for a network driver that hull does not have.
fn network_driver(driver: &str) -> &'static str {
    match driver {
        "ipvlan" => {
            "-d macvlan -o parent=eth0 puts containers on the host's LAN, each with a MAC address of its own"
        }
        "host" | "null" | "none" => "this network always exists: hull run --network host, or --network none",
        "overlay" => "-d vxlan --peer ADDRESS connects hosts that know each other, without a swarm",
        _ => "the drivers are bridge, macvlan and vxlan",
    }
}

fn parent(link: &str, problem: &ParentProblem) -> String {
    match problem {
        ParentProblem::Missing => "ip link lists the links of this machine".into(),
        ParentProblem::Loopback => "ip link lists the other links".into(),
        ParentProblem::Down => format!("ip link set {link} up"),
        ParentProblem::PortOfBridge => "use the bridge itself as the parent".into(),
        ParentProblem::PortOfOtherBridge | ParentProblem::IsBridge | ParentProblem::HasAddress(_) => {
            format!("-d macvlan -o parent={link} leaves the link as it is")
        }
    }
}

fn user_namespace(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::LimitIsZero => {
            "this machine allows no user namespaces: sysctl -w user.max_user_namespaces=15000 (as root)"
        }
        Obstacle::LimitReached => {
            "there are too many user namespaces, or they are nested too deeply: see user_namespaces(7)"
        }
        Obstacle::AppArmor => {
            "Ubuntu denies user namespaces to programs without an AppArmor profile: give hull one with the rule \"userns,\", or \
             sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (as root)"
        }
        Obstacle::RootOnly => {
            "this machine allows user namespaces to root only: sysctl -w kernel.unprivileged_userns_clone=1 (as root)"
        }
        Obstacle::SeccompFilter => {
            "a seccomp filter is in force, probably an outer container's: start that one with \
             --security-opt seccomp=unconfined"
        }
        Obstacle::Unknown => "run hull as root, or see user_namespaces(7) for what may forbid it",
    }
}

fn overlay(obstacle: OverlayObstacle) -> &'static str {
    match obstacle {
        OverlayObstacle::RootOnOverlay => {
            "hull's root is on an overlay itself (inside a container?), which cannot hold another one's changes: \
             set --root to a volume, or to a tmpfs"
        }
        OverlayObstacle::VolatileAfterCrash => {
            "the machine went down while this container ran with --rm, and its files may be incomplete: remove it"
        }
        OverlayObstacle::RootFileSystem => {
            "the file system under hull's root may not support overlays (network file systems do not): \
             set --root to an ext4, xfs, btrfs or tmpfs"
        }
        OverlayObstacle::OldKernel => "overlays for unprivileged users need Linux 5.11",
        OverlayObstacle::NotInKernel => "this kernel has no overlay file system: modprobe overlay",
        OverlayObstacle::InUse => "another overlay uses the same directories: is the container running?",
        OverlayObstacle::TooManyLayers => "the image has more layers than this kernel can stack",
        OverlayObstacle::IdMapping => {
            "--userns needs Linux 5.19, and hull's root on a file system with idmapped mounts: ext4, xfs, btrfs, or tmpfs (Linux 6.3)"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_dockers() {
        for kind in Kind::ALL.into_iter().map(Some).chain([None]) {
            let (run, exec) = match kind {
                Some(Kind::ProgramNotFound) => (127, 127),
                Some(Kind::ProgramNotExecutable) => (126, 126),
                _ => (125, 1),
            };
            assert_eq!(exit_code(kind, Code::Run), run, "{kind:?}");
            assert_eq!(exit_code(kind, Code::Exec), exec, "{kind:?}");
            assert_eq!(exit_code(kind, Code::Plain), 1, "{kind:?}");
        }
    }

    #[test]
    fn an_error_is_classified_whatever_context_it_has() {
        let error = hull_engine::Error::NoSuchNetwork("lan".into());
        let error = anyhow::Error::new(error).context("cannot start").context("again");
        let (kind, detail) = classify(&error);
        assert_eq!((kind, &detail), (Some(Kind::NotFound), &Some(Detail::NoSuchNetwork)));
        assert!(detail.and_then(hint).is_some_and(|hint| hint.contains("hull network ls")));
        let missing =
            hull_image::Error::NoSuchImage { name: "debain".into(), nearest: Some("debian".into()) };
        let error = anyhow::anyhow!("a registry refused").context(missing);
        assert_eq!(classify(&error).1.and_then(hint).as_deref(), Some("did you mean debian?"));
        assert_eq!(classify(&anyhow::anyhow!("anything else")), (None, None));
    }

    #[test]
    fn hints_name_what_the_error_is_about() {
        let stop =
            Detail::WrongState { container: "box".into(), verb: "rename".into(), state: "running".into() };
        assert_eq!(hint(stop).as_deref(), Some("stop it first: hull stop box"));
        let port = Detail::PortReserved { port: 80, first: 1024 };
        assert!(hint(port).is_some_and(|hint| hint.contains("from 1024 on") && hint.ends_with("=80")));
        let down = Detail::Parent { link: "eth7".into(), problem: ParentProblem::Down };
        assert_eq!(hint(down).as_deref(), Some("ip link set eth7 up"));
    }
}
