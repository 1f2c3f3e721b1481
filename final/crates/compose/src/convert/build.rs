//! `build`: what is asked of the builder for a service's image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hull_build::request::{
    CacheLocation, ContextSource, FileSource, Output, OutputKind, Request, RunOptions, Secret,
};
use hull_composefile::model::{Build, HostsList, Project, Service, SshKey};
use hull_docker::flags::{build_cache, build_context};
use hull_image::platform::Platform;
use hull_image::reference::Reference;
use hull_image::registry::AccessOptions;

use super::{error, image, networks, resources};
use crate::{Error, Result, labels};

/// The prefix of an additional context that is the image of another service.
const SERVICE: &str = "service:";

/// BuildKit's limit of a secret, in bytes.
const SECRET_LIMIT: u64 = 500 * 1024;

/// What the command asks for, beside the files.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// `--build-arg`: a name without a value is looked up in the project's environment.
    pub args: BTreeMap<String, Option<String>>,
    pub no_cache: bool,
    pub pull: bool,
    pub push: bool,
    /// Bytes.
    pub memory: Option<u64>,
    pub ssh: Vec<SshKey>,
    /// The caller's agent, for keys without a path.
    pub ssh_agent: Option<PathBuf>,
    /// The variables for proxies, for RUN.
    pub proxies: BTreeMap<String, String>,
    pub registry: AccessOptions,
}

/// What is being read, for errors.
struct Reader<'a> {
    project: &'a Project,
    service: &'a Service,
    build: &'a Build,
    options: &'a BuildOptions,
}

/// The request that builds a service's image. `None` if the service has nothing to build.
pub fn build_request(
    project: &Project,
    service: &Service,
    options: &BuildOptions,
) -> Result<Option<Request>> {
    let Some(build) = &service.build else { return Ok(None) };
    Reader { project, service, build, options }.request().map(Some)
}

/// The services to build for these, each after those whose images are its contexts.
pub fn build_order<'a>(project: &'a Project, names: &[&'a str]) -> Result<Vec<&'a str>> {
    let mut order = Vec::new();
    for name in names {
        visit(project, name, &mut BTreeSet::new(), &mut order)?;
    }
    Ok(order)
}

fn visit<'a>(
    project: &'a Project,
    name: &'a str,
    open: &mut BTreeSet<&'a str>,
    order: &mut Vec<&'a str>,
) -> Result<()> {
    let service = project.services.get(name).or_else(|| project.disabled_services.get(name));
    let Some(build) = service.and_then(|service| service.build.as_ref()) else { return Ok(()) };
    if order.contains(&name) {
        return Ok(());
    }
    if !open.insert(name) {
        let path = ["services", name, "build", "additional_contexts"];
        return Err(error(project, &path, "the image is built from itself"));
    }
    for context in build.additional_contexts.values() {
        if let Some(other) = context.strip_prefix(SERVICE) {
            visit(project, other, open, order)?;
        }
    }
    open.remove(name);
    order.push(name);
    Ok(())
}

impl Reader<'_> {
    fn invalid(&self, key: &str, why: &str) -> Error {
        error(self.project, &["services", &self.service.name, "build", key], why)
    }

    fn request(&self) -> Result<Request> {
        let build = self.build;
        self.refuse_unknown()?;
        let context = match build_context::argument(&build.context) {
            build_context::Source::Stdin => return Err(self.invalid("context", "stdin is no context here")),
            source => context(source),
        };
        let mut allow = build.entitlements.clone();
        if build.privileged {
            allow.push("security.insecure".to_owned());
        }
        Ok(Request {
            file: self.file(&context),
            context,
            tags: self.tags()?,
            args: self.args(),
            target: non_empty(&build.target),
            no_cache: build.no_cache || self.options.no_cache,
            pull: build.pull || self.options.pull,
            registry: self.options.registry.clone(),
            platforms: self.platforms()?,
            labels: self.labels(),
            run: RunOptions {
                network: non_empty(&build.network),
                add_hosts: hosts(&build.extra_hosts),
                shm_size: u64::try_from(build.shm_size.0).ok().filter(|size| *size != 0),
                ulimits: resources::ulimits(&build.ulimits),
                memory: self.options.memory,
                ..RunOptions::default()
            },
            secrets: self.secrets()?,
            ssh: self.ssh()?,
            contexts: self.contexts()?,
            outputs: vec![self.output()],
            cache_to: self.caches("cache_to", &build.cache_to)?,
            cache_from: self.caches("cache_from", &build.cache_from)?,
            allow,
            trusts_redirects: true,
            proxies: self.options.proxies.clone(),
            ..Request::default()
        })
    }

    /// What a builder would have to do that hull's does not.
    fn refuse_unknown(&self) -> Result<()> {
        let is_off = |value: &str| ["", "false", "0", "disabled=true"].contains(&value);
        for (key, value) in [("provenance", &self.build.provenance), ("sbom", &self.build.sbom)] {
            if !is_off(value) {
                return Err(self.invalid(key, "hull makes no attestations: leave it out, or say false"));
            }
        }
        match ["", "default"].contains(&&*self.build.isolation) {
            true => Ok(()),
            false => Err(self.invalid("isolation", "Linux has the value default only")),
        }
    }

    /// A path is relative to the context, which may be a repository.
    fn file(&self, context: &ContextSource) -> Option<FileSource> {
        if !self.build.dockerfile_inline.is_empty() {
            return Some(FileSource::Inline(self.build.dockerfile_inline.clone()));
        }
        let path = non_empty(&self.build.dockerfile)?;
        Some(match context {
            ContextSource::Directory(directory) => FileSource::Path(directory.join(path)),
            _ => FileSource::Path(path.into()),
        })
    }

    fn tags(&self) -> Result<Vec<Reference>> {
        let parse = |key: &str, text: &str| {
            Reference::parse(text).map_err(|why| self.invalid(key, &format!("{text:?}: {why}")))
        };
        let own = image(self.project, self.service);
        let own = Reference::parse(&own).map_err(|why| {
            error(self.project, &["services", &self.service.name, "image"], &format!("{own:?}: {why}"))
        })?;
        let mut tags = vec![own];
        for text in &self.build.tags.0 {
            let tag = parse("tags", text)?;
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        Ok(tags)
    }

    /// Those of the command replace those of the file. One that has no value anywhere is left out.
    fn args(&self) -> BTreeMap<String, Option<String>> {
        let mut args = self.build.args.0.clone();
        args.extend(self.options.args.clone());
        let resolved = args.into_iter().map(|(name, value)| {
            let value = value.or_else(|| self.project.environment.get(&name).cloned());
            (name, value)
        });
        resolved.filter(|(_, value)| value.is_some()).collect()
    }

    /// All of `platforms`. `DOCKER_DEFAULT_PLATFORM`, or else the service's `platform`, has to be one of them.
    fn platforms(&self) -> Result<Vec<Platform>> {
        let all = &self.build.platforms.0;
        let default =
            self.project.environment.get("DOCKER_DEFAULT_PLATFORM").and_then(|text| non_empty(text));
        let selected = default.or_else(|| non_empty(&self.service.platform));
        if let Some(selected) =
            selected.as_ref().filter(|selected| !all.is_empty() && !all.contains(*selected))
        {
            return Err(self.invalid("platforms", &format!("the platform {selected:?} is not among them")));
        }
        let parse = |text: &String| {
            Platform::parse(text).map_err(|why| self.invalid("platforms", &format!("{text:?}: {why}")))
        };
        all.iter().map(parse).collect()
    }

    /// The labels by which Compose finds the images of a project. Containers are not found by labels of their images.
    fn labels(&self) -> BTreeMap<String, String> {
        let mut all = self.build.labels.0.clone();
        all.insert(labels::PROJECT.to_owned(), self.project.name.clone());
        all.insert(labels::SERVICE.to_owned(), self.service.name.clone());
        all.insert(labels::VERSION.to_owned(), labels::COMPOSE_VERSION.to_owned());
        all
    }

    fn secrets(&self) -> Result<BTreeMap<String, Secret>> {
        let mut secrets = BTreeMap::new();
        for (index, reference) in self.build.secrets.iter().enumerate() {
            let index = index.to_string();
            let path = ["services", &self.service.name, "build", "secrets", &index];
            let invalid = |why: &str| error(self.project, &path, why);
            let Some(defined) = self.project.secrets.get(&reference.source) else {
                return Err(invalid(&format!("there is no secret {:?}", reference.source)));
            };
            let id = non_empty(&reference.target).unwrap_or_else(|| reference.source.clone());
            let secret = match (defined.environment.as_str(), defined.file.as_str()) {
                ("", "") => return Err(invalid("a build's secret is one with `file` or `environment`")),
                ("", file) => secret_file(file).map_err(|why| invalid(&why))?,
                (variable, _) => match self.project.environment.get(variable) {
                    Some(value) => Secret::Value(value.clone().into_bytes()),
                    None => return Err(invalid(&format!("the variable {variable:?} is not set"))),
                },
            };
            secrets.insert(id, secret);
        }
        Ok(secrets)
    }

    fn ssh(&self) -> Result<BTreeMap<String, Vec<PathBuf>>> {
        let mut agents: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for key in self.build.ssh.0.iter().chain(&self.options.ssh) {
            let path = match (key.path.as_str(), &self.options.ssh_agent) {
                ("", Some(agent)) => agent.clone(),
                ("", None) => {
                    let why = format!("{:?} is the caller's agent, and SSH_AUTH_SOCK is not set", key.id);
                    return Err(self.invalid("ssh", &why));
                }
                (path, _) => PathBuf::from(path),
            };
            agents.entry(key.id.clone()).or_default().push(path);
        }
        Ok(agents)
    }

    fn contexts(&self) -> Result<BTreeMap<String, ContextSource>> {
        let mut contexts = BTreeMap::new();
        for (name, text) in self.build.additional_contexts.iter() {
            let (name, source) = match text.strip_prefix(SERVICE) {
                Some(other) => (name.clone(), ContextSource::Image(self.image_of(other)?)),
                None => build_context::parse(&format!("{name}={text}"))
                    .map(|(name, source)| (name, context(source)))
                    .map_err(|why| self.invalid("additional_contexts", &why))?,
            };
            contexts.insert(name, source);
        }
        Ok(contexts)
    }

    fn image_of(&self, name: &str) -> Result<String> {
        let project = self.project;
        let service = project.services.get(name).or_else(|| project.disabled_services.get(name));
        let service = service.filter(|service| service.build.is_some()).ok_or_else(|| {
            self.invalid(
                "additional_contexts",
                &format!("there is no service {name:?} with an image to build"),
            )
        })?;
        Ok(image(project, service))
    }

    /// The engine's store, and the registry if the image is to be pushed and has a name of its own.
    fn output(&self) -> Output {
        let pushes = self.options.push && !self.service.image.is_empty();
        let push = || ("push".to_owned(), "true".to_owned());
        Output {
            kind: if pushes { OutputKind::Registry } else { OutputKind::Image },
            destination: None,
            attributes: pushes.then(push).into_iter().collect(),
        }
    }

    fn caches(&self, key: &str, texts: &hull_composefile::model::StringList) -> Result<Vec<CacheLocation>> {
        let mut all = Vec::new();
        for text in &texts.0 {
            let parsed =
                build_cache::parse(text).map_err(|why| self.invalid(key, &format!("{text:?}: {why}")))?;
            let location =
                |at: build_cache::Location| CacheLocation { kind: at.kind, attributes: at.attributes };
            all.extend(parsed.into_iter().map(location));
        }
        Ok(all)
    }
}

fn non_empty(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn hosts(hosts: &HostsList) -> Vec<String> {
    networks::extra_hosts(hosts)
}

fn context(source: build_context::Source) -> ContextSource {
    use build_context::Source;
    match source {
        Source::Directory(path) => ContextSource::Directory(path.into()),
        Source::Stdin => ContextSource::Stdin,
        Source::Url(url) => ContextSource::Url(url),
        Source::Git(url) => ContextSource::Git(url),
        Source::Image(name) => ContextSource::Image(name),
        Source::OciLayout(path) => ContextSource::OciLayout(path),
    }
}

/// The file is opened when a step needs it, and is looked at here, before the build begins.
fn secret_file(path: &str) -> std::result::Result<Secret, String> {
    let metadata = std::fs::metadata(path).map_err(|error| format!("{path}: {error}"))?;
    match metadata.len() > SECRET_LIMIT {
        true => Err(format!("{path}: a secret has at most {SECRET_LIMIT} bytes")),
        false => Ok(Secret::File(path.into())),
    }
}
