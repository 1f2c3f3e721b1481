//! The verbs on images and on the files of containers.

use std::path::PathBuf;

use clap::{ArgAction, Args};

#[derive(Debug, Args)]
pub struct Build {
    /// Set a build argument: KEY=VALUE, or KEY to use its value in this command's environment
    #[arg(long, value_name = "ARG")]
    pub build_arg: Vec<String>,
    // hull has one builder.
    #[arg(long, hide = true, value_name = "NAME")]
    pub builder: Option<String>,
    /// Verify the Dockerfiles, and build nothing
    #[arg(long)]
    pub check: bool,
    #[arg(long, hide = true)]
    pub compress: bool,
    #[arg(long, hide = true)]
    pub force_rm: bool,
    /// Limit the memory of each step's container
    #[arg(short, long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Use no cache
    #[arg(long)]
    pub no_cache: bool,
    #[arg(long, hide = true)]
    pub no_rm: bool,
    #[arg(long = "parallel", hide = true, id = "build_parallel")]
    pub parallel: bool,
    #[arg(long = "progress", hide = true, id = "build_progress", value_name = "HOW")]
    pub progress: Option<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    pub provenance: Option<String>,
    /// Pull newer images to build from
    #[arg(long)]
    pub pull: bool,
    /// Push the images
    #[arg(long)]
    pub push: bool,
    /// Print nothing
    #[arg(short, long)]
    pub quiet: bool,
    #[arg(long, hide = true, value_name = "VALUE")]
    pub sbom: Option<String>,
    /// Let steps use an SSH agent or key: default, or ID[=SOCKET|KEY]
    #[arg(long, value_name = "AGENT")]
    pub ssh: Option<String>,
    /// Also build services that these depend on
    #[arg(long)]
    pub with_dependencies: bool,
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Commit {
    #[arg(short, long, value_name = "TEXT")]
    pub author: Option<String>,
    /// Apply a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME, WORKDIR
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub change: Vec<String>,
    /// Use the service's container with this number
    #[arg(long, value_name = "NUMBER")]
    pub index: Option<u32>,
    /// Write this remark into the image's history
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Freeze the container while it is read
    #[arg(short, long, default_value = "true", default_missing_value = "true", num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_name = "BOOL", hide_default_value = true)]
    pub pause: bool,
    pub service: String,
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct Cp {
    /// Copy to the containers of run too
    #[arg(long)]
    pub all: bool,
    /// Keep the owners of the files
    #[arg(short, long)]
    pub archive: bool,
    /// If SOURCE is a symbolic link, copy the file that it names
    #[arg(short = 'L', long)]
    pub follow_link: bool,
    /// Use the service's container with this number
    #[arg(long, value_name = "NUMBER")]
    pub index: Option<u32>,
    /// SERVICE:PATH, PATH, or - for a tar on stdin
    pub source: String,
    /// SERVICE:PATH, PATH, or - for a tar on stdout
    pub target: String,
}

#[derive(Debug, Args)]
pub struct Export {
    /// Use the service's container with this number
    #[arg(long, value_name = "NUMBER")]
    pub index: Option<u32>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    pub service: String,
}

#[derive(Debug, Args)]
pub struct Pull {
    /// Do not pull images that can be built
    #[arg(long)]
    pub ignore_buildable: bool,
    /// Pull what can be pulled, and succeed
    #[arg(long)]
    pub ignore_pull_failures: bool,
    /// Also pull for services that these depend on
    #[arg(long)]
    pub include_deps: bool,
    #[arg(long, hide = true)]
    pub no_parallel: bool,
    #[arg(long = "parallel", hide = true, id = "pull_parallel")]
    pub parallel: bool,
    /// When to pull: missing or always
    #[arg(long, value_name = "WHEN")]
    pub policy: Option<String>,
    /// Print no progress
    #[arg(short, long)]
    pub quiet: bool,
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Push {
    /// Push what can be pushed, and succeed
    #[arg(long)]
    pub ignore_push_failures: bool,
    /// Also push for services that these depend on
    #[arg(long)]
    pub include_deps: bool,
    /// Print no progress
    #[arg(short, long)]
    pub quiet: bool,
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}
