//! The verbs that make, start, stop and remove containers.

use clap::Args;

/// The flags of a verb that has none of its own.
#[derive(Debug, Args)]
pub struct Services {
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    pub recreate: RecreateArgs,
    /// Create this many containers of a service: SERVICE=COUNT
    #[arg(long, value_name = "SERVICE=COUNT")]
    pub scale: Vec<String>,
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

// What create and up have in common.
#[derive(Debug, Args)]
pub struct RecreateArgs {
    /// Build images first
    #[arg(long, conflicts_with = "no_build")]
    pub build: bool,
    /// Recreate containers even if nothing of them has changed
    #[arg(long)]
    pub force_recreate: bool,
    /// Build no image, even if it is missing
    #[arg(long)]
    pub no_build: bool,
    /// Recreate no containers
    #[arg(long, conflicts_with = "force_recreate")]
    pub no_recreate: bool,
    /// When to pull images: always, missing, never or build [default: as each service's pull_policy says]
    #[arg(long, value_name = "WHEN")]
    pub pull: Option<String>,
    /// Print no progress of pulls
    #[arg(long)]
    pub quiet_pull: bool,
    /// Remove containers of services that the compose file does not have
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub remove_orphans: Option<bool>,
    /// Answer every question with yes
    #[arg(short, long, visible_alias = "assume-yes")]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Diff {
    /// json, or text for people
    #[arg(long, value_name = "FORMAT", value_parser = ["json", "text"], default_value = "text", hide_default_value = true)]
    pub format: String,
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Down {
    /// Remove containers of services that the compose file does not have
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub remove_orphans: Option<bool>,
    /// Remove the images of services: all, or local for those without a name of their own
    #[arg(long, value_name = "WHICH")]
    pub rmi: Option<String>,
    /// Seconds to wait before killing
    #[arg(short, long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub timeout: Option<i64>,
    /// Remove the project's volumes and the anonymous ones
    #[arg(short, long, alias = "volume")]
    pub volumes: bool,
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Kill {
    /// Remove containers of services that the compose file does not have
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub remove_orphans: Option<bool>,
    /// The signal
    #[arg(short, long, value_name = "SIGNAL", default_value = "SIGKILL")]
    pub signal: String,
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Restart {
    /// Do not restart services that depend on these
    #[arg(long)]
    pub no_deps: bool,
    /// Seconds to wait before killing
    #[arg(short, long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub timeout: Option<i64>,
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Rm {
    #[arg(short, long, hide = true)]
    pub all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
    /// Stop running containers first
    #[arg(short, long)]
    pub stop: bool,
    /// Remove anonymous volumes too
    #[arg(short, long)]
    pub volumes: bool,
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Scale {
    /// Do not start services that these depend on
    #[arg(long)]
    pub no_deps: bool,
    #[arg(value_name = "SERVICE=COUNT", required = true)]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Stop {
    /// Seconds to wait before killing
    #[arg(short, long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub timeout: Option<i64>,
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Wait {
    /// Bring the project down when the first container stops
    #[arg(long)]
    pub down_project: bool,
    #[arg(value_name = "SERVICE", required = true)]
    pub services: Vec<String>,
}
