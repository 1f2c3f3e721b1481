//! Values of the command line that are written as in a compose file: those of `run`.

use serde_json::json;

use crate::canonical::{self, Unreadable};
use crate::dotenv::{self, Notes};
use crate::interpolate::Environment;
use crate::model::{Port, Project, Service, ServiceVolume, ShellCommand};
use crate::sources::{Sources, Warnings};
use crate::{Error, Result};

/// What the flags `--publish`, `--volume` and `--entrypoint` say of a service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServiceFlags {
    pub ports: Vec<Port>,
    pub volumes: Vec<ServiceVolume>,
    pub entrypoint: ShellCommand,
}

/// Reads the short syntax of ports and volumes, and a command as a shell would.
pub fn service(ports: &[String], volumes: &[String], entrypoint: Option<&str>) -> Result<ServiceFlags> {
    let mut flags = json!({ "ports": ports, "volumes": volumes });
    if let Some(entrypoint) = entrypoint {
        flags["entrypoint"] = entrypoint.into();
    }
    // JSON is YAML.
    let text = json!({ "services": { "flags": flags } }).to_string();
    let documents = hull_yaml::tree::parse(&text, 0).map_err(|error| Error::new(error.why))?;
    let Some(mut document) = documents.into_iter().next() else { return Ok(ServiceFlags::default()) };
    let at_no_place = |error: Error| Error { place: None, ..error };
    canonical::transform(&mut document, Unreadable::Refused, &mut |_, _| {}).map_err(at_no_place)?;
    let project = Project::decode("flags", "/", document).map_err(at_no_place)?;
    let Service { ports, volumes, entrypoint, .. } =
        project.services.into_values().next().unwrap_or_default();
    Ok(ServiceFlags { ports, volumes, entrypoint })
}

/// The variables of a file with the syntax of `.env`. It can use those of `outer`.
pub fn env_file(path: &str, outer: &Environment) -> Result<Environment> {
    let mut values = Environment::new();
    let lookup = |name: &str| outer.get(name).cloned();
    let (mut sources, mut warnings) = (Sources::default(), Warnings::default());
    let mut notes = Notes { sources: &mut sources, warnings: &mut warnings };
    let at_no_place = |error: Error| Error { place: None, ..error };
    dotenv::load(path, "", &mut values, &lookup, &mut notes).map_err(at_no_place)?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_written_as_in_a_file() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let flags =
            service(&texts(&["8080-8081:80-81/udp"]), &texts(&["data:/d:ro"]), Some("sh -c 'a b'")).unwrap();
        assert_eq!(flags.ports.len(), 2);
        assert_eq!((flags.ports[1].target, &*flags.ports[1].protocol), (81, "udp"));
        assert_eq!((&*flags.volumes[0].source, flags.volumes[0].read_only), ("data", true));
        assert_eq!(flags.entrypoint.0, Some(texts(&["sh", "-c", "a b"])));
        assert_eq!(service(&[], &[], None).unwrap(), ServiceFlags::default());
        let error = service(&texts(&["x:y"]), &[], None).unwrap_err();
        assert_eq!(error.place, None);
        assert!(service(&[], &[], Some("'")).is_err());
    }
}
