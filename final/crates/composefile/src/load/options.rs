//! What the command line says about a project.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What to load, and how. The caller reads the process's environment and its standard input: this crate does not.
#[derive(Debug, Default, Clone)]
pub struct LoadOptions {
    /// Every `--file` in its order; `-` is [`LoadOptions::stdin`]. Without one, `COMPOSE_FILE` or the default files count.
    pub files: Vec<String>,
    /// The text of the file `-`.
    pub stdin: Option<String>,
    /// The current directory, absolute: relative paths of the command line begin here.
    pub current_directory: PathBuf,
    /// `--project-directory`.
    pub project_directory: Option<PathBuf>,
    /// `--project-name`.
    pub project_name: Option<String>,
    /// Every `--env-file` in its order. Without one, `COMPOSE_ENV_FILES` or the project's `.env` counts.
    pub env_files: Vec<String>,
    /// Every `--profile`. Without one, `COMPOSE_PROFILES` counts.
    pub profiles: Vec<String>,
    /// The process's environment.
    pub environment: BTreeMap<String, String>,
    /// The services of the command line. None means all whose profiles are enabled.
    pub services: Vec<String>,
    /// Which other services a selected service brings along.
    pub dependencies: Dependencies,
    /// `--all-resources`: networks, volumes, configs and secrets that no selected service uses are kept.
    pub all_resources: bool,
    pub service_environment: ServiceEnvironment,
    /// `--no-interpolate`.
    pub no_interpolate: bool,
    /// `--no-normalize`.
    pub no_normalize: bool,
    /// `--no-path-resolution`.
    pub no_path_resolution: bool,
    /// `--no-consistency`.
    pub no_consistency: bool,
}

/// What a service depends on is selected with it, unless a verb says otherwise (`--no-deps`).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Dependencies {
    #[default]
    Include,
    Ignore,
}

/// When the files of `env_file` become variables of `environment`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum ServiceEnvironment {
    /// For the selected services only: a missing file of another service is no error. `env_file`
    /// is empty afterwards. Verbs that create containers need this one.
    #[default]
    Selected,
    /// For every service whose profile is enabled, and for those that are selected whatever their profiles are; `env_file` is
    /// empty afterwards. `config` prints this one.
    Enabled,
    /// For every service whose profile is enabled, and for no other: this is what `config --no-env-resolution` does.
    EnabledByProfile,
    /// Never: `env_file` and variables without a value stay as they are. `config --hash` and the verbs that only need
    /// names use this one.
    Unresolved,
}
