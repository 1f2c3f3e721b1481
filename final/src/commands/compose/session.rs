//! The project and the engine that a verb works on. Both are opened when the verb first asks for them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hull_compose::progress::Progress;
use hull_composefile::model::Project;
use hull_composefile::{Dependencies, LoadOptions, Loaded, ServiceEnvironment, Sources, load};
use hull_docker::bools;
use hull_engine::Engine;

use crate::cli::Global;
use crate::cli::compose::ProjectArgs;
use crate::environment;
use crate::ui::compose::excerpt::{located, position};
use crate::ui::compose::progress::{self, Show};
use crate::ui::compose::style::{Mode, Style};
use crate::ui::errors;
use crate::ui::hints::Code;

/// The largest compose file that is read from standard input, in bytes.
const MAX_STDIN: u64 = 64 << 20;

pub struct Session<'a> {
    global: &'a Global,
    pub args: &'a ProjectArgs,
    directory: PathBuf,
    /// The process's variables.
    environment: BTreeMap<String, String>,
    /// These, and the `COMPOSE_…` variables of the project's env files.
    variables: BTreeMap<String, String>,
    /// The texts of the project that was loaded, to show where an error is.
    sources: RefCell<Sources>,
}

/// A project that was loaded.
pub struct Opened {
    pub project: Project,
    /// The files of `--env-file`, absolute.
    pub env_files: Vec<String>,
}

/// The current directory by the name that the shell has for it, so that a project in a symlink has the symlink's name.
fn current_directory() -> std::io::Result<PathBuf> {
    let here = std::env::current_dir()?;
    let of = |path: &Path| std::fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let named = std::env::var_os("PWD").map(PathBuf::from).filter(|path| path.is_absolute());
    Ok(named.filter(|path| of(path).is_some_and(|file| of(&here) == Some(file))).unwrap_or(here))
}

impl<'a> Session<'a> {
    pub fn new(global: &'a Global, args: &'a ProjectArgs) -> Result<Self> {
        let directory = current_directory().context("cannot find the current directory")?;
        let mut environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        environment.entry("PWD".into()).or_insert_with(|| directory.display().to_string());
        let mut session = Self {
            global,
            args,
            directory,
            environment,
            variables: BTreeMap::new(),
            sources: RefCell::default(),
        };
        session.variables = hull_composefile::load::compose_variables(&session.options_without_stdin());
        // Each verb refuses a wrong value.
        session.style()?;
        Ok(session)
    }

    pub fn engine(&self) -> Result<Engine> {
        crate::commands::open(self.global)
    }

    /// What the command line says about the project.
    pub fn options(&self, services: &[String]) -> Result<LoadOptions> {
        let mut options = LoadOptions { services: services.to_vec(), ..self.options_without_stdin() };
        let named = self.variables.get("COMPOSE_FILE").map_or("", String::as_str);
        if options.files.iter().any(|file| file == "-") || options.files.is_empty() && named == "-" {
            let mut text = String::new();
            let read = std::io::stdin().lock().take(MAX_STDIN + 1).read_to_string(&mut text);
            read.context("cannot read the compose file from standard input")?;
            if u64::try_from(text.len()).is_ok_and(|length| length > MAX_STDIN) {
                bail!("the compose file on standard input is larger than {MAX_STDIN} bytes");
            }
            options.stdin = Some(text);
        }
        Ok(options)
    }

    fn options_without_stdin(&self) -> LoadOptions {
        LoadOptions {
            files: self.args.file.clone(),
            current_directory: self.directory.clone(),
            project_directory: self.args.project_directory.clone().or_else(|| self.args.workdir.clone()),
            project_name: self.args.project_name.clone(),
            env_files: self.args.env_file.iter().map(|file| file.display().to_string()).collect(),
            profiles: self.args.profile.clone(),
            environment: self.environment.clone(),
            all_resources: self.args.all_resources,
            ..LoadOptions::default()
        }
    }

    /// Loads the project with these services, or all, as verbs need it that make containers.
    pub fn load(&self, services: &[String]) -> Result<Opened> {
        self.open(&self.options(services)?)
    }

    /// The same, without what these services depend on if `no_deps` says so.
    pub fn load_with(&self, services: &[String], no_deps: bool) -> Result<Opened> {
        let dependencies = if no_deps { Dependencies::Ignore } else { Dependencies::Include };
        self.open(&LoadOptions { dependencies, ..self.options(services)? })
    }

    /// Loads the project for a verb that only needs names: it does not read the `env_file` of services.
    pub fn load_names(&self, services: &[String]) -> Result<Opened> {
        let options = self.options(services)?;
        self.open(&LoadOptions { service_environment: ServiceEnvironment::Unresolved, ..options })
    }

    pub fn open(&self, options: &LoadOptions) -> Result<Opened> {
        let loaded = load(options);
        let env_files = loaded.env_files.clone();
        let mut project = self.told(loaded)?;
        if self.args.compatibility || self.is_set("COMPOSE_COMPATIBILITY") {
            project.separator = '_';
        }
        Ok(Opened { project, env_files })
    }

    /// Prints the warnings, and draws the error.
    pub fn told<T>(&self, loaded: Loaded<T>) -> Result<T> {
        for warning in &loaded.warnings {
            let position = warning.place.and_then(|place| position(place, &loaded.sources, &self.directory));
            errors::warn_only(&match position {
                Some(position) => format!("{position}: {}", warning.text),
                None => warning.text.clone(),
            });
        }
        let told = loaded.result.map_err(|error| located(error, &loaded.sources, &self.directory));
        self.sources.replace(loaded.sources);
        told
    }

    /// Draws an error that is about a key of the project, although it was found after the project was loaded.
    pub fn located(&self, error: anyhow::Error) -> anyhow::Error {
        match error.downcast_ref() {
            Some(hull_compose::Error::File(why)) => {
                located(why.clone(), &self.sources.borrow(), &self.directory)
            }
            _ => error,
        }
    }

    /// The project's name. A compose file is read only if neither a flag nor a variable says it.
    pub fn project_name(&self) -> Result<String> {
        let given = self.args.project_name.as_deref().filter(|name| !name.is_empty());
        match given.or_else(|| self.variable("COMPOSE_PROJECT_NAME")) {
            Some(name) => Ok(name.to_lowercase()),
            None => Ok(self.load_names(&[])?.project.name),
        }
    }

    /// The project's name, and the services of its compose file, unless only the name of the project is given.
    pub fn name_and_services(&self, services: &[String]) -> Result<(String, Option<Vec<String>>)> {
        let (name, project) = self.name_and_project(services)?;
        Ok((name, project.map(|project| project.services.into_keys().collect())))
    }

    /// The project's name, and the project of its compose file, unless only the name is given.
    pub fn name_and_project(&self, services: &[String]) -> Result<(String, Option<Project>)> {
        let given = self.args.project_name.as_deref().filter(|name| !name.is_empty());
        if let (Some(name), true) = (given, self.args.file.is_empty()) {
            return Ok((name.to_lowercase(), None));
        }
        match (self.load_names(services), self.variable("COMPOSE_PROJECT_NAME")) {
            (Ok(Opened { project, .. }), _) => Ok((project.name.clone(), Some(project))),
            (Err(_), Some(name)) => Ok((name.to_lowercase(), None)),
            (Err(error), None) => Err(error),
        }
    }

    /// A `COMPOSE_…` variable of the process or of the project's env files, unless it is empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a variable says yes.
    pub fn is_set(&self, name: &str) -> bool {
        let value = self.variable(name).unwrap_or_default().trim().to_ascii_lowercase();
        value == "y" || bools::parse(&value) == Ok(true)
    }

    /// Whether containers of services that the compose file does not have are removed.
    pub fn remove_orphans(&self, flag: Option<bool>) -> bool {
        flag.unwrap_or_else(|| self.is_set("COMPOSE_REMOVE_ORPHANS"))
    }

    /// Entries of `--env`. One without a value gets that of the process's environment.
    pub fn resolved(&self, entries: &[String]) -> Vec<String> {
        let resolved = |entry: &String| match (entry.contains('='), self.environment.get(entry)) {
            (false, Some(value)) => format!("{entry}={value}"),
            _ => entry.clone(),
        };
        entries.iter().map(resolved).collect()
    }

    /// How many pulls, pushes or builds run at the same time. `None` for any number.
    pub fn parallel(&self) -> Result<Option<usize>> {
        let variable = self.variable("COMPOSE_PARALLEL_LIMIT");
        let limit = match (self.args.parallel, variable) {
            (Some(limit), _) => limit,
            (None, None) => return Ok(None),
            (None, Some(text)) => match text.parse() {
                Ok(limit) => limit,
                Err(_) => bail!("COMPOSE_PARALLEL_LIMIT must be an integer (found: {text:?})"),
            },
        };
        Ok(usize::try_from(limit).ok().filter(|limit| *limit > 0))
    }

    /// How the command writes.
    pub fn style(&self) -> Result<Style> {
        let ansi = match self.args.no_ansi {
            true => Some("never"),
            false => self.args.ansi.as_deref().or_else(|| self.variable("COMPOSE_ANSI")),
        };
        let progress = self.args.progress.as_deref().or_else(|| self.variable("COMPOSE_PROGRESS"));
        let has_no_color = environment::variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        Style::new(ansi, progress, has_no_color)
    }

    /// Does some work and shows it on stderr. Returns an exit code.
    pub fn show(&self, title: &str, work: impl FnOnce(&mut dyn Progress) -> Result<()>) -> Result<u8> {
        self.show_unless(false, title, work)
    }

    /// [`Self::show`], where the work is not shown if `quiet`.
    pub fn show_unless(
        &self,
        quiet: bool,
        title: &str,
        work: impl FnOnce(&mut dyn Progress) -> Result<()>,
    ) -> Result<u8> {
        let report = |error: &anyhow::Error| errors::report(error, Code::Plain);
        let mut style = self.style()?;
        if quiet {
            style.mode = Mode::Quiet;
        }
        let show = Show { style, title, is_dry_run: self.args.dry_run, report };
        progress::run(&show, |progress| work(progress).map_err(|error| self.located(error)))
    }
}
