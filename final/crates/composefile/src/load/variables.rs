//! `env_file` and `label_file`: files whose variables become variables and labels of services.

use std::io::ErrorKind;

use hull_yaml::tree::Place;

use crate::dotenv::Notes;
use crate::interpolate::Environment;
use crate::model::{Project, Service};
use crate::read::errno;
use crate::sources::{Sources, Warnings};
use crate::{Error, Result, dotenv};

/// Gives every enabled service the variables of its `env_file`, which is empty afterwards, and the environment's values for
/// variables without one. What `environment` says goes before the files, and a later file before an earlier one.
///
/// # Errors
///
/// A file is missing, unless it is not required, or it cannot be read.
pub(super) fn resolve_environment(project: &mut Project, notes: &mut Notes<'_>) -> Result<()> {
    let mut services = std::mem::take(&mut project.services);
    let result = services.values_mut().try_for_each(|service| environment_of(service, project, notes));
    project.services = services;
    result
}

fn environment_of(service: &mut Service, project: &Project, notes: &mut Notes<'_>) -> Result<()> {
    for (name, value) in service.environment.iter_mut() {
        if value.is_none() {
            *value = project.environment.get(name).cloned();
        }
    }
    let own = &service.environment;
    let outer = |name: &str| project.environment.get(name).or_else(|| own.get(name)?.as_ref()).cloned();
    let set = own.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    let mut values: Environment = set.collect();
    for (index, file) in service.env_file.iter().enumerate() {
        let place = project.place(&["services", &service.name, "env_file", &index.to_string()]);
        let path = &file.path;
        match exists(path, "env file") {
            Err(error) if file.required => {
                return Err(error.at(place).hint("create the file, or say `required: false`"));
            }
            Err(_) => continue,
            Ok(()) => {}
        }
        dotenv::load(path, &file.format, &mut values, &outer, notes).map_err(|error| error.at(place))?;
    }
    for (name, value) in values {
        service.environment.entry(name).or_insert(Some(value));
    }
    service.env_file.clear();
    Ok(())
}

/// Gives every service the labels of its `label_file`. What `labels` says goes before the files. The file of a service that
/// is not enabled may be missing.
///
/// # Errors
///
/// A file of an enabled service is missing, or it cannot be read.
pub(super) fn resolve_labels(project: &mut Project, notes: &mut Notes<'_>) -> Result<()> {
    let mut services = std::mem::take(&mut project.services);
    let place = |service: &Service, index: usize| {
        project.place(&["services", &service.name, "label_file", &index.to_string()])
    };
    let result = services.values_mut().try_for_each(|service| labels_of(service, &place, notes));
    project.services = services;
    result?;
    let mut disabled = std::mem::take(&mut project.disabled_services);
    for service in disabled.values_mut() {
        // The services that are enabled later are those that the command line names.
        let (sources, warnings) = (&mut Sources::default(), &mut Warnings::default());
        labels_of(service, &|_, _| Place::default(), &mut Notes { sources, warnings }).ok();
    }
    project.disabled_services = disabled;
    Ok(())
}

fn labels_of(
    service: &mut Service,
    place: &dyn Fn(&Service, usize) -> Place,
    notes: &mut Notes<'_>,
) -> Result<()> {
    let mut labels = Environment::new();
    for (index, path) in service.label_file.iter().enumerate() {
        let mut read = || {
            exists(path, "label file")?;
            // A label of a file sees the labels of the files before it, and not the environment.
            let known = labels.clone();
            dotenv::load(path, "", &mut labels, &|name| known.get(name).cloned(), notes)
        };
        read().map_err(|error| error.at(place(service, index)))?;
    }
    for (name, value) in labels {
        service.labels.entry(name).or_insert(value);
    }
    Ok(())
}

fn exists(path: &str, what: &str) -> Result<()> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Error::new(format!("{what} {path} not found: stat {path}: {}", errno(&error))))
        }
        _ => Ok(()),
    }
}
