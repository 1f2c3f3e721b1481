//! The errors of containers, images, volumes and networks.
//!
//! ```text
//! Error    what failed, on what, and why      kind()    which sort of failure: exit codes and status codes follow from it
//! Errors   the errors of a cleanup            detail()  what a hint needs to know: names, pids, ports
//! Report   an error of another process
//! ```
//! The engine chooses no hint and no exit code: the command line does (`final/src/ui/hints.rs`).

mod detail;
mod report;
mod several;
mod user_namespace;

use std::path::PathBuf;

use hull_sys::Kind;

pub use detail::{Detail, ParentProblem};
pub use report::Report;
pub use several::Errors;
pub use user_namespace::{Obstacle, UserNamespaceError};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("No such container: {0}")]
    NoSuchContainer(String),
    /// docker's sentence, which clients look for.
    #[error("Could not find the file {path} in container {container}")]
    NoSuchPath { container: String, path: String },
    #[error("{name:?} is the beginning of several container ids: {}", candidates.join(", "))]
    Ambiguous { name: String, candidates: Vec<String> },
    #[error("container {container} has no snapshot {name:?}")]
    NoSuchSnapshot { container: String, name: String },
    #[error("container {container} has a snapshot {name:?} already")]
    SnapshotExists { container: String, name: String },
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
    /// Another monitor holds the container's directory. `pid` is `None` if it is in another pid namespace.
    #[error(
        "container {name} has a monitor that is still alive ({}), but its state in the run root is gone",
        pid.map_or("a process of another pid namespace".to_owned(), |pid| format!("process {pid}"))
    )]
    MonitorAlive { name: String, pid: Option<i32> },
    #[error("container {name} is being changed by {}", hull_storage::describe_holder(*holder, *is_stopped))]
    Busy { name: String, holder: i32, is_stopped: bool },
    /// An error of another process: the monitor, or the session of an `exec`.
    #[error(transparent)]
    Reported(#[from] Report),
    /// An image could not be pulled for a container, as the process that pulls reports.
    #[error(transparent)]
    Pull(Report),
    /// No registry has an image, and its name is similar to that of an image in the store.
    #[error("{missing}: {source}")]
    NotPulled { missing: Box<hull_image::Error>, source: Box<hull_image::Error> },
    /// A cleanup continues after errors, so there can be more than one. Each is printed on a line.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<Error>),
    /// An error, and those of undoing what was done before it. Its kind and details are the first one's, because the
    /// others only follow from it. Each is a line of its own.
    #[error("{first}{}", rest.iter().map(|error| format!("\n{error}")).collect::<String>())]
    WithUndo { first: Box<Error>, rest: Vec<Error> },
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
    /// A runtime that is a program of its own has failed.
    #[error("{name} {verb} failed: {why}")]
    OciRuntime { name: String, verb: &'static str, why: String, kind: Kind },
    #[error(transparent)]
    Cgroup(#[from] hull_runtime::cgroups::Error),
    #[error(transparent)]
    Storage(#[from] hull_storage::Error),
    /// docker's sentence: its client then pulls the image.
    #[error(
        "image with reference {image} was found but its platform ({found}) does not match the specified platform ({wanted})"
    )]
    OtherPlatform { image: String, found: String, wanted: String },
    #[error("No such exec instance: {0}")]
    NoSuchExec(String),
    /// An exec instance runs once.
    #[error("Error: Exec command {id} {}", if *is_over { "has already run" } else { "is already running" })]
    ExecStarted { id: String, is_over: bool },
    #[error("timeout waiting for exec session ready")]
    ExecNotStarted { id: String },
    #[error("No such network: {0}")]
    NoSuchNetwork(String),
    #[error("cannot connect container {container} to {network}: it is on that network already")]
    Connected { container: String, network: String },
    #[error("cannot disconnect container {container} from {network}: it is not on that network")]
    NotConnected { container: String, network: String },
    #[error("invalid subnet {subnet}: it overlaps with {taken} of network {network}")]
    SubnetTaken { subnet: String, taken: String, network: String },
    #[error("network with name {0} already exists")]
    NetworkExists(String),
    #[error("no such network driver: {0}")]
    NoSuchDriver(String),
    #[error("the host's link {link} cannot be the network's parent: {problem}")]
    Parent { link: String, problem: ParentProblem },
    #[error("network {network} is in use by container {user}")]
    NetworkInUse { network: String, user: String },
    /// An unprivileged user's container can have no network.
    #[error("{what}: {why}")]
    UserMode {
        what: String,
        why: String,
        /// /dev/net/tun cannot be opened.
        needs_tun: bool,
    },
    #[error("No such storage pool: {0}")]
    NoSuchPool(String),
    #[error("storage pool {pool} has no volume {volume}")]
    NoSuchPoolVolume { pool: String, volume: String },
    #[error("storage pool {0} already exists")]
    PoolExists(String),
    #[error("volume {0} already exists")]
    VolumeExists(String),
    #[error("storage pool {pool} is in use by {}", users.join(", "))]
    PoolInUse { pool: String, users: Vec<String> },
    /// The disk or the image file of the pool is missing.
    #[error("storage pool {pool} is not available: {why}")]
    PoolUnavailable { pool: String, why: String },
    #[error(transparent)]
    Network(#[from] hull_network::Error),
    #[error(transparent)]
    Rootless(#[from] UserNamespaceError),
    #[error(transparent)]
    Image(#[from] hull_image::Error),
    /// A key, a device or a document in LXD's words.
    #[error(transparent)]
    Lxd(#[from] hull_lxd::Error),
    #[error("No such profile: {0}")]
    NoSuchProfile(String),
    #[error("profile {0} already exists")]
    ProfileExists(String),
    #[error("profile {name} is in use by {}", users.join(", "))]
    ProfileInUse { name: String, users: Vec<String> },
    #[error("the profile {name} is damaged: {why}")]
    DamagedProfile { name: String, why: String },
    /// A change of several containers has failed in one of them.
    #[error("container {name}: {source}")]
    InContainer { name: String, source: Box<Error> },
    #[error("the storage pool {pool} is full: {source}")]
    PoolFull { pool: String, source: Box<Error> },
    /// The key `security.protection.delete` is set.
    #[error("cannot remove container {0}: it is protected")]
    Protected(String),
}

impl Error {
    /// The kind of failure, which determines exit codes and status codes.
    pub fn kind(&self) -> Kind {
        match self {
            Self::NoSuchContainer(_)
            | Self::NoSuchSnapshot { .. }
            | Self::NoSuchExec(_)
            | Self::NoSuchNetwork(_)
            | Self::NoSuchPath { .. }
            | Self::OtherPlatform { .. }
            | Self::NoSuchPool(_)
            | Self::NoSuchPoolVolume { .. }
            | Self::NoSuchDriver(_) => Kind::NotFound,
            Self::Ambiguous { .. } | Self::Invalid { .. } | Self::NoSuchUser { .. } | Self::Parent { .. } => {
                Kind::Invalid
            }
            Self::Connected { .. } | Self::NotConnected { .. } | Self::SubnetTaken { .. } => Kind::Invalid,
            Self::WrongState { .. }
            | Self::InUse { .. }
            | Self::ExecStarted { .. }
            | Self::PoolExists(_)
            | Self::VolumeExists(_)
            | Self::SnapshotExists { .. }
            | Self::NetworkExists(_) => Kind::Conflict,
            Self::NetworkInUse { .. } | Self::PoolInUse { .. } => Kind::InUse,
            Self::PoolUnavailable { .. } => Kind::Unavailable,
            Self::MonitorDied
            | Self::MonitorSilent { .. }
            | Self::MonitorAlive { .. }
            | Self::ExecNotStarted { .. }
            | Self::Busy { .. } => Kind::Unavailable,
            Self::DamagedRecord { .. } => Kind::Damaged,
            Self::Reported(report) | Self::Pull(report) => report.kind(),
            Self::NotPulled { missing, .. } => missing.kind(),
            Self::Io { source, .. } => Kind::from_io(source),
            Self::Unsupported(_) | Self::UserMode { .. } => Kind::Unsupported,
            Self::NotMapped { .. } => Kind::NotPermitted,
            Self::OciRuntime { kind, .. } => *kind,
            Self::Several(errors) => {
                errors.iter().map(Self::kind).max_by_key(|kind| severity(*kind)).unwrap_or(Kind::Kernel)
            }
            Self::WithUndo { first, .. } => first.kind(),
            Self::Runtime(error) => error.kind(),
            Self::Cgroup(error) => error.kind(),
            Self::Storage(error) => error.kind(),
            Self::Network(error) => error.kind(),
            Self::Rootless(error) => error.kind(),
            Self::Image(error) => error.kind(),
            Self::Lxd(error) if error.is_unsupported() => Kind::Unsupported,
            Self::Lxd(_) => Kind::Invalid,
            Self::InContainer { source, .. } | Self::PoolFull { source, .. } => source.kind(),
            Self::NoSuchProfile(_) => Kind::NotFound,
            Self::ProfileExists(_) | Self::Protected(_) => Kind::Conflict,
            Self::ProfileInUse { .. } => Kind::InUse,
            Self::DamagedProfile { .. } => Kind::Damaged,
        }
    }

    /// This error, together with what went wrong while its effects were undone.
    pub(crate) fn with_undo(self, undone: Result<()>) -> Self {
        let mut errors = Errors::default();
        errors.note(undone);
        let mut undone = errors.into_vec();
        // If undoing fails with the same error, such as a full disk, the error is shown once.
        undone.retain(|error| error.to_string() != self.to_string());
        match self {
            error if undone.is_empty() => error,
            Self::WithUndo { first, mut rest } => {
                rest.extend(undone);
                Self::WithUndo { first, rest }
            }
            first => Self::WithUndo { first: Box::new(first), rest: undone },
        }
    }

    /// The errors that a combined one has, or this one alone.
    pub fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Several(errors) => errors.iter().flat_map(Self::parts).collect(),
            Self::WithUndo { first, rest } => {
                first.parts().into_iter().chain(rest.iter().flat_map(Self::parts)).collect()
            }
            one => vec![one],
        }
    }

    /// The details from which a hint is made. `None` if the text needs no hint.
    pub fn detail(&self) -> Option<Detail> {
        Detail::of(self)
    }

    /// Whether the container itself does not exist. [`Kind::NotFound`] alone may mean another object.
    pub fn is_no_such_container(&self) -> bool {
        matches!(self.detail(), Some(Detail::NoSuchContainer))
    }

    /// Whether the image does not exist.
    pub fn is_no_such_image(&self) -> bool {
        match self {
            Self::WithUndo { first, .. } => first.is_no_such_image(),
            error => matches!(error, Self::Image(hull_image::Error::NoSuchImage { .. })),
        }
    }

    /// Whether a file of hull's own is damaged.
    pub(crate) fn is_damage(&self) -> bool {
        self.kind() == Kind::Damaged
    }

    /// Whether the user's program itself was the reason: it does not exist, or cannot be executed.
    pub fn is_about_program(&self) -> bool {
        matches!(self.kind(), Kind::ProgramNotFound | Kind::ProgramNotExecutable)
    }

    /// The error of a damaged container, as the reason why no volume is removed.
    pub(crate) fn keeps_volumes(self) -> Self {
        match self {
            Self::DamagedRecord { name, why } => {
                Self::DamagedRecord { name, why: format!("{why}; it may use any volume, so none is removed") }
            }
            other => other,
        }
    }

    /// Replaces the container's id in the error by the name that the user typed.
    pub(crate) fn for_container(self, name: &str) -> Self {
        let name = name.to_owned();
        match self {
            Self::WithUndo { first, rest } => {
                Self::WithUndo { first: Box::new(first.for_container(&name)), rest }
            }
            Self::NoSuchContainer(_) => Self::NoSuchContainer(name),
            Self::DamagedRecord { why, .. } => Self::DamagedRecord { name, why },
            Self::Busy { holder, is_stopped, .. } => Self::Busy { name, holder, is_stopped },
            other => other,
        }
    }
}

/// The kind of several errors is that of the worst, which stands last here. Those of the user's program come after all
/// others, because an exit code of their own tells the user more than an error of the cleanup does.
fn severity(kind: Kind) -> usize {
    const ORDER: [Kind; 13] = [
        Kind::NotFound,
        Kind::Invalid,
        Kind::Conflict,
        Kind::InUse,
        Kind::Unauthorized,
        Kind::NotPermitted,
        Kind::Unsupported,
        Kind::Unavailable,
        Kind::Exhausted,
        Kind::Kernel,
        Kind::Damaged,
        Kind::ProgramNotExecutable,
        Kind::ProgramNotFound,
    ];
    ORDER.iter().position(|one| *one == kind).unwrap_or(0)
}

impl From<hull_network::netlink::Error> for Error {
    fn from(error: hull_network::netlink::Error) -> Self {
        Self::Network(error.into())
    }
}

hull_sys::define_context!(Error);
