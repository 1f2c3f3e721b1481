//! What can go wrong with a container, with docker's exit codes and a hint where there is one.

use std::path::PathBuf;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("No such container: {0}")]
    NoSuchContainer(String),
    #[error("{name:?} is the beginning of several container ids: {}", candidates.join(", "))]
    Ambiguous { name: String, candidates: Vec<String> },
    #[error("invalid {what}: {why}")]
    Invalid { what: String, why: String },
    #[error("cannot {verb} container {name}: it is {state}")]
    WrongState { verb: &'static str, name: String, state: &'static str },
    #[error("cannot remove container {name}: it is {state}")]
    InUse { name: String, state: &'static str },
    #[error("the container's monitor died")]
    MonitorDied,
    #[error("the record of container {name} is damaged: {why}")]
    DamagedRecord { name: String, why: String },
    #[error("the monitor of container {name} does not answer: process {pid} {why}")]
    MonitorSilent { name: String, pid: i32, why: String },
    #[error("container {name} is being changed by {}", hull_storage::describe_holder(*holder, *is_stopped))]
    Busy { name: String, holder: i32, is_stopped: bool },
    /// Reported by the monitor, in its own words.
    #[error("{text}")]
    Start { code: u8, text: String, hint: Option<String> },
    #[error("cannot {action}: {source}")]
    Io { action: String, source: std::io::Error },
    #[error("{0}")]
    Unsupported(String),
    /// A user namespace has only the ids that are mapped into it (user_namespaces(7)).
    #[error("there is no {what} in your user namespace")]
    NotMapped { what: String },
    #[error("no {} {user:?} in the image's /{}", if file.ends_with("group") { "group" } else { "user" }, file.display())]
    NoSuchUser { user: String, file: PathBuf },
    #[error(transparent)]
    Runtime(#[from] hull_runtime::Error),
    #[error(transparent)]
    Cgroup(#[from] hull_runtime::cgroups::Error),
    #[error(transparent)]
    Storage(#[from] hull_storage::Error),
    #[error("No such network: {0}")]
    NoSuchNetwork(String),
    #[error("no such network driver: {0}")]
    NoSuchDriver(String),
    #[error("the host's link {link} cannot be the network's parent: {why}")]
    Parent { link: String, why: String, hint: String },
    #[error("network {network} is in use by container {user}")]
    NetworkInUse { network: String, user: String },
    /// Of the program that carries an ordinary user's packets.
    #[error("{what}: {why}")]
    UserMode { what: String, why: String },
    #[error(transparent)]
    Network(#[from] hull_network::Error),
    #[error(transparent)]
    Rootless(#[from] crate::rootless::Error),
    #[error(transparent)]
    Image(#[from] hull_image::Error),
}

impl Error {
    /// What the reader can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::WrongState { verb: "unpause", .. } => None,
            Self::WrongState { state: "running", name, .. } => {
                Some(format!("stop it first: hull stop {name}"))
            }
            Self::WrongState { state: "paused", name, .. } => Some(format!("hull unpause {name}")),
            Self::InUse { name, .. } => Some(format!("stop it, or remove it by force: hull rm -f {name}")),
            Self::Start { hint, .. } => hint.clone(),
            Self::DamagedRecord { name, .. } => Some(format!("remove the container: hull rm -f {name}")),
            Self::MonitorSilent { name, pid, .. } => {
                Some(format!("let it go on (kill -CONT {pid}), or end the container: hull rm -f {name}"))
            }
            Self::Busy { holder, is_stopped, .. } => Some(hull_storage::hint_at_holder(*holder, *is_stopped)),
            Self::Runtime(error) => error.hint(),
            Self::Storage(error) => error.hint(),
            Self::Network(error) => error.hint(),
            Self::NetworkInUse { network, user } => {
                Some(format!("stop the container, or: hull network disconnect {network} {user}"))
            }
            Self::UserMode { why, .. } if why.starts_with("/dev/net/tun") => {
                Some("let root make it yours to open (modprobe tun; chmod 666 /dev/net/tun), or use --network host".into())
            }
            Self::UserMode { .. } => Some(crate::net::USER_MODE_HINT.into()),
            Self::NoSuchDriver(name) => Some(crate::net::driver_hint(name).into()),
            Self::Parent { hint, .. } => Some(hint.clone()),
            Self::NoSuchNetwork(_) => Some("hull network ls lists the networks there are".into()),
            Self::NoSuchContainer(_) => Some("hull ps -a lists the containers there are".into()),
            Self::Rootless(error) => error.hint(),
            Self::NotMapped { .. } => Some(crate::rootless::more_ids_hint()),
            Self::Image(error) => error.hint(),
            Self::Cgroup(error) => error.hint(),
            _ => None,
        }
    }

    /// docker's: 127 when the command does not exist, 126 when it cannot be executed, 125 for hull's own failure.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Runtime(error) => error.exit_code(),
            Self::Start { code, .. } => *code,
            _ => 125,
        }
    }

    /// Replaces the container's id in the error by the name that the user typed.
    pub(crate) fn for_container(self, name: &str) -> Self {
        let name = name.to_owned();
        match self {
            Self::NoSuchContainer(_) => Self::NoSuchContainer(name),
            Self::DamagedRecord { why, .. } => Self::DamagedRecord { name, why },
            Self::Busy { holder, is_stopped, .. } => Self::Busy { name, holder, is_stopped },
            other => other,
        }
    }

    pub fn is_no_image(&self) -> bool {
        matches!(self, Self::Image(hull_image::Error::NoSuchImage { .. }))
    }

    /// A file of hull's own is not what it should be.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::DamagedRecord { .. }
                | Self::Storage(hull_storage::Error::Damaged { .. })
                | Self::Network(hull_network::Error::Storage(hull_storage::Error::Damaged { .. }))
        )
    }

    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NoSuchContainer(_))
    }
}

const HINT: &str = "\nhint: ";

impl Error {
    /// As one text, for the way from the monitor to the command.
    pub(crate) fn to_wire(&self) -> String {
        match self.hint() {
            Some(hint) => format!("{self}{HINT}{hint}"),
            None => self.to_string(),
        }
    }

    pub(crate) fn from_wire(code: u8, wire: &str) -> Self {
        let (text, hint) = match wire.split_once(HINT) {
            Some((text, hint)) => (text, Some(hint.to_owned())),
            None => (wire, None),
        };
        Self::Start { code, text: text.to_owned(), hint }
    }
}

impl From<hull_network::netlink::Error> for Error {
    fn from(error: hull_network::netlink::Error) -> Self {
        Self::Network(error.into())
    }
}

/// Says what was being done when the kernel refused.
pub(crate) trait IoContext<T> {
    fn context(self, action: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> IoContext<T> for std::result::Result<T, E> {
    fn context(self, action: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::Io { action: action(), source: error.into() })
    }
}
