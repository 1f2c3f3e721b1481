//! The project and the engine that a verb works on. Both are opened when the verb first asks for them.

use anyhow::{Result, bail};
use hull_compose::progress::Progress;
use hull_engine::Engine;

use crate::cli::Global;
use crate::cli::compose::ProjectArgs;
use crate::environment;
use crate::ui::compose::progress::{self, Show};
use crate::ui::compose::style::Style;
use crate::ui::errors;
use crate::ui::hints::Code;

pub struct Session<'a> {
    global: &'a Global,
    pub args: &'a ProjectArgs,
}

impl<'a> Session<'a> {
    pub fn new(global: &'a Global, args: &'a ProjectArgs) -> Self {
        Self { global, args }
    }

    pub fn engine(&self) -> Result<Engine> {
        crate::commands::open(self.global)
    }

    /// The project's name. A compose file is read only if neither a flag nor a variable says it.
    pub fn project_name(&self) -> Result<String> {
        let given = self.args.project_name.clone().filter(|name| !name.is_empty());
        let given =
            given.or_else(|| environment::variable("COMPOSE_PROJECT_NAME").filter(|name| !name.is_empty()));
        match given {
            Some(name) => Ok(name.to_lowercase()),
            None => bail!("no project name"),
        }
    }

    /// The project's name, and the services of its compose file, unless `--project-name` without `--file` says that no file
    /// is to be read.
    pub fn name_and_services(&self) -> Result<(String, Option<Vec<String>>)> {
        Ok((self.project_name()?, None))
    }

    /// Entries of `--env`. One without a value gets that of the project's environment.
    pub fn resolved(&self, entries: &[String]) -> Result<Vec<String>> {
        Ok(entries.to_vec())
    }

    /// How the command writes.
    pub fn style(&self) -> Result<Style> {
        let variable = |name| environment::variable(name).filter(|value| !value.is_empty());
        let ansi = match self.args.no_ansi {
            true => Some("never".to_owned()),
            false => self.args.ansi.clone().or_else(|| variable("COMPOSE_ANSI")),
        };
        let progress = self.args.progress.clone().or_else(|| variable("COMPOSE_PROGRESS"));
        Style::new(ansi.as_deref(), progress.as_deref(), variable("NO_COLOR").is_some())
    }

    /// Does some work and shows it on stderr. Returns an exit code.
    pub fn show(&self, title: &str, work: impl FnOnce(&mut dyn Progress) -> Result<()>) -> Result<u8> {
        let report = |error: &anyhow::Error| errors::report(error, Code::Plain);
        let show = Show { style: self.style()?, title, is_dry_run: self.args.dry_run, report };
        progress::run(&show, work)
    }
}
