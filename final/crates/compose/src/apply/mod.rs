//! Carries out a plan with calls of the engine.
//!
//! ```text
//! resources  networks and volumes           create  new containers, which nothing replaces yet
//! stop       many at once, in an order      start   as parallel as the dependencies allow
//! wait       what a dependency has to be    files   configs and secrets that have no file
//! roll       replaces a running container without a gap
//! ```
//!
//! All new containers are created before the first one is stopped, so an error in any of them leaves the project as it was.
//! Then those that go are stopped and removed, the new ones get their names, and everything is started. A command that is
//! killed in between leaves containers by whose labels and names the next one sees where to continue.

mod create;
mod files;
mod resources;
mod roll;
mod start;
mod stop;
mod wait;

use std::collections::BTreeMap;

use hull_composefile::model::{Project, Service};
use hull_docker::wire::container::CreateRequest;
use hull_engine::Engine;

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::turn::Turn;

pub use create::Created;
pub use roll::Roll;
pub use start::{StartOptions, WaitFor};
pub use stop::{Stop, Then};

/// How many containers are starting or stopping at the same time. Each takes a few descriptors of this process.
const AT_ONCE: usize = 64;

/// A container of a service that a plan leaves in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: String,
    pub name: String,
    /// It runs, so it is not started.
    pub runs: bool,
}

/// The containers of each service.
pub type Members = BTreeMap<String, Vec<Member>>;

/// What carries out plans.
pub struct Apply<'a> {
    pub engine: &'a Engine,
    /// `None` if only the labels tell of the project. Then nothing can be created.
    pub project: Option<&'a Project>,
    /// The files of `--env-file`.
    pub env_files: &'a [String],
    /// The variables for proxies of docker's config.json.
    pub proxies: &'a BTreeMap<String, String>,
    /// Adds the administrator's settings to the request for a container.
    pub complete: &'a dyn Fn(&mut CreateRequest) -> Result<(), String>,
    /// Seconds between the stop signal and SIGKILL, instead of each container's own.
    pub timeout: Option<u32>,
    /// New containers get new anonymous volumes.
    pub renew_volumes: bool,
    /// Nothing is changed: the observer gets the events of what would be done.
    pub dry_run: bool,
    pub progress: &'a mut dyn Progress,
}

impl<'a> Apply<'a> {
    pub(crate) fn files(&self) -> Result<&'a Project> {
        self.project.ok_or_else(|| Error::Invalid("this takes a compose file".into()))
    }

    /// Says something that the user should know.
    pub(crate) fn warn(&mut self, text: &str) {
        self.progress.note(&format!("Warning: {text}"));
    }

    /// The turn to change what the project has.
    pub(crate) fn turn(&self, project: &str) -> Result<Option<Turn>> {
        if self.dry_run { Ok(None) } else { Turn::take(self.engine, project) }
    }

    fn service(&self, name: &str) -> Result<&'a Service> {
        let missing = || Error::Invalid(format!("no such service: {name}"));
        self.files()?.services.get(name).ok_or_else(missing)
    }
}
