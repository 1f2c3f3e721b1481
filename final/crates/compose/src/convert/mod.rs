//! What the engine is asked for: a service becomes the request that creates one of its containers, in the form in which
//! docker's API has it and with the very values that Compose v2 sends. Networks and volumes become requests too.
//!
//! ```text
//! process      what runs and as whom              resources   limits and devices
//! security     the options of security_opt        mounts      volumes, binds and tmpfs
//! networks     endpoints, links and ports         files       configs and secrets
//! objects      networks and volumes               build       what the builder is asked for
//! check        what is refused                    ignored     what only a cluster has
//! api_socket   use_api_socket
//! ```

mod api_socket;
mod build;
mod check;
mod files;
mod ignored;
mod mounts;
mod networks;
mod objects;
mod process;
mod resources;
mod security;

use std::collections::BTreeMap;

use hull_composefile::model::{Project, Service};
use hull_docker::wire::container::{CreateRequest, MountPoint};
use hull_docker::wire::host_config::HostConfig;

pub use api_socket::use_api_socket;
pub use build::{BuildOptions, build_order, build_request};
pub use check::{check, check_ports};
pub use files::{FileCopy, copies};
pub use ignored::ignored;
pub use objects::{network_request, volume_request};

use crate::{Error, Result, labels, names, references};

/// The container that a request is for.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// Its name, also as an alias on its networks. While it replaces another one it is created with a name of its own.
    pub name: String,
    pub role: Role<'a>,
    /// The id of the service's image.
    pub image: Option<&'a str>,
    /// The paths of the image's own volumes.
    pub image_volumes: &'a [String],
}

/// Why a container is made.
#[derive(Debug, Clone)]
pub enum Role<'a> {
    /// One of the service's containers, which number from one.
    Number(u32),
    /// A container with this number, which replaces another one.
    Replacement(u32, Replaced<'a>),
    /// A container of `run`.
    OneOff(OneOff<'a>),
}

impl Default for Role<'_> {
    fn default() -> Self {
        Self::Number(1)
    }
}

/// The container that is replaced.
#[derive(Debug, Clone, Copy, Default)]
pub struct Replaced<'a> {
    /// Its mounts, whose anonymous volumes the new container keeps. Empty if it is not to keep them.
    pub mounts: &'a [MountPoint],
}

/// What `run` decides.
#[derive(Debug, Clone, Copy, Default)]
pub struct OneOff<'a> {
    /// The random part of the name.
    pub slug: &'a str,
    pub auto_remove: bool,
    pub attach_stdin: bool,
    /// Whether it has the service's aliases on its networks.
    pub use_aliases: bool,
}

/// What the request depends on beside the project.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    pub project: &'a Project,
    /// The files of `--env-file`, for their label.
    pub env_files: &'a [String],
    /// The variables for proxies of docker's config.json.
    pub proxies: &'a BTreeMap<String, String>,
    /// The existing containers of a service, without those of `run`.
    pub peers: &'a dyn Fn(&str) -> Vec<Peer>,
}

/// An existing container of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer {
    /// Without a slash before it.
    pub name: String,
    pub id: String,
}

/// A container's request and what docker's API has in the query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    pub request: CreateRequest,
    pub platform: Option<String>,
}

impl Around<'_> {
    /// The id of a service's first container by name, for a service that uses something of it. `path` is that of the key.
    fn first_of(&self, service: &str, path: &[&str], what: &str) -> Result<String> {
        let first = (self.peers)(service).into_iter().min();
        first.map(|peer| peer.id).ok_or_else(|| {
            error(
                self.project,
                path,
                &format!("service {service} has no container whose {what} could be shared"),
            )
        })
    }
}

/// An error in the value of a key, at its place in the file.
fn error(project: &Project, path: &[&str], why: &str) -> Error {
    project.error(path, why).into()
}

impl Wanted<'_> {
    fn number(&self) -> Option<u32> {
        match self.role {
            Role::Number(number) | Role::Replacement(number, _) => Some(number),
            Role::OneOff(_) => None,
        }
    }

    fn one_off(&self) -> Option<OneOff<'_>> {
        match self.role {
            Role::OneOff(one_off) => Some(one_off),
            _ => None,
        }
    }

    fn use_aliases(&self) -> bool {
        self.one_off().is_none_or(|one_off| one_off.use_aliases)
    }
}

/// The request for a container of a service. [`check`] refuses what hull cannot do, for all services before anything is
/// made.
pub fn create_request(around: &Around<'_>, service: &Service, wanted: &Wanted<'_>) -> Result<Request> {
    let mut request = CreateRequest {
        config: process::config(around, service, wanted)?,
        host_config: host_config(around, service)?,
        ..CreateRequest::default()
    };
    request.config.labels = labels_of(around, service, wanted)?;
    let replaced = match wanted.role {
        Role::Replacement(_, replaced) => replaced.mounts,
        _ => &[],
    };
    mounts::apply(around, service, wanted.image_volumes, replaced, &mut request.host_config)?;
    networks::apply(around, service, wanted, &mut request)?;
    if let Some(one_off) = wanted.one_off() {
        request.host_config.auto_remove = one_off.auto_remove;
        request.host_config.restart_policy = Default::default();
    }
    let platform = Some(&service.platform).filter(|platform| !platform.is_empty());
    let platform = platform.or_else(|| around.project.environment.get("DOCKER_DEFAULT_PLATFORM"));
    Ok(Request { request, platform: platform.cloned() })
}

/// All but mounts and networks.
fn host_config(around: &Around<'_>, service: &Service) -> Result<HostConfig> {
    let shared = |key, mode: &str| networks::shared_mode(around, service, key, mode);
    let mut host = HostConfig {
        annotations: service.annotations.0.clone(),
        cap_add: security::capabilities(&service.cap_add),
        cap_drop: security::capabilities(&service.cap_drop),
        init: service.init,
        ipc_mode: shared("ipc", &service.ipc)?,
        pid_mode: shared("pid", &service.pid)?,
        cgroupns_mode: service.cgroup.clone(),
        readonly_rootfs: service.read_only,
        restart_policy: process::restart_policy(service),
        shm_size: service.shm_size.0,
        sysctls: service.sysctls.0.clone(),
        volume_driver: service.volume_driver.clone(),
        dns: service.dns.0.clone(),
        dns_search: service.dns_search.0.clone(),
        dns_options: service.dns_opt.clone(),
        extra_hosts: networks::extra_hosts(&service.extra_hosts),
        storage_opt: service.storage_opt.clone(),
        userns_mode: service.userns_mode.clone(),
        uts_mode: service.uts.clone(),
        privileged: service.privileged,
        isolation: service.isolation.clone(),
        runtime: service.runtime.clone(),
        group_add: service.group_add.clone(),
        oom_score_adj: Some(service.oom_score_adj),
        ..HostConfig::default()
    };
    if let Some(logging) = &service.logging {
        host.log_config.kind = logging.driver.clone();
        host.log_config.config = logging.options.0.clone();
    }
    resources::apply(service, &mut host);
    security::apply(around.project, service, &mut host)?;
    Ok(host)
}

/// The labels of the service, and those by which the container is found again.
fn labels_of(
    around: &Around<'_>,
    service: &Service,
    wanted: &Wanted<'_>,
) -> Result<BTreeMap<String, String>> {
    let project = around.project;
    let mut all = service.labels.0.clone();
    let mut set = |key: &str, value: String| drop(all.insert(key.to_owned(), value));
    set(labels::PROJECT, project.name.clone());
    set(labels::SERVICE, service.name.clone());
    set(labels::VERSION, labels::COMPOSE_VERSION.to_owned());
    set(labels::WORKING_DIR, project.working_dir.display().to_string());
    set(labels::CONFIG_FILES, project.compose_files.join(","));
    set(labels::ONE_OFF, "False".to_owned());
    if !around.env_files.is_empty() {
        set(labels::ENVIRONMENT_FILE, around.env_files.join(","));
    }
    if let Some(id) = wanted.image {
        set(labels::IMAGE, id.to_owned());
    }
    if let Some(one_off) = wanted.one_off() {
        set(labels::ONE_OFF, "True".to_owned());
        set(labels::SLUG, one_off.slug.to_owned());
    }
    if let Some(number) = wanted.number() {
        set(labels::CONTAINER_NUMBER, number.to_string());
        if let Role::Replacement(..) = wanted.role {
            set(labels::REPLACE, replaced_name(project, service, number));
        }
    }
    let dependency = |(name, one): (&String, &hull_composefile::model::Dependency)| {
        format!("{name}:{}:{}", one.condition, one.restart)
    };
    let dependencies: Vec<String> = service.depends_on.iter().map(dependency).collect();
    set(labels::DEPENDS_ON, dependencies.join(","));
    set(labels::CONFIG_HASH, hash(around, service)?);
    Ok(all)
}

/// The hash of a service: that of its definition with the ids of the containers whose namespaces or volumes it shares, as
/// Compose computes it. So the service is made anew when one of these containers is another one.
pub fn hash(around: &Around<'_>, service: &Service) -> Result<String> {
    let id = |name: String| {
        let id = around.first_of(&name, &["services", &service.name], "namespaces or volumes")?;
        Ok((name, id))
    };
    let ids = references::of(service).into_iter().map(id).collect::<Result<_>>()?;
    Ok(hull_composefile::hash::service(&references::resolve(service, &ids)))
}

/// The name of the replaced container as the label has it, which is without the project's.
fn replaced_name(project: &Project, service: &Service, number: u32) -> String {
    match service.container_name.as_str() {
        "" => format!("{}{}{number}", service.name, project.separator),
        name => name.to_owned(),
    }
}

/// The name of a service's container.
pub fn container_name(project: &Project, service: &Service, number: u32) -> String {
    match service.container_name.as_str() {
        "" => names::container(&project.name, &service.name, number, project.separator),
        name => name.to_owned(),
    }
}

/// The image of a service: its own, or the one that is built for it.
pub fn image(project: &Project, service: &Service) -> String {
    match service.image.as_str() {
        "" => format!("{}{}{}", project.name, project.separator, service.name),
        image => image.to_owned(),
    }
}
