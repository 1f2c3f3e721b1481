//! `compose`: the verbs and flags of Docker Compose 2.40.3, and hull's own `diff`.
//!
//! ```text
//! lifecycle   from create to down        up      up, logs, watch      run     run, exec, attach
//! list        what there is              image   build, pull, push, commit, export, cp
//! config      config, version
//! ```

pub mod config;
pub mod image;
pub mod lifecycle;
pub mod list;
pub mod run;
pub mod up;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Deferred;

#[derive(Debug, Args)]
pub struct Compose {
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

// Which project the verb is for, and how it is shown. Variables of the same meaning: COMPOSE_FILE, COMPOSE_PROFILES, ….
#[derive(Debug, Args)]
pub struct ProjectArgs {
    /// Keep networks, volumes, configs and secrets that no service uses in the project
    #[arg(long)]
    pub all_resources: bool,
    /// When to use colours and move the cursor: never, always or auto
    #[arg(long, value_name = "WHEN")]
    pub ansi: Option<String>,
    /// Put underscores instead of hyphens into the names of containers, as Compose v1 did
    #[arg(long)]
    pub compatibility: bool,
    /// Print what would be done, and change nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Read variables for the compose file from this file instead of .env
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Read this compose file; of several, each is merged into the ones before; - for stdin
    #[arg(short, long, value_name = "FILE")]
    pub file: Vec<String>,
    #[arg(long, hide = true)]
    pub no_ansi: bool,
    /// How many images are pulled or pushed at the same time; -1 for any number
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true)]
    pub parallel: Option<i64>,
    /// Enable the services of this profile
    #[arg(long, value_name = "PROFILE")]
    pub profile: Vec<String>,
    /// How progress is shown: auto, tty, plain, json or quiet
    #[arg(long, value_name = "HOW")]
    pub progress: Option<String>,
    /// The directory that relative paths begin at [default: that of the first compose file]
    #[arg(long, value_name = "DIR")]
    pub project_directory: Option<PathBuf>,
    /// The project's name [default: the compose file's name, or the directory's]
    #[arg(short, long, value_name = "NAME")]
    pub project_name: Option<String>,
    #[arg(long, hide = true)]
    pub verbose: bool,
    /// Print the version of Compose that hull follows
    #[arg(short = 'v', long, hide = true)]
    pub version: bool,
    #[arg(long, hide = true, value_name = "DIR", conflicts_with = "project_directory")]
    pub workdir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Connect to the input and output of a service's container
    Attach(Deferred<run::Attach>),
    /// Build the images of services
    Build(Deferred<image::Build>),
    /// Make an image from a service's container
    Commit(Deferred<image::Commit>),
    /// Verify the compose files and print the project that they make
    #[command(alias = "convert")]
    Config(Deferred<config::Config>),
    /// Copy files between a service's container and this machine
    Cp(Deferred<image::Cp>),
    /// Create the containers of services
    Create(Deferred<lifecycle::Create>),
    /// Show what up would change, and why
    Diff(Deferred<lifecycle::Diff>),
    /// Stop and remove the project's containers and networks
    Down(Deferred<lifecycle::Down>),
    /// Show what happens to the project's containers
    Events(Deferred<list::Events>),
    /// Run a command in a service's running container
    #[command(
        disable_help_subcommand = true,
        override_usage = "hull compose exec [OPTIONS] SERVICE COMMAND [ARG]..."
    )]
    Exec(Deferred<run::Exec>),
    /// Write a service's container's file system as a tar
    Export(Deferred<image::Export>),
    /// List the images that the project's containers were made from
    Images(Deferred<list::Images>),
    /// Send a signal to the containers of services
    Kill(Deferred<lifecycle::Kill>),
    /// Show the logs of services
    Logs(Deferred<up::Logs>),
    /// List projects
    Ls(Deferred<list::Ls>),
    /// Freeze all processes of services
    Pause(Deferred<lifecycle::Services>),
    /// Print where a service's port is published
    Port(Deferred<list::Port>),
    /// List the project's containers
    Ps(Deferred<list::Ps>),
    /// Pull the images of services
    Pull(Deferred<image::Pull>),
    /// Push the images of services
    Push(Deferred<image::Push>),
    /// Stop and start the containers of services
    Restart(Deferred<lifecycle::Restart>),
    /// Remove the stopped containers of services
    Rm(Deferred<lifecycle::Rm>),
    /// Run a command in a new container of a service
    #[command(
        disable_help_subcommand = true,
        override_usage = "hull compose run [OPTIONS] SERVICE [COMMAND] [ARG]..."
    )]
    Run(Deferred<run::Run>),
    /// Set how many containers services have
    Scale(Deferred<lifecycle::Scale>),
    /// Start the containers of services
    Start(Deferred<lifecycle::Services>),
    /// Show what the project's containers use, once a second
    Stats(Deferred<list::Stats>),
    /// Stop the containers of services
    Stop(Deferred<lifecycle::Stop>),
    /// Show the processes of services
    Top(Deferred<list::Top>),
    /// Resume the containers of paused services
    Unpause(Deferred<lifecycle::Services>),
    /// Create and start the project's containers
    Up(Deferred<up::Up>),
    /// Print the version of Compose that hull follows
    Version(Deferred<config::Version>),
    /// List the project's volumes
    Volumes(Deferred<list::Volumes>),
    /// Wait until the containers of services stop, and print their exit codes
    Wait(Deferred<lifecycle::Wait>),
    /// Rebuild and refresh containers when files change
    Watch(Deferred<up::Watch>),
}
