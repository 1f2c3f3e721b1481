//! Containers from create to remove, and the monitor that stays with each.
//!
//! ```text
//! containers/  the verbs of a container, a file each       images, volumes, system/  those of the others
//! requests/    docker's requests → the engine's options    spec/      a container's record → config.json
//! copy/ logs/  cp, and logs                                attach/    a command talks to a monitor
//! monitor/     the process that stays with a container     handle/    a running container, as a command sees it
//! net/         containers on networks                      rootfs/    mounts of the root; /etc/hosts and others
//! rootless/    the user namespace of an unprivileged user  gc/        what killed processes left behind
//! runtimes/    the OCI runtime of a container             steps/     containers of a build
//! pools/       storage pools, and containers and volumes in them
//! mountpoints  the lowest layer, below every image
//! userns/      the ids of a container's own user namespace
//! init/        what the init of a distribution needs as the first process
//! instance/    LXD's configuration: keys, devices, profiles
//! snapshots/   snapshots of containers, and copies
//! cdi/         devices by name
//! doctor/      what this machine can do, and how to get what is missing
//! records/     what is on disk and what the kernel knows   events/    what has happened, for commands that ask
//! error/ engine search_path machine comebacks child  used by all of these
//! ```

#![recursion_limit = "256"]

mod attach;
mod cdi;
mod child;
mod comebacks;
mod containers;
mod copy;
pub mod doctor;
mod engine;
mod error;
mod events;
mod gc;
mod handle;
mod images;
mod init;
mod instance;
mod logs;
mod machine;
mod monitor;
mod mountpoints;
mod net;
mod new_volumes;
mod pools;
mod records;
mod requests;
mod rootfs;
pub mod rootless;
mod runtimes;
mod search_path;
mod snapshots;
mod spec;
pub mod steps;
mod system;
mod userns;
mod volumes;

pub use attach::{AttachEvent, AttachInput, AttachStream, LogEnd, StartAttach};
pub use child::in_child;
pub use comebacks::Comebacks;
pub use containers::boot::Due;
pub use containers::generate::UnitSubject;
pub use containers::list::{Selection, Summary};
pub use containers::mount::MountedContainer;
pub use containers::start::ContainerStdio;
pub use containers::stats::StatsReader;
pub use containers::top::Top;
pub use containers::transitions::{Moment, Transition, Transitions};
pub use containers::wait::Condition;
pub use containers::wait_end::{EndWait, WaitCondition};
pub use copy::{
    ArchiveOptions, Change, CommitOptions, CopyOptions, CopySource, CopyTarget, DeleteOptions, Freezable,
    LayersToExport, MountedFiles, PullOptions, PullTarget, PushOptions, PushSource, pack_layer,
    unpack_archive,
};
pub use engine::{
    ConfiguredRuntime, Engine, EventReporter, InvalidSetting, NetworkDefaults, Runtimes, Settings,
};
pub use error::{Detail, Error, Errors, Obstacle, ParentProblem, Report, Result};
pub use events::{EventOptions, EventReader, EventSink, Events};
pub use handle::ending::Ended;
pub use images::{LOCAL, Pull, PullPolicy, Remote, Remotes, image_config, retain_names};
pub use instance::{Applied, DEFAULT_PROFILE, InstanceChanges, Profile};
pub use logs::{Grown, LogReader, LogSink, LogWatch};
pub use net::{NetworkChange, NetworkLease, NetworkOptions, NetworkRecord, PublishedPort, trace};
pub use pools::verbs::PoolInfo;
pub use pools::volumes::PoolVolume;
pub use pools::{Driver as PoolDriver, Pool};
pub use records::health::HealthStatus;
pub use records::instance::Instance;
pub use records::options::WindowSize;
pub use records::pruned::Pruned;
pub use records::record::Record;
pub use records::restart::Occasion;
pub use records::state::Status;
pub use records::stream::Stream;
pub use records::time::Timestamp;
pub use records::{options, signal};
pub use search_path::SearchPath;
pub use snapshots::{
    BackupImport, BackupOptions, Expiry, InstanceCopy, InstanceSnapshot, ScheduledRun, SnapshotName,
    SnapshotOptions,
};
pub use system::prune::PruneOptions;
pub use system::usage::UsageOptions;
pub use system::version::server_version;
pub use volumes::{UsedVolumes, VolumeOptions, describe_volume};
