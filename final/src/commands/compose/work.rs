//! What the verbs that change containers have in common.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use hull_compose::apply::Apply;
use hull_compose::convert;
use hull_compose::images::{self, Pull};
use hull_compose::observe::{Observed, observe};
use hull_compose::progress::Progress;
use hull_compose::scope::Scope;
use hull_composefile::model::Project;
use hull_docker::wire::container::CreateRequest;
use hull_engine::Engine;

use super::{Session, build, pull};
use crate::commands::daemon;
use crate::environment;

/// A verb's project.
pub struct Work<'s> {
    pub session: &'s Session<'s>,
    pub engine: Engine,
    /// `None` if only the project's name is known.
    pub project: Option<Project>,
    pub env_files: Vec<String>,
    proxies: BTreeMap<String, String>,
}

/// How images are got.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ensure {
    pub no_build: bool,
    pub quiet_pull: bool,
    pub quiet_build: bool,
}

/// How containers are stopped and made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    pub timeout: Option<u32>,
    pub renew_volumes: bool,
}

impl<'s> Work<'s> {
    /// A project of files.
    pub fn of_files(session: &'s Session<'s>, mut project: Project, env_files: Vec<String>) -> Result<Self> {
        convert::use_api_socket(&mut project, environment::docker_credentials)?;
        let engine = session.engine()?;
        let proxies = environment::docker_proxies()?;
        Ok(Self { session, engine, project: Some(project), env_files, proxies })
    }

    /// The project of the files, or only the named one: Compose's rule for verbs that find their containers by labels.
    pub fn of_files_or_name(
        session: &'s Session<'s>,
        services: &[String],
    ) -> Result<(Self, Scope, Observed)> {
        let engine = session.engine()?;
        let (name, project) = session.name_and_project(services)?;
        let observed = observe(&engine, &name)?;
        let scope = match &project {
            Some(project) => Scope::of_files(project)?,
            None => Scope::of_labels(&name, &observed),
        };
        let work = Self { session, engine, project, env_files: vec![], proxies: BTreeMap::new() };
        Ok((work, scope, observed))
    }

    pub fn apply<'a>(&'a self, settings: Settings, progress: &'a mut dyn Progress) -> Apply<'a> {
        Apply {
            engine: &self.engine,
            project: self.project.as_ref(),
            env_files: &self.env_files,
            proxies: &self.proxies,
            complete: &complete,
            timeout: settings.timeout,
            renew_volumes: settings.renew_volumes,
            dry_run: self.session.args.dry_run,
            progress,
        }
    }

    /// Pulls and builds what is missing, and shows it. Returns an exit code.
    pub fn ensure_images(&self, how: Ensure) -> Result<u8> {
        let Some(project) = &self.project else { return Ok(0) };
        convert::check(project)?;
        let mut needed = images::missing(&self.engine, project, how.no_build)?;
        if !needed.pull.is_empty() {
            let code = self.pull(&needed.pull, how)?;
            if code != 0 {
                return Ok(code);
            }
            let replaced = needed.pull.iter().filter(|pull| pull.may_fail && !how.no_build);
            let replaced: Vec<String> = replaced.map(|pull| pull.image.clone()).collect();
            replaced.iter().for_each(|image| needed.build_instead(&self.engine, project, image));
        }
        if !needed.build.is_empty() {
            let names: Vec<&str> = needed.build.iter().map(String::as_str).collect();
            let options = build::default_options()?;
            build::build_services(
                self.session,
                &self.engine,
                project,
                &names,
                &options,
                None,
                how.quiet_build,
            )?;
        }
        Ok(0)
    }

    fn pull(&self, pulls: &[Pull], how: Ensure) -> Result<u8> {
        self.session.show("Pulling", |progress| {
            if self.session.args.dry_run {
                pulls.iter().for_each(|one| progress.event(pull::event(&one.service, "Pulled", true)));
                return Ok(());
            }
            let errors = pull::pull_all(self.session, &self.engine, pulls, how.quiet_pull, false, progress)?;
            let failed = pulls.iter().zip(errors).find(|(pull, error)| error.is_some() && !pull.may_fail);
            match failed {
                Some((pull, Some(error))) => bail!("service {}: {}: {error}", pull.service, pull.image),
                _ => Ok(()),
            }
        })
    }
}

/// The settings of docker's daemon.json, as for every other container.
fn complete(request: &mut CreateRequest) -> Result<(), String> {
    daemon::read().and_then(|daemon| daemon.apply(request)).map_err(|error| format!("{error:#}"))
}

/// Seconds before SIGKILL. docker's -1 is without limit.
pub fn timeout(seconds: Option<i64>) -> Option<u32> {
    seconds.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX))
}
