//! The flags of `build`. clap collects their texts here; `build_request` parses them.

use std::path::PathBuf;

use clap::Args;

// What is built, and from which files. No doc comments on these groups: clap would print them as the help of the verb.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// The Dockerfile: a path, a URL, or - for stdin [default: Dockerfile in the context]
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<String>,
    /// Set an argument of the Dockerfile (ARG): KEY=VALUE, or KEY to use its value in this command's environment
    #[arg(long, value_name = "ARG")]
    pub build_arg: Vec<String>,
    /// Read arguments from a file, one in each line
    #[arg(long, value_name = "FILE")]
    pub build_arg_file: Vec<PathBuf>,
    /// Give another context a name for FROM, COPY --from and RUN --mount: NAME=PATH, NAME=URL, NAME=docker-image://IMAGE or
    /// NAME=oci-layout://PATH
    #[arg(long, value_name = "NAME=SOURCE")]
    pub build_context: Vec<String>,
    /// Read this file instead of .dockerignore
    #[arg(long, value_name = "FILE")]
    pub ignorefile: Option<PathBuf>,
    /// Build this stage, and only what it needs
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,
    /// Build for this platform; several make an index: OS/ARCH[/VARIANT],…
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    pub platform: Vec<String>,
    /// The architecture of --platform alone
    #[arg(long, value_name = "ARCH", conflicts_with = "platform")]
    pub arch: Option<String>,
    /// The operating system of --platform alone
    #[arg(long, value_name = "OS", conflicts_with = "platform")]
    pub os: Option<String>,
    /// The variant of --platform alone
    #[arg(long, value_name = "VARIANT", requires = "arch")]
    pub variant: Option<String>,
    /// Fetch base images again: always (or without a value), missing, newer or never
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    pub pull: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Image")]
pub struct ImageArgs {
    /// Give the image a name: NAME[:TAG]
    #[arg(short, long, value_name = "NAME")]
    pub tag: Vec<String>,
    /// Set a label: KEY=VALUE
    #[arg(long, value_name = "LABEL")]
    pub label: Vec<String>,
    /// Annotate the manifest: [LEVEL:]KEY=VALUE
    #[arg(long, value_name = "ANNOTATION")]
    pub annotation: Vec<String>,
    /// No time in the image is later than this one: seconds since 1970 [default: $SOURCE_DATE_EPOCH]
    #[arg(long, value_name = "SECONDS")]
    pub timestamp: Option<i64>,
    /// The format of the image: oci or docker
    #[arg(long, value_name = "FORMAT", value_parser = ["oci", "docker"])]
    pub format: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Results")]
pub struct OutputArgs {
    /// Where the result goes: a directory, - for a tar on stdout, or type=docker|image|local|oci|registry|tar|cacheonly[,dest=PATH][,KEY=VALUE]
    #[arg(short, long, value_name = "OUTPUT")]
    pub output: Vec<String>,
    /// Send the image to its registry: -o type=registry
    #[arg(long)]
    pub push: bool,
    /// Keep the image here: -o type=docker, which is the default
    #[arg(long)]
    pub load: bool,
    /// Write the image's id to a file
    #[arg(long, value_name = "FILE")]
    pub iidfile: Option<PathBuf>,
    /// Write what is known about the result to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Display")]
pub struct LookArgs {
    /// How progress is shown: auto, plain, tty, rawjson or quiet
    #[arg(long, value_name = "KIND", value_parser = ["auto", "plain", "tty", "rawjson", "quiet"])]
    pub progress: Option<String>,
    /// Print only the image's id
    #[arg(short, long)]
    pub quiet: bool,
    /// Write progress to this file
    #[arg(long, value_name = "FILE")]
    pub logfile: Option<PathBuf>,
    /// Say of each step whether the cache had it, and if not, what changed
    #[arg(long)]
    pub why: bool,
    /// Open a shell in the root of a RUN that fails
    #[arg(long)]
    pub shell_on_failure: bool,
    /// Build nothing, and look for mistakes in the Dockerfile: --call check
    #[arg(long, conflicts_with = "call")]
    pub check: bool,
    /// What to do: build, check, outline or targets[,format=json]
    #[arg(long, value_name = "METHOD")]
    pub call: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Cache")]
pub struct CacheArgs {
    /// Run all steps again
    #[arg(long)]
    pub no_cache: bool,
    /// Run all steps of these stages again
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    pub no_cache_filter: Vec<String>,
    /// Use the cache of an earlier build: IMAGE, or type=registry|local[,ref=NAME][,src=DIR]
    #[arg(long, value_name = "CACHE")]
    pub cache_from: Vec<String>,
    /// Write the cache for later builds: type=registry|local|inline[,ref=NAME][,dest=DIR][,mode=min|max]
    #[arg(long, value_name = "CACHE")]
    pub cache_to: Vec<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "RUN")]
pub struct RunArgs {
    /// A secret for RUN --mount=type=secret: id=ID[,src=FILE|env=VARIABLE]
    #[arg(long, value_name = "SECRET")]
    pub secret: Vec<String>,
    /// An agent or keys for RUN --mount=type=ssh: default, or ID[=SOCKET|KEY,…]
    #[arg(long, value_name = "SSH")]
    pub ssh: Vec<String>,
    /// The network of RUN: default, none, host, or a network's name
    #[arg(long, visible_alias = "net", value_name = "NETWORK")]
    pub network: Option<String>,
    /// Add a line to /etc/hosts: HOST:IP
    #[arg(long, value_name = "HOST:IP")]
    pub add_host: Vec<String>,
    /// Permit what a Dockerfile may not ask for by itself: network.host, security.insecure
    #[arg(long, value_name = "ENTITLEMENT", value_delimiter = ',')]
    pub allow: Vec<String>,
    /// Pass the proxies of this command's environment to RUN
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", hide_default_value = true, action = clap::ArgAction::Set)]
    pub http_proxy: bool,
    /// The size of /dev/shm, such as 64m
    #[arg(long, value_name = "SIZE")]
    pub shm_size: Option<String>,
    /// Set a limit of setrlimit(2): NAME=SOFT[:HARD]
    #[arg(long, value_name = "LIMIT")]
    pub ulimit: Vec<String>,
    /// Make the cgroups of RUN below this cgroup
    #[arg(long = "cgroup-parent", value_name = "PATH")]
    pub parent: Option<String>,
    /// Limit the memory, such as 512m
    #[arg(short, long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Limit memory and swap together; -1 means no limit
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub memory_swap: Option<String>,
    /// The weight when CPUs are busy [default: 1024]
    #[arg(short, long, value_name = "WEIGHT")]
    pub cpu_shares: Option<u64>,
    /// The length of a period of --cpu-quota, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_period: Option<u64>,
    /// Limit the CPU time in each period, in microseconds
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    pub cpu_quota: Option<i64>,
    /// The CPUs on which RUN may run, such as 0-2,4
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// The memory nodes that RUN may use
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,
    /// seccomp=…, apparmor=…, label=…, no-new-privileges
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// How RUN is isolated: default, oci and rootless, which are the same
    #[arg(long, value_name = "KIND", value_parser = ["default", "oci", "rootless", "chroot"])]
    pub isolation: Option<String>,
}

// What docker, podman and buildah accept and hull does anyway, so that a command line of theirs needs no change.
#[derive(Debug, Args)]
#[command(next_help_heading = "Accepted because others have it")]
pub struct CompatibleArgs {
    /// The builder: there is one, called default
    #[arg(long, value_name = "NAME")]
    pub builder: Option<String>,
    /// An attestation: only with disabled=true
    #[arg(long, value_name = "ATTESTATION")]
    pub attest: Vec<String>,
    /// An attestation of where the image comes from: only false
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub provenance: Option<String>,
    /// A software bill of materials: only false
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub sbom: Option<String>,
    /// Compress the context: it is read where it is
    #[arg(long)]
    pub compress: bool,
    /// Do not compress layers here: they never are
    #[arg(long)]
    pub disable_compression: bool,
    /// Remove containers of RUN: they always are
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub rm: Option<bool>,
    /// Remove containers of RUN that failed: they always are
    #[arg(long)]
    pub force_rm: bool,
    /// Keep a layer of each step: only true
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub layers: Option<bool>,
    /// Build no stage that the target does not need: only true
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub skip_unused_stages: Option<bool>,
}
