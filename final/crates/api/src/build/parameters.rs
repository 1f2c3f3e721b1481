//! The parameters of `POST /build`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use hull_build::request::{CacheLocation, ContextSource, FileSource, Request, RunOptions};
use hull_docker::flags::build_context::{self, Source};
use hull_docker::flags::{build_cache, hosts};
use hull_docker::wire::host_config::Ulimit;
use hull_image::platform::Platform;
use hull_image::reference::Reference;
use hull_image::registry::AccessOptions;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::{Exchange, Query};
use crate::images::{logins, parse_reference};

/// `version=2`: the client has a BuildKit session.
const BUILDKIT: &str = "this server has docker's classic builder, and no BuildKit: build with DOCKER_BUILDKIT=0, or with hull build";

/// `outputs` of BuildKit.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Output {
    #[serde(rename = "Type")]
    kind: String,
}

/// A build, as the client asks for it.
pub struct Wanted {
    pub request: Request,
    /// Only the image's id is told, and errors.
    pub quiet: bool,
    /// Whether the client is told that containers of steps are removed. None ever stays.
    pub tells_removal: bool,
    /// The same for the container of a step that has failed.
    pub tells_removal_of_failed: bool,
}

pub fn wanted(api: &Api, exchange: &Exchange<'_>) -> Result<Wanted> {
    let query = exchange.query();
    refuse_what_is_not_classic(query)?;
    let force = query.flag("forcerm");
    Ok(Wanted {
        request: request(api, exchange)?,
        quiet: query.flag("q"),
        tells_removal: force || query.flag_or("rm", true) || query.text("rm").is_none(),
        tells_removal_of_failed: force,
    })
}

fn refuse_what_is_not_classic(query: &Query) -> Result<()> {
    match query.text("version") {
        None | Some("1") => {}
        Some("2") => return Err(Failure::invalid(BUILDKIT)),
        Some(other) => return Err(Failure::invalid(format!("invalid version {other:?}"))),
    }
    if query.flag("squash") {
        return Err(Failure::invalid("squash is only supported with experimental mode"));
    }
    if query.text("securityopt").is_some() {
        return Err(Failure::invalid("security options are not supported on linux"));
    }
    let isolation = query.text("isolation").filter(|isolation| *isolation != "default");
    if let Some(isolation) = isolation {
        return Err(Failure::invalid(format!("unsupported isolation: {isolation:?}")));
    }
    let outputs: Vec<Output> = json(query, "outputs", "error reading outputs")?.unwrap_or_default();
    let is_store = |output: &&Output| !matches!(output.kind.as_str(), "" | "docker" | "image" | "moby");
    match outputs.iter().find(is_store) {
        Some(output) => Err(Failure::invalid(format!(
            "an output of the type {:?} needs BuildKit, and this server has docker's classic builder",
            output.kind
        ))),
        None => Ok(()),
    }
}

fn request(api: &Api, exchange: &Exchange<'_>) -> Result<Request> {
    let query = exchange.query();
    let args: BTreeMap<String, Option<String>> =
        json(query, "buildargs", "error reading build args")?.unwrap_or_default();
    let labels = json(query, "labels", "error reading labels")?.unwrap_or_default();
    let cache_from: Vec<String> = json(query, "cachefrom", "error reading cache-from")?.unwrap_or_default();
    Ok(Request {
        context: context(query)?,
        file: file(query)?,
        tags: tags(query)?,
        // Without a value it is as one that was not given.
        args: args.into_iter().filter(|(_, value)| value.is_some()).collect(),
        target: query.text("target").map(str::to_owned),
        no_cache: query.flag("nocache"),
        pull: query.flag("pull"),
        registry: AccessOptions { logins: logins(exchange)?, ..api.registry.clone() },
        platforms: query.text("platform").map(Platform::parse).transpose()?.into_iter().collect(),
        labels,
        run: run(query)?,
        cache_from: caches(&cache_from)?,
        narrates: true,
        // A stranger's server must not lead this one to what only it can reach.
        trusts_redirects: false,
        ..Request::default()
    })
}

fn context(query: &Query) -> Result<ContextSource> {
    let Some(remote) = query.text("remote") else { return Ok(ContextSource::Archive) };
    match build_context::argument(remote) {
        Source::Git(url) => Ok(ContextSource::Git(url)),
        Source::Url(url) => Ok(ContextSource::Url(url)),
        // What docker's clients send for a context that they upload.
        _ if remote == "client-session" => Err(Failure::invalid(BUILDKIT)),
        _ => Err(Failure::invalid(format!("remoteURL ({remote}) could not be recognized as URL"))),
    }
}

/// The path of the Dockerfile in the context.
fn file(query: &Query) -> Result<Option<FileSource>> {
    let Some(text) = query.text("dockerfile") else { return Ok(None) };
    let mut path = PathBuf::new();
    for component in Path::new(text).components() {
        match component {
            Component::Normal(name) => path.push(name),
            // An absolute path is one in the context.
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            Component::ParentDir if path.pop() => {}
            Component::ParentDir => {
                return Err(Failure::invalid(format!("forbidden path outside the build context: {text} ()")));
            }
        }
    }
    Ok(Some(FileSource::Path(path)).filter(|_| text != "Dockerfile"))
}

fn tags(query: &Query) -> Result<Vec<Reference>> {
    let mut tags: Vec<Reference> = Vec::new();
    for text in query.all("t").filter(|text| !text.is_empty()) {
        let tag = parse_reference(text)?;
        if tag.digest().is_some() {
            return Err(Failure::invalid("build tag cannot contain a digest"));
        }
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

fn run(query: &Query) -> Result<RunOptions> {
    let text = |name: &str| query.text(name).map(str::to_owned);
    let natural = |name: &str| -> Result<Option<u64>> {
        let wrong = |number: i64| Failure::invalid(format!("{name} is {number}, and cannot be negative"));
        let number = super::number(query, name)?.filter(|number| *number != 0);
        number.map(|number| u64::try_from(number).map_err(|_| wrong(number))).transpose()
    };
    let add_hosts = query.all("extrahosts").filter(|host| !host.is_empty()).map(|host| {
        let parsed =
            hosts::parse(host).map_err(|why| Failure::invalid(format!("invalid extrahosts: {why}")))?;
        Ok(parsed.to_string())
    });
    let network = query.text("networkmode").filter(|mode| !["default", "bridge"].contains(mode));
    let ulimits: Vec<Ulimit> = json(query, "ulimits", "error reading ulimit settings")?.unwrap_or_default();
    Ok(RunOptions {
        network: network.map(str::to_owned),
        add_hosts: add_hosts.collect::<Result<_>>()?,
        shm_size: natural("shmsize")?,
        ulimits,
        cgroup_parent: text("cgroupparent"),
        memory: natural("memory")?,
        memory_swap: super::number(query, "memswap")?.filter(|number| *number != 0),
        cpu_shares: natural("cpushares")?,
        cpu_period: natural("cpuperiod")?,
        cpu_quota: super::number(query, "cpuquota")?.filter(|number| *number != 0),
        cpuset_cpus: text("cpusetcpus"),
        cpuset_mems: text("cpusetmems"),
        security_opt: vec![],
    })
}

fn caches(images: &[String]) -> Result<Vec<CacheLocation>> {
    let mut caches = Vec::new();
    for image in images {
        let parsed = build_cache::parse(image)
            .map_err(|why| Failure::invalid(format!("invalid cachefrom {image:?}: {why}")))?;
        // A directory would be one of the server.
        if let Some(other) = parsed.iter().find(|one| one.kind != "registry") {
            let kind = &other.kind;
            return Err(Failure::invalid(format!("cachefrom takes names of images, and not type={kind}")));
        }
        let location =
            |one: build_cache::Location| CacheLocation { kind: one.kind, attributes: one.attributes };
        caches.extend(parsed.into_iter().map(location));
    }
    Ok(caches)
}

/// A parameter that is JSON. `null` is as none.
fn json<T: DeserializeOwned>(query: &Query, name: &str, what: &str) -> Result<Option<T>> {
    let Some(text) = query.text(name) else { return Ok(None) };
    serde_json::from_str(text).map_err(|error| Failure::invalid(format!("{what}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dockerfile_is_a_path_in_the_context() {
        let path = |text: &str| file(&Query::parse(&format!("dockerfile={text}")));
        let expected = |text: &str| Some(FileSource::Path(text.into()));
        assert_eq!(path("").unwrap(), None);
        assert_eq!(path("a/Other").unwrap(), expected("a/Other"));
        assert_eq!(path("/a/./b/../Other").unwrap(), expected("a/Other"));
        for outside in ["../x", "a/../../x", "/.."] {
            assert!(path(outside).unwrap_err().message.contains("outside the build context"), "{outside}");
        }
    }

    #[test]
    fn a_remote_context_is_a_url() {
        let remote = |text: &str| context(&Query::parse(&format!("remote={text}")));
        assert_eq!(remote("http://h/x.tar").unwrap(), ContextSource::Url("http://h/x.tar".into()));
        assert_eq!(remote("git://h/x").unwrap(), ContextSource::Git("git://h/x".into()));
        for wrong in ["/etc", "-", "file:///etc", "client-session"] {
            assert!(remote(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_and_lists_are_checked() {
        let options = |text: &str| run(&Query::parse(text));
        let read =
            options("memory=1000&memswap=-1&shmsize=0&extrahosts=a:1.2.3.4&networkmode=bridge").unwrap();
        assert_eq!((read.memory, read.memory_swap, read.shm_size), (Some(1000), Some(-1), None));
        assert_eq!((read.add_hosts.len(), read.network), (1, None));
        for wrong in ["memory=x", "shmsize=-1", "extrahosts=a", "ulimits=x"] {
            assert_eq!(options(wrong).unwrap_err().status, 400, "{wrong}");
        }
        assert!(caches(&["type=local,src=/etc".into()]).is_err() && caches(&["a:1".into()]).is_ok());
    }
}
