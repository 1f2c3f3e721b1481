//! What the caller of a build asks for: the options of `hull build`, checked, without the command line's syntax.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hull_docker::wire::host_config::Ulimit;
use hull_image::platform::Platform;
use hull_image::reference::Reference;
use hull_image::registry::AccessOptions;

#[derive(Debug, Clone, Default)]
pub struct Request {
    pub context: ContextSource,
    /// `-f`: `None` means `Dockerfile` in the context.
    pub file: Option<FileSource>,
    pub tags: Vec<Reference>,
    /// `None` takes the value from the caller's environment, which the caller of this crate has looked up.
    pub args: BTreeMap<String, Option<String>>,
    pub target: Option<String>,
    pub no_cache: bool,
    /// Stages that do not use the cache.
    pub no_cache_filter: Vec<String>,
    /// Asks the registry for base images, even if the store has them.
    pub pull: bool,
    /// Base images come from the store only: podman's `--pull=never`.
    pub never_pull: bool,
    /// How registries are reached: for base images, cache and results.
    pub registry: AccessOptions,
    /// A file of the caller's that is read instead of `.dockerignore`.
    pub ignore_file: Option<PathBuf>,
    /// Empty: the machine's own.
    pub platforms: Vec<Platform>,
    pub labels: BTreeMap<String, String>,
    /// Keys may have buildx's prefixes: `manifest:`, `index:`.
    pub annotations: Vec<(String, String)>,
    pub run: RunOptions,
    pub secrets: BTreeMap<String, Secret>,
    /// Sockets of agents or private keys, by id; `default` is `$SSH_AUTH_SOCK`.
    pub ssh: BTreeMap<String, Vec<PathBuf>>,
    /// `--build-context name=…`
    pub contexts: BTreeMap<String, ContextSource>,
    pub outputs: Vec<Output>,
    pub cache_to: Vec<CacheLocation>,
    pub cache_from: Vec<CacheLocation>,
    /// `network.host`, `security.insecure`.
    pub allow: Vec<String>,
    /// `SOURCE_DATE_EPOCH`: seconds; times of the result are not later.
    pub source_date_epoch: Option<i64>,
    /// Whether [`crate::progress::Event::Why`] is reported.
    pub why: bool,
    /// Whether each instruction is reported, also one without a layer. Stages are then built one after the other, as
    /// docker's classic builder does, so that the reports are in the order of the Dockerfile.
    pub narrates: bool,
    /// Whether the failed step's root stays for a shell.
    pub keep_failed: bool,
    /// Whether ADD may ask loopback and link-local addresses after a redirect: on the command line, not over the API.
    pub trusts_redirects: bool,
    /// `HTTP_PROXY` and its kin, from the caller's environment and settings: available to RUN, in no layer.
    pub proxies: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ContextSource {
    Directory(PathBuf),
    /// `-`: a tar or a Dockerfile on the caller's input, which the caller passes with the call.
    Stdin,
    /// The same, but nothing else than a tar. Its `.dockerignore` was applied by who has packed it.
    Archive,
    /// A tar or a Dockerfile by http or https.
    Url(String),
    /// A repository, with `#ref:subdir`.
    Git(String),
    /// `docker-image://NAME`
    Image(String),
    /// `oci-layout://PATH[:TAG][@DIGEST]`
    OciLayout(String),
    /// `target:NAME` of bake, or nothing.
    Empty,
}

impl Default for ContextSource {
    fn default() -> Self {
        Self::Directory(".".into())
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum FileSource {
    Path(PathBuf),
    Stdin,
    Url(String),
    /// The text itself.
    Inline(String),
}

/// What every RUN gets.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// `default`, `none`, `host`, or a network's name.
    pub network: Option<String>,
    /// `HOST:ADDRESS`
    pub add_hosts: Vec<String>,
    /// Bytes.
    pub shm_size: Option<u64>,
    pub ulimits: Vec<Ulimit>,
    pub cgroup_parent: Option<String>,
    /// Bytes.
    pub memory: Option<u64>,
    pub memory_swap: Option<i64>,
    pub cpu_shares: Option<u64>,
    pub cpu_period: Option<u64>,
    pub cpu_quota: Option<i64>,
    pub cpuset_cpus: Option<String>,
    pub cpuset_mems: Option<String>,
    pub security_opt: Vec<String>,
}

#[derive(Debug, Clone)]
pub enum Secret {
    File(PathBuf),
    /// The value itself, from the caller's environment.
    Value(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    pub kind: OutputKind,
    /// `None` for the standard output, where the kind allows it.
    pub destination: Option<PathBuf>,
    /// Other attributes, as written: `push=true`, `compression=zstd`, `name=…`.
    pub attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// hull's own store.
    Image,
    Docker,
    Oci,
    Tar,
    Local,
    Registry,
    /// Nothing: only the cache is filled.
    CacheOnly,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CacheLocation {
    /// `registry`, `local`, `inline`.
    pub kind: String,
    pub attributes: BTreeMap<String, String>,
}
