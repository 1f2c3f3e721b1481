//! Which files, which variables, which directory and which profiles a project has.
//!
//! A variable of the process goes before one of an env file, and a flag goes before both. The order of the steps is Compose's:
//! the `.env` of the current directory can name the files with `COMPOSE_FILE`, and then the `.env` beside them counts too.

use std::path::Path;

use super::{LoadOptions, lexical, remote};
use crate::dotenv::Notes;
use crate::interpolate::Environment;
use crate::read::errno;
use crate::sources::{Sources, Warnings};
use crate::{Error, Result, dotenv};

const FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

pub(super) struct Setup {
    /// The variables for interpolation.
    pub(super) environment: Environment,
    /// Absolute paths, or `-`.
    pub(super) files: Vec<String>,
    /// The project's directory, absolute.
    pub(super) directory: String,
    pub(super) profiles: Vec<String>,
    /// The files of `--env-file` and `COMPOSE_ENV_FILES`, absolute.
    pub(super) env_files: Vec<String>,
}

pub(super) fn setup(options: &LoadOptions, notes: &mut Notes<'_>) -> Result<Setup> {
    let mut finder = Finder::new(options);
    finder.read_env_files(notes)?;
    finder.files_of_environment()?;
    finder.default_files(notes.warnings)?;
    finder.read_env_files(notes)?;
    let profiles = match options.profiles.is_empty() {
        false => options.profiles.clone(),
        true => {
            let names = finder.environment.get("COMPOSE_PROFILES").map_or("", String::as_str);
            names.split(',').map(|name| name.trim().to_owned()).collect()
        }
    };
    if let Some(name) = &options.project_name {
        super::name::check(name)?;
    }
    let directory = finder.directory();
    let Finder { here, environment, files, env_files, .. } = finder;
    if files.is_empty() {
        return Err(Error::new("no configuration file provided: not found")
            .hint("name a file with --file, or go to a directory with a compose.yaml"));
    }
    for file in &files {
        remote::refuse(file, "--file or COMPOSE_FILE")?;
    }
    let files =
        files.iter().map(|file| if file == "-" { file.clone() } else { lexical::absolute(&here, file) });
    Ok(Setup { files: files.collect(), environment, directory, profiles, env_files })
}

/// The variables of the process, and the `COMPOSE_…` variables of the project's env files, which Compose treats as if the
/// process had them. Errors in the files are reported when the project is loaded.
pub fn compose_variables(options: &LoadOptions) -> Environment {
    let mut environment = options.environment.clone();
    let mut finder = Finder { compose: environment.clone(), ..Finder::bare(options) };
    let (sources, warnings) = (&mut Sources::default(), &mut Warnings::default());
    let values = finder.find_env_files().and_then(|()| {
        dotenv::read_all(&finder.environment, &finder.env_files, &mut Notes { sources, warnings })
    });
    for (name, value) in values.unwrap_or_default() {
        if name.starts_with("COMPOSE_") {
            environment.entry(name).or_insert(value);
        }
    }
    environment
}

struct Finder<'a> {
    options: &'a LoadOptions,
    /// The current directory.
    here: String,
    environment: Environment,
    /// The process's environment, with the `COMPOSE_…` variables of env files.
    compose: Environment,
    files: Vec<String>,
    /// Whether the command line or the environment names the env files.
    has_env_files: bool,
    env_files: Vec<String>,
}

impl<'a> Finder<'a> {
    fn new(options: &'a LoadOptions) -> Self {
        Self { compose: compose_variables(options), ..Self::bare(options) }
    }

    fn bare(options: &'a LoadOptions) -> Self {
        let here = options.current_directory.to_string_lossy().into_owned();
        let mut environment = options.environment.clone();
        environment.entry("PWD".into()).or_insert_with(|| here.clone());
        let named = match options.env_files.is_empty() {
            false => options.env_files.clone(),
            true => {
                let names = environment.get("COMPOSE_ENV_FILES").map_or("", String::as_str);
                names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
            }
        };
        let env_files: Vec<_> = named.iter().map(|file| lexical::absolute(&here, file)).collect();
        Self {
            options,
            environment,
            compose: Environment::new(),
            files: options.files.clone(),
            has_env_files: !env_files.is_empty(),
            env_files,
            here,
        }
    }

    /// `--project-directory`, or the directory of the first file, or the current one.
    fn directory(&self) -> String {
        if let Some(directory) = &self.options.project_directory {
            return lexical::absolute(&self.here, &directory.to_string_lossy());
        }
        match self.files.iter().find(|file| *file != "-") {
            Some(file) if !remote::is_remote(file) => {
                lexical::directory(&lexical::absolute(&self.here, file))
            }
            _ => self.here.clone(),
        }
    }

    /// Without named files, the `.env` of the project's directory is one, if it exists.
    fn find_env_files(&mut self) -> Result<()> {
        if self.has_env_files {
            return Ok(());
        }
        if let Some(text) = self.compose.get("COMPOSE_DISABLE_ENV_FILE")
            && truth(text).ok_or_else(|| {
                Error::new(format!("strconv.ParseBool: parsing {text:?}: invalid syntax"))
                    .hint("COMPOSE_DISABLE_ENV_FILE is true or false")
            })?
        {
            return Ok(());
        }
        let file = lexical::join(&self.directory(), ".env");
        match std::fs::metadata(&file) {
            Ok(metadata) if !metadata.is_dir() => self.env_files = vec![file],
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("stat", &file, &error)),
        }
        Ok(())
    }

    fn read_env_files(&mut self, notes: &mut Notes<'_>) -> Result<()> {
        self.find_env_files()?;
        for (name, value) in dotenv::read_all(&self.environment, &self.env_files, notes)? {
            self.environment.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// `COMPOSE_FILE`, whose paths are relative to the current directory.
    fn files_of_environment(&mut self) -> Result<()> {
        let Some(names) = self.environment.get("COMPOSE_FILE").filter(|_| self.files.is_empty()) else {
            return Ok(());
        };
        let separator = self.environment.get("COMPOSE_PATH_SEPARATOR").filter(|text| !text.is_empty());
        let separator = separator.map_or(":", String::as_str);
        let files = names.split(separator).map(|name| {
            if name == "-" {
                return Ok(name.to_owned());
            }
            let path = lexical::absolute(&self.here, name);
            match std::fs::metadata(&path) {
                Ok(_) => Ok(path),
                Err(error) => Err(failed("stat", &path, &error).hint("COMPOSE_FILE names this file")),
            }
        });
        self.files = files.collect::<Result<_>>()?;
        Ok(())
    }

    /// The first file with a default name in the project's directory or one above it, and the override beside it.
    fn default_files(&mut self, warnings: &mut Warnings) -> Result<()> {
        if !self.files.is_empty() {
            return Ok(());
        }
        let mut directory = self.directory();
        loop {
            let found = existing(&directory, &FILES);
            if let Some(winner) = found.first() {
                tell_ambiguous(&found, "Found multiple config files with supported names", warnings);
                self.files.push(winner.clone());
                let found = existing(&directory, &OVERRIDES);
                tell_ambiguous(&found, "Found multiple override files with supported names", warnings);
                self.files.extend(found.into_iter().next());
                return Ok(());
            }
            let above = lexical::directory(&directory);
            if above == directory {
                return Ok(());
            }
            directory = above;
        }
    }
}

fn existing(directory: &str, names: &[&str]) -> Vec<String> {
    let paths = names.iter().map(|name| lexical::join(directory, name));
    paths.filter(|path| Path::new(path).exists()).collect()
}

fn tell_ambiguous(found: &[String], what: &str, warnings: &mut Warnings) {
    if found.len() > 1 {
        warnings.add(format!("{what}: {}", found.join(", ")), None);
        warnings.add(format!("Using {}", found[0]), None);
    }
}

fn failed(call: &str, path: &str, error: &std::io::Error) -> Error {
    Error::new(format!("{call} {path}: {}", errno(error)))
}

/// A boolean of a variable, as Go's `strconv.ParseBool` reads one.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
