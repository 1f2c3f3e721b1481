//! The name under which hull was started. Through a link called `docker`, `podman` or `buildah` it keeps to what programs
//! that start these read from them, where that differs from hull's own output. Through one called `docker-compose` or
//! `podman-compose`, the words after the name are those of `hull compose`. Through `lxc` they are LXD's, and through
//! `lxc-start` and others they are LXC's. These have command lines of their own, since LXD's `info`, `list` or `export`
//! mean something else than docker's.

use std::ffi::OsString;
use std::path::Path;
use std::sync::OnceLock;

/// The version of docker's command line that hull follows.
const DOCKER_VERSION: &str = "28.2.2";
/// The version of podman that hull follows.
const PODMAN_VERSION: &str = "4.3.1";
/// The version of buildah in that podman.
const BUILDAH_VERSION: &str = "1.28.2";
/// The version of Docker Compose that hull follows.
pub const COMPOSE_VERSION: &str = "2.40.3";
/// The version of LXD, and of LXC, whose command lines hull follows.
const LXD_VERSION: &str = "5.0.2";
/// LXC's programs that hull answers for.
pub const LXC_TOOLS: [&str; 15] = [
    "lxc-attach",
    "lxc-checkconfig",
    "lxc-console",
    "lxc-copy",
    "lxc-create",
    "lxc-destroy",
    "lxc-freeze",
    "lxc-info",
    "lxc-ls",
    "lxc-snapshot",
    "lxc-start",
    "lxc-stop",
    "lxc-top",
    "lxc-unfreeze",
    "lxc-wait",
];

/// LXC's programs that hull does not have, and what does the same. Of another program whose name begins like theirs, the
/// last one is said.
pub const LXC_LACKING: [(&str, &str); 13] = [
    ("lxc-autostart", "hull boot start starts the containers that boot.autostart names"),
    (
        "lxc-cgroup",
        "hull update and the keys limits.* change the limits of a container, and hull stats shows what it uses",
    ),
    ("lxc-checkpoint", "hull snapshot --stateful keeps the processes of a container"),
    ("lxc-config", "hull has no configuration of LXC's, and hull info shows its own directories"),
    ("lxc-device", "hull device add NAME DEVICE unix-char source=/dev/NODE gives a container a device"),
    (
        "lxc-execute",
        "it makes a container without a root file system of its own, which hull has not: hull run IMAGE COMMAND runs a program of an image",
    ),
    ("lxc-monitor", "hull events shows what happens to containers"),
    ("lxc-to-lxd", "hull reads no containers of LXC's: hull import and hull image import read archives"),
    ("lxc-unshare", "unshare of util-linux runs a program in namespaces of its own"),
    ("lxc-update-config", "hull has no configuration files of LXC's"),
    ("lxc-usernsexec", "unshare --map-auto of util-linux runs a program in a user namespace"),
    ("lxc-unpriv-start", "hull start needs no other program for an unprivileged user"),
    ("lxc-", "hull --help shows what there is"),
];

/// What hull says instead of being this program of LXC's. `None` for a program that it is.
pub fn lacking(tool: &str) -> Option<&'static str> {
    if LXC_TOOLS.contains(&tool) {
        return None;
    }
    LXC_LACKING.iter().find(|(name, _)| *name == tool || *name == "lxc-").map(|(_, instead)| *instead)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persona {
    Hull,
    Docker,
    Podman,
    Buildah,
    DockerCompose,
    PodmanCompose,
    /// LXD's client.
    Lxc,
    /// One of [`LXC_TOOLS`], or another program whose name begins like theirs ([`lacking`]).
    LxcTool(&'static str),
}

/// The words of the command line, the program's name first. `docker-compose up` is `hull compose up`, and the name of one
/// of LXC's programs is the verb.
pub fn words() -> Vec<OsString> {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    match Persona::own() {
        Persona::DockerCompose | Persona::PodmanCompose => {
            words.splice(..1, ["hull".into(), "compose".into()]);
        }
        Persona::LxcTool(tool) => {
            words.splice(..1, ["lxc".into(), tool.into()]);
        }
        _ => {}
    }
    words
}

/// The words after the program's name, for messages.
pub fn words_as_text() -> Vec<String> {
    words().into_iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
}

impl Persona {
    /// This process's. An execution through a protected copy of the program keeps the name.
    pub fn own() -> Self {
        static OWN: OnceLock<Persona> = OnceLock::new();
        *OWN.get_or_init(|| {
            let program = std::env::args_os().next().unwrap_or_default();
            match Path::new(&program).file_name().and_then(|name| name.to_str()) {
                Some("docker") => Self::Docker,
                Some("podman") => Self::Podman,
                Some("buildah") => Self::Buildah,
                Some("docker-compose") => Self::DockerCompose,
                Some("podman-compose") => Self::PodmanCompose,
                Some("lxc") => Self::Lxc,
                // A process has one name, so at most one is kept.
                Some(name) if name.starts_with("lxc-") => Self::LxcTool(Box::leak(name.into())),
                _ => Self::Hull,
            }
        })
    }

    /// podman, or buildah, which is podman's builder.
    pub fn is_podman() -> bool {
        matches!(Self::own(), Self::Podman | Self::Buildah)
    }

    /// A program that has only the verbs of compose.
    pub fn is_compose() -> bool {
        matches!(Self::own(), Self::DockerCompose | Self::PodmanCompose)
    }

    /// LXD's client or one of LXC's programs, which exit with 1 after every failure of their own.
    pub fn is_lxc() -> bool {
        matches!(Self::own(), Self::Lxc | Self::LxcTool(_))
    }

    /// What stands before errors.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Hull => "hull",
            Self::Docker => "docker",
            Self::Podman | Self::Buildah | Self::Lxc => "Error",
            Self::DockerCompose | Self::PodmanCompose | Self::LxcTool(_) => self.name(),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Hull => "hull",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Buildah => "buildah",
            Self::DockerCompose => "docker-compose",
            Self::PodmanCompose => "podman-compose",
            Self::Lxc => "lxc",
            Self::LxcTool(tool) => tool,
        }
    }

    /// What `version` says; others compare it with what they need.
    pub fn version(self) -> &'static str {
        match self {
            Self::Hull => env!("CARGO_PKG_VERSION"),
            Self::Docker => DOCKER_VERSION,
            Self::Podman => PODMAN_VERSION,
            Self::Buildah => BUILDAH_VERSION,
            Self::DockerCompose | Self::PodmanCompose => COMPOSE_VERSION,
            Self::Lxc | Self::LxcTool(_) => LXD_VERSION,
        }
    }

    /// What `--version` prints.
    pub fn version_line(self) -> String {
        match self {
            Self::Hull => format!("hull {}\n", self.version()),
            Self::Docker => {
                format!("Docker version {}, build hull-{}\n", self.version(), Self::Hull.version())
            }
            Self::Podman | Self::Buildah => format!("{} version {}\n", self.name(), self.version()),
            Self::DockerCompose | Self::PodmanCompose => {
                format!("Docker Compose version v{}\n", self.version())
            }
            // LXD's and LXC's programs print the number alone.
            Self::Lxc | Self::LxcTool(_) => format!("{}\n", self.version()),
        }
    }
}
