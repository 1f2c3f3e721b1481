//! What the verbs that change containers have in common.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use hull_compose::apply::Apply;
use hull_compose::images::{self, Images, Pull};
use hull_compose::observe::{Observed, observe};
use hull_compose::progress::{Event, Progress};
use hull_compose::scope::Scope;
use hull_composefile::model::Project;
use hull_docker::wire::container::CreateRequest;
use hull_engine::{Engine, PullPolicy};
use hull_image::progress::Silent;

use super::Session;
use crate::commands::{daemon, registry};

/// A verb's project.
pub struct Work<'s> {
    pub session: &'s Session<'s>,
    pub engine: Engine,
    /// `None` if only the project's name is known.
    pub project: Option<Project>,
    pub env_files: Vec<String>,
    proxies: BTreeMap<String, String>,
}

/// How containers are stopped and made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    pub timeout: Option<u32>,
    pub renew_volumes: bool,
}

impl<'s> Work<'s> {
    /// A project of files.
    pub fn of_files(session: &'s Session<'s>, project: Project, env_files: Vec<String>) -> Result<Self> {
        let engine = session.engine()?;
        Ok(Self { session, engine, project: Some(project), env_files, proxies: BTreeMap::new() })
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

    /// Pulls and builds what is missing.
    pub fn ensure_images(&self, no_build: bool, quiet: bool, progress: &mut dyn Progress) -> Result<()> {
        let Some(project) = &self.project else { return Ok(()) };
        let mut getter = Getter { work: self, quiet };
        images::ensure(&self.engine, project, no_build, &mut getter, progress)?;
        Ok(())
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

struct Getter<'w, 's> {
    work: &'w Work<'s>,
    quiet: bool,
}

impl Getter<'_, '_> {
    fn try_pull(&self, pull: &Pull) -> Result<()> {
        let daemon = daemon::read()?;
        let how = hull_engine::Pull {
            policy: PullPolicy::Always,
            access: &|| registry::default_options(daemon),
            progress: &|| Box::new(Silent),
        };
        self.work.engine.ensure_image(&pull.image, pull.platform.as_deref(), &how)?;
        Ok(())
    }
}

impl Images for Getter<'_, '_> {
    fn pull(&mut self, pull: &Pull, progress: &mut dyn Progress) -> hull_compose::Result<()> {
        progress.event(images::pulling(&pull.service));
        if self.work.session.args.dry_run {
            progress.event(images::pull_done(&pull.service));
            return Ok(());
        }
        match self.try_pull(pull).with_context(|| format!("service {}", pull.service)) {
            Ok(()) => {
                progress.event(images::pull_done(&pull.service));
                Ok(())
            }
            Err(error) => {
                let text = format!("{:#}", error.root_cause());
                let event = match pull.may_fail {
                    true => Event { text: "Warning".into(), ..Event::warning(&pull.service, text) },
                    false => Event { text: "Error".into(), ..Event::error(&pull.service, text) },
                };
                progress.event(event);
                Err(hull_compose::Error::Invalid(format!("{error:#}")))
            }
        }
    }

    fn build(&mut self, services: &[String], progress: &mut dyn Progress) -> hull_compose::Result<()> {
        let _ = (services, progress, self.quiet);
        Err(hull_compose::Error::Invalid("this version cannot build".into()))
    }
}
