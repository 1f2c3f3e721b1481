//! Configs and secrets. A file is mounted, so that its changes are seen. The content of a variable or of the compose file is
//! copied into the created container before it starts, with the mode and the owner that the service asks for.

use std::path::Path;

use hull_composefile::model::{FileObject, FileReference, Project, Service};
use hull_docker::wire::host_config::{BindOptions, Mount};

use super::error;
use crate::Result;

/// A file that is copied into a container before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCopy {
    /// In the container, absolute.
    pub path: String,
    pub content: String,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// What differs between the two kinds.
struct Kind {
    /// The key in the file.
    key: &'static str,
    word: &'static str,
    /// Where a target without a directory is.
    directory: &'static str,
}

const CONFIGS: Kind = Kind { key: "configs", word: "config", directory: "/" };
const SECRETS: Kind = Kind { key: "secrets", word: "secret", directory: "/run/secrets/" };

/// A file that a service asks for, and where it is defined.
struct Asked<'a> {
    kind: Kind,
    index: usize,
    reference: &'a FileReference,
    object: &'a FileObject,
}

/// Secrets first, as Compose has them.
fn asked<'a>(project: &'a Project, service: &'a Service) -> Result<Vec<Asked<'a>>> {
    let mut all = Vec::new();
    let secret = |name: &str| project.secrets.get(name).map(|secret| &secret.0);
    let config = |name: &str| project.configs.get(name).map(|config| &config.0);
    for (index, reference) in service.secrets.iter().enumerate() {
        all.push((SECRETS, index, reference, secret(&reference.source)));
    }
    for (index, reference) in service.configs.iter().enumerate() {
        all.push((CONFIGS, index, reference, config(&reference.source)));
    }
    let complete =
        |(kind, index, reference, object): (Kind, usize, &'a FileReference, Option<&'a FileObject>)| {
            let undefined = || format!("there is no {} {:?}", kind.word, reference.source);
            match object {
                Some(object) => {
                    refuse_swarm(project, &kind, &reference.source, object)?;
                    Ok(Asked { kind, index, reference, object })
                }
                None => {
                    let index = index.to_string();
                    Err(error(project, &["services", &service.name, kind.key, &index], &undefined()))
                }
            }
        };
    all.into_iter().map(complete).collect()
}

/// What only a cluster has.
fn refuse_swarm(project: &Project, kind: &Kind, name: &str, object: &FileObject) -> Result<()> {
    let keys = [
        (object.external, "external"),
        (!object.driver.is_empty(), "driver"),
        (!object.template_driver.is_empty(), "template_driver"),
    ];
    match keys.iter().find(|(is_set, _)| *is_set) {
        Some((_, key)) => {
            let why = format!("only a cluster has such a {}", kind.word);
            Err(error(project, &[kind.key, name, key], &why))
        }
        None => Ok(()),
    }
}

impl Asked<'_> {
    fn target(&self) -> String {
        match self.reference.target.as_str() {
            "" => format!("{}{}", self.kind.directory, self.reference.source),
            target if target.starts_with('/') => target.to_owned(),
            target => format!("{}{target}", self.kind.directory),
        }
    }

    fn is_copied(&self) -> bool {
        !self.object.environment.is_empty() || !self.object.content.is_empty()
    }
}

/// Checks that the files that are mounted exist: no directory is made for one that is missing.
pub fn check_sources(project: &Project, service: &Service) -> Result<()> {
    for one in asked(project, service)?.iter().filter(|one| !one.is_copied()) {
        if !Path::new(&one.object.file).exists() {
            let path = [one.kind.key, &one.reference.source, "file"];
            return Err(error(project, &path, &format!("there is no file {}", one.object.file)));
        }
    }
    Ok(())
}

/// The mounts of the files.
pub fn mounts(project: &Project, service: &Service) -> Result<Vec<Mount>> {
    let all = asked(project, service)?;
    let mount = |one: &Asked<'_>| Mount {
        kind: "bind".to_owned(),
        source: one.object.file.clone(),
        target: one.target(),
        read_only: true,
        // Of a missing file no directory is made.
        bind_options: (one.kind.key == SECRETS.key).then(BindOptions::default),
        ..Mount::default()
    };
    Ok(all.iter().filter(|one| !one.is_copied()).map(mount).collect())
}

/// What is to be copied into each container of the service before it starts. A file without content is not made.
pub fn copies(project: &Project, service: &Service) -> Result<Vec<FileCopy>> {
    let mut copies = Vec::new();
    for one in asked(project, service)?.iter().filter(|one| one.is_copied()) {
        let index = one.index.to_string();
        let path = ["services", &service.name, one.kind.key, &index];
        if one.target().split('/').any(|part| part == "..") {
            let why = format!("the target {:?} must not contain ..", one.target());
            return Err(error(project, &path, &why));
        }
        let content = content(project, one)?;
        if content.is_empty() {
            continue;
        }
        if service.read_only {
            let why = format!(
                "the {} cannot be copied into a read-only container: only one with `file` can be mounted",
                one.kind.word
            );
            return Err(error(project, &path, &why));
        }
        let id = |key: &str, text: &str| match text {
            "" => Ok(0),
            text => {
                text.parse().map_err(|_| error(project, &path, &format!("{key} {text:?} is not a number")))
            }
        };
        copies.push(FileCopy {
            path: one.target(),
            content: content.to_owned(),
            mode: one.reference.mode.map_or(0o444, |mode| mode.0 as u32 & 0o7777),
            uid: id("uid", &one.reference.uid)?,
            gid: id("gid", &one.reference.gid)?,
        });
    }
    Ok(copies)
}

fn content<'a>(project: &'a Project, one: &Asked<'a>) -> Result<&'a str> {
    if !one.object.content.is_empty() {
        return Ok(&one.object.content);
    }
    let variable = &one.object.environment;
    project.environment.get(variable).map(String::as_str).ok_or_else(|| {
        let path = [one.kind.key, &one.reference.source, "environment"];
        error(project, &path, &format!("the variable {variable:?} is not set"))
    })
}

/// What is said about the files of a service when it is created.
pub fn warnings(project: &Project, service: &Service) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for one in asked(project, service)?.iter().filter(|one| !one.is_copied()) {
        let reference = one.reference;
        if !reference.uid.is_empty() || !reference.gid.is_empty() || reference.mode.is_some() {
            warnings.push(match one.kind.key {
                "configs" => {
                    "config `uid`, `gid` and `mode` are not supported, they will be ignored".to_owned()
                }
                _ => "secrets `uid`, `gid` and `mode` are not supported, they will be ignored".to_owned(),
            });
        }
    }
    Ok(warnings)
}
