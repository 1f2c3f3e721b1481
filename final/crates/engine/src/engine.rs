//! The engine: a state root, its images, and the cgroup its containers live under.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hull_image::left_out::Reporter;
use hull_image::store::Images;
use hull_runtime::cgroups::{self, Cgroup, Layout};
use hull_storage::root::Root;

use crate::comebacks::Comebacks;
use crate::error::{Error, Result};
use crate::search_path::SearchPath;

#[derive(Debug, Clone)]
pub struct Engine {
    root: Root,
    images: Images,
    cgroup_parent: Option<String>,
    network_defaults: Result<NetworkDefaults, InvalidSetting>,
    programs: SearchPath,
    event_reporter: EventReporter,
    runtimes: Runtimes,
    comebacks: Comebacks,
    cdi_directories: Vec<PathBuf>,
}

/// Called with the error when an event could not be written. The verb whose event it is has succeeded. A process
/// without stderr, such as a monitor, calls it too.
#[derive(Clone)]
pub struct EventReporter(Arc<dyn Fn(&Error) + Send + Sync>);

impl EventReporter {
    pub fn new(report: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        Self(Arc::new(report))
    }

    pub(crate) fn report(&self, error: &Error) {
        (self.0)(error);
    }
}

/// Reports to nobody.
impl Default for EventReporter {
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl std::fmt::Debug for EventReporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventReporter")
    }
}

/// The administrator's settings for the default network, and for networks created without a subnet. docker's
/// `daemon.json` has them.
#[derive(Debug, Clone, Default)]
pub struct NetworkDefaults {
    /// The default network's gateway, and the length of its prefix.
    pub gateway: Option<(IpAddr, u8)>,
    /// The part of the subnet from which containers get addresses.
    pub range: Option<(IpAddr, u8)>,
    pub mtu: Option<u32>,
    /// Inter-container communication: whether containers on the network may send to each other.
    pub inter_container: Option<bool>,
    pub masquerade: Option<bool>,
    /// The host address for published ports that name none.
    pub host_ip: Option<IpAddr>,
    /// Pools to take subnets from, each with the length of a subnet's prefix.
    pub pools: Vec<((IpAddr, u8), u8)>,
}

/// The administrator's runtimes by their names, from docker's `daemon.json`.
pub type Runtimes = BTreeMap<String, ConfiguredRuntime>;

#[derive(Debug, Clone, Default)]
pub struct ConfiguredRuntime {
    /// A path, or a name that is looked up in the search path.
    pub path: PathBuf,
    pub args: Vec<String>,
}

/// The parameters of an engine.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The root of what outlives a reboot.
    pub data: PathBuf,
    /// The root of what a reboot empties.
    pub run: PathBuf,
    /// The cgroup of all containers, as a path below the cgroup root. Without it the parent is `/hull`, or for an
    /// unprivileged user the same in their delegated cgroup.
    pub cgroup_parent: Option<String>,
    /// The search path for programs that the engine runs.
    pub programs: SearchPath,
}

/// A setting of the administrator's that is wrong.
#[derive(Debug, Clone, thiserror::Error)]
#[error("invalid {what}: {why}")]
pub struct InvalidSetting {
    pub what: String,
    pub why: String,
}

impl Engine {
    /// Opens the roots and creates them if they are missing.
    ///
    /// An unprivileged user's process first enters the user namespace that all of the user's hull processes share.
    pub fn open(settings: Settings) -> Result<Self> {
        let Settings { data, run, cgroup_parent, programs } = settings;
        crate::rootless::enter(&run, &programs)?;
        let root = Root::open(&data, &run)?;
        let images = Images::open(&root)?;
        let network_defaults = Ok(NetworkDefaults::default());
        let event_reporter = EventReporter::default();
        let runtimes = Runtimes::new();
        let comebacks = Comebacks::default();
        let cdi_directories = vec![];
        Ok(Self {
            root,
            images,
            cgroup_parent,
            network_defaults,
            programs,
            event_reporter,
            runtimes,
            comebacks,
            cdi_directories,
        })
    }

    /// Sets how the default network, and networks without a subnet, are made. An invalid setting is an error only when
    /// such a network is made or used.
    pub fn with_network_defaults(self, network_defaults: Result<NetworkDefaults, InvalidSetting>) -> Self {
        Self { network_defaults, ..self }
    }

    /// Sets the runtimes that the administrator has named.
    pub fn with_runtimes(self, runtimes: Runtimes) -> Self {
        Self { runtimes, ..self }
    }

    /// Sets the directories of CDI specifications, instead of the usual ones.
    pub fn with_cdi_directories(self, cdi_directories: Vec<PathBuf>) -> Self {
        Self { cdi_directories, ..self }
    }

    pub(crate) fn configured_cdi_directories(&self) -> &[PathBuf] {
        &self.cdi_directories
    }

    pub(crate) fn runtimes(&self) -> &Runtimes {
        &self.runtimes
    }

    /// Sets who is told what is left out of an image when its layers are unpacked.
    pub fn with_image_reporter(self, reporter: Reporter) -> Self {
        Self { images: self.images.with_reporter(reporter), ..self }
    }

    /// Sets who is told of events that could not be written.
    pub fn with_event_reporter(self, event_reporter: EventReporter) -> Self {
        Self { event_reporter, ..self }
    }

    pub(crate) fn event_reporter(&self) -> &EventReporter {
        &self.event_reporter
    }

    pub(crate) fn network_defaults(&self) -> &Result<NetworkDefaults, InvalidSetting> {
        &self.network_defaults
    }

    /// The containers that this engine has found with a killed monitor, and that are to start again.
    pub fn comebacks(&self) -> &Comebacks {
        &self.comebacks
    }

    pub fn root(&self) -> &Root {
        &self.root
    }

    pub fn images(&self) -> &Images {
        &self.images
    }

    /// The search path for programs that the engine runs.
    pub(crate) fn programs(&self) -> &SearchPath {
        &self.programs
    }

    /// A command for a program of the caller's search path.
    pub fn program(&self, name: &str) -> Result<std::process::Command> {
        self.programs.command(name)
    }

    /// The cgroup of a container. `own_parent` is one that its `--cgroup-parent` names. As everywhere, a path that does
    /// not begin with a slash is one in the cgroup that may be written to: for root the hierarchy's root.
    pub(crate) fn cgroup_path(&self, id: &str, own_parent: Option<&str>) -> String {
        let below_delegated = |path: &str| format!("{}/{path}", self.delegated_cgroup().unwrap_or_default());
        let parent = match (own_parent, &self.cgroup_parent) {
            (Some(own), _) if own.starts_with('/') => own.to_owned(),
            (Some(own), _) => below_delegated(own),
            (None, Some(parent)) => parent.clone(),
            (None, None) => below_delegated(&format!("hull{}", self.root.name_suffix())),
        };
        format!("{}/{id}", parent.trim_end_matches('/'))
    }

    /// The cgroup in which an unprivileged user may create others. `None` if there is none, or if the user named a
    /// parent.
    pub(crate) fn delegated_cgroup(&self) -> Option<String> {
        if self.cgroup_parent.is_some() || !hull_sys::id_map::in_user_namespace() {
            return None;
        }
        cgroups::delegated(&cgroup_layout().ok()?).map(|path| format!("/{}", path.trim_matches('/')))
    }

    /// Removes the cgroup that all containers are in, if it is empty. A container that starts at the same time makes it
    /// again.
    pub(crate) fn remove_empty_cgroup_parent(&self) {
        // A parent that the user has named is not hull's to remove.
        if self.cgroup_parent.is_none()
            && let Ok(layout) = cgroup_layout()
        {
            layout.cgroup(&self.cgroup_path("", None)).remove_if_empty();
        }
    }

    /// The cgroup of a container, by the path its state recorded.
    pub(crate) fn cgroup(&self, path: &str) -> Result<Cgroup> {
        Ok(cgroup_layout()?.cgroup(path))
    }
}

pub(crate) fn cgroup_layout() -> Result<Layout> {
    Ok(cgroups::detect()?)
}
