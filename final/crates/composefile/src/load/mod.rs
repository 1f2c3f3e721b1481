//! Files and the environment become one project.
//!
//! ```text
//! options    what the command line says
//! setup      which files, variables and profiles there are
//! name       the project's name
//! reset      `!reset` and `!override`
//! paths      relative paths, by the rules of `lexical`
//! remote     names that are no files of this machine
//! loader     one file after the other becomes one document
//! scope      what files that are read together have in common
//! extends    services that begin with others
//! include    files with a directory and variables of their own
//! values     what is as good as missing
//! variables  env_file and label_file
//! ```

mod extends;
mod include;
mod lexical;
mod loader;
mod name;
mod options;
mod paths;
mod remote;
mod reset;
mod scope;
mod setup;
#[cfg(test)]
mod tests;
mod values;
mod variables;

pub use name::normalize as normalize_name;
pub use options::{Dependencies, LoadOptions, ServiceEnvironment};
pub use setup::compose_variables;

use std::collections::BTreeMap;

use hull_yaml::tree::{Node, Value};

use crate::dotenv::Notes;
use crate::model::{Project, discouraged};
use crate::sources::{Sources, Warning, Warnings};
use crate::{Error, Result, consistency, normalise};
use loader::Loader;
use scope::{Reader, Scope};
use setup::Setup;

/// What [`load`] found. Also when there is no project, the texts show where an error stands.
#[derive(Debug)]
pub struct Loaded<T = Project> {
    pub result: Result<T>,
    pub sources: Sources,
    pub warnings: Vec<Warning>,
    /// The files of `--env-file` and `COMPOSE_ENV_FILES`, absolute: the label `…project.environment_file` names them.
    pub env_files: Vec<String>,
}

/// Loads a project: finds its files, reads them with everything that they include and extend, and selects its services.
pub fn load(options: &LoadOptions) -> Loaded {
    gather(|notes, env_files| {
        let (mut project, setup) = all_services(options, notes)?;
        *env_files = setup.env_files;
        if project.name.is_empty() {
            return Err(Error::new("project name can't be empty. Use `--project-name` to set a valid name"));
        }
        project.enable(&options.services);
        project.select(&options.services, options.dependencies)?;
        // A verb that only needs names makes no container.
        if !options.no_consistency && options.service_environment != ServiceEnvironment::Unresolved {
            consistency::container_names(&project)?;
        }
        if !options.all_resources {
            project.drop_unused_resources();
        }
        if matches!(options.service_environment, ServiceEnvironment::Selected | ServiceEnvironment::Enabled) {
            variables::resolve_environment(&mut project, notes)?;
        }
        Ok(project)
    })
}

/// The merged document of a project, which is all that there is of it without interpolation.
pub fn load_model(options: &LoadOptions) -> Loaded<Node> {
    gather(|notes, env_files| {
        let (model, _, setup) = model(options, notes)?;
        *env_files = setup.env_files;
        Ok(model)
    })
}

fn gather<T>(run: impl FnOnce(&mut Notes<'_>, &mut Vec<String>) -> Result<T>) -> Loaded<T> {
    let (mut sources, mut warnings) = (Sources::default(), Warnings::default());
    let mut env_files = Vec::new();
    let mut notes = Notes { sources: &mut sources, warnings: &mut warnings };
    let result = run(&mut notes, &mut env_files);
    Loaded { result, sources, warnings: warnings.into_vec(), env_files }
}

/// The project with all services of its profiles.
fn all_services(options: &LoadOptions, notes: &mut Notes<'_>) -> Result<(Project, Setup)> {
    let (model, name, setup) = model(options, notes)?;
    let mut project = Project::decode(name, setup.directory.as_str(), model)?;
    let warnings = &mut *notes.warnings;
    discouraged(&project.tree, &mut |text, place| warnings.add(text, Some(place)));
    project.compose_files.clone_from(&setup.files);
    project.environment.clone_from(&setup.environment);
    project.set_profiles(setup.profiles.clone());
    if !options.no_consistency {
        consistency::check(&mut project)?;
    }
    let before = [ServiceEnvironment::Enabled, ServiceEnvironment::EnabledByProfile];
    if before.contains(&options.service_environment) {
        variables::resolve_environment(&mut project, notes)?;
    }
    variables::resolve_labels(&mut project, notes)?;
    if options.service_environment != ServiceEnvironment::Selected {
        project.services.values_mut().for_each(|service| service.label_file.clear());
    }
    Ok((project, setup))
}

/// The merged document, and the project's name.
fn model(options: &LoadOptions, notes: &mut Notes<'_>) -> Result<(Node, String, Setup)> {
    let mut setup = setup::setup(options, notes)?;
    let mut loader = Loader::new(options, notes.sources, notes.warnings);
    let mut documents = Vec::new();
    for file in &setup.files {
        documents.extend(loader.documents(file)?);
    }
    let name =
        name::find(options, &setup.directory, &documents, &setup.environment, loader.common().warnings)?;
    setup.environment.insert("COMPOSE_PROJECT_NAME".into(), name.clone());
    // Compose takes nothing from the environment then, not even for `environment: [NAME]`.
    let unset = BTreeMap::new();
    let environment = if options.no_interpolate { &unset } else { &setup.environment };
    let scope = Scope { directory: &setup.directory, base: &setup.directory, environment, included: &[] };
    let mut model = loader.model(&setup.files, &scope, !options.no_path_resolution)?;
    if matches!(&model.value, Value::Mapping(entries) if entries.is_empty()) {
        let why = format!("{}: empty compose file", setup.files.join(", "));
        return Err(Error::new(why).hint("add services:"));
    }
    if name.is_empty() {
        return Err(
            Error::new("project name must not be empty").hint("add name: to the file, or use --project-name")
        );
    }
    if !options.no_normalize {
        normalise::normalise(&mut model, &name, environment)?;
    }
    Ok((model, name, setup))
}
