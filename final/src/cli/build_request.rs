//! Makes the request of a build from the flags of `build`. The crate `docker` parses the texts; the files and variables
//! that flags name are read here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use hull_build::request::{
    CacheLocation, ContextSource, FileSource, Output, OutputKind, Request, RunOptions, Secret,
};
use hull_docker::flags::build_context::Source;
use hull_docker::flags::{build_cache, build_context, build_output, env, hosts, pairs, secret, ssh, ulimit};
use hull_docker::size;
use hull_image::platform::Platform;
use hull_image::reference::Reference;

use super::build::Build;
use super::build_flags::{CompatibleArgs, ImageArgs, OutputArgs, RunArgs, SourceArgs};
use super::values::{invalid_value, read, read_all, read_if_given};
use crate::environment;
use crate::persona::Persona;
use crate::ui::errors::{Exit, Hint};
use crate::ui::hints::OWN_FAILURE;

/// docker's limit of a secret, in bytes.
const MAX_SECRET: u64 = 500 * 1024;

/// The last second of the year 9999, in seconds since 1970: RFC 3339 can write no later time.
const LAST_SECOND: i64 = 253_402_300_799;

impl Build {
    /// The request that the flags make.
    ///
    /// # Errors
    ///
    /// A flag is wrong, or names a file that cannot be read.
    pub fn request(&self) -> Result<Request> {
        self.compatible.check()?;
        let context = self.source.context(self.context.as_deref())?;
        let file = self.source.file(&context)?;
        let args = self.source.args()?;
        let request = Request {
            file,
            context,
            tags: tags(&self.image.tag)?,
            source_date_epoch: self.image.epoch(&args)?,
            args,
            target: self.source.target.clone().filter(|target| !target.is_empty()),
            no_cache: self.cache.no_cache,
            no_cache_filter: self.cache.no_cache_filter.clone(),
            platforms: self.source.platforms()?,
            labels: pairs::labels(&[], &self.image.label)
                .map_err(|why| anyhow!(why).context(Exit(OWN_FAILURE)))?,
            annotations: self.image.annotations()?,
            run: self.run.options()?,
            secrets: self.run.secrets()?,
            ssh: self.run.agents()?,
            contexts: self.source.contexts()?,
            outputs: self.output.outputs(self.image.format.as_deref())?,
            cache_to: caches("--cache-to", &self.cache.cache_to)?,
            cache_from: caches("--cache-from", &self.cache.cache_from)?,
            allow: self.run.allowed()?,
            why: self.look.why,
            keep_failed: self.look.shell_on_failure,
            trusts_redirects: true,
            proxies: if self.run.http_proxy { environment::proxies() } else { BTreeMap::new() },
            ..self.source.pulling()?
        };
        match (&request.context, &request.file) {
            (ContextSource::Stdin, Some(FileSource::Stdin)) => {
                Err(anyhow!("invalid argument: can't use stdin for both build context and dockerfile"))
            }
            _ => Ok(request),
        }
    }
}

impl SourceArgs {
    fn context(&self, given: Option<&str>) -> Result<ContextSource> {
        match given {
            Some(text) => Ok(source(build_context::argument(text))),
            // podman builds the current directory.
            None if Persona::is_podman() => Ok(ContextSource::Directory(".".into())),
            None => {
                let name = Persona::own().name();
                let usage = format!("usage: {name} build [OPTIONS] PATH | URL | -");
                Err(anyhow!("the build context is missing").context(Hint(usage)).context(Exit(1)))
            }
        }
    }

    /// A path is the caller's, or one in a context that is not a directory. podman also looks in the context, and takes a
    /// `Containerfile`.
    fn file(&self, context: &ContextSource) -> Result<Option<FileSource>> {
        let directory = match context {
            ContextSource::Directory(directory) => Some(directory),
            _ => None,
        };
        let Some(text) = self.file.as_deref().filter(|text| !text.is_empty()) else {
            let other = directory.and_then(|directory| other_default(directory));
            return Ok(other.map(FileSource::Path));
        };
        if text == "-" {
            return Ok(Some(FileSource::Stdin));
        }
        if let Source::Url(url) = build_context::argument(text) {
            return Ok(Some(FileSource::Url(url)));
        }
        let path = PathBuf::from(text);
        let beside = directory.map(|directory| directory.join(&path));
        Ok(Some(FileSource::Path(match beside {
            Some(beside) if !path.exists() && beside.exists() => beside,
            _ => path,
        })))
    }

    fn args(&self) -> Result<BTreeMap<String, Option<String>>> {
        let mut entries = Vec::new();
        for path in &self.build_arg_file {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let lines = env::parse_file(&text).map_err(|why| anyhow!("{}:{why}", path.display()))?;
            entries.extend(lines);
        }
        for entry in &self.build_arg {
            read("--build-arg", entry, env::check)?;
            entries.push(entry.clone());
        }
        let pair = |entry: String| match entry.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (entry.clone(), environment::variable(&entry)),
        };
        // An argument without a value, whose variable is not set either, is as one that was not given.
        Ok(entries.into_iter().map(pair).filter(|(_, value)| value.is_some()).collect())
    }

    fn contexts(&self) -> Result<BTreeMap<String, ContextSource>> {
        let named = read_all("--build-context", &self.build_context, build_context::parse)?;
        Ok(named.into_iter().map(|(name, from)| (name, source(from))).collect())
    }

    fn platforms(&self) -> Result<Vec<Platform>> {
        let mut texts = self.platform.clone();
        if self.arch.is_some() || self.os.is_some() {
            let os = self.os.as_deref().unwrap_or("linux");
            let host = Platform::host();
            let arch = self.arch.as_deref().unwrap_or(&host.architecture);
            let variant = self.variant.iter().map(|variant| format!("/{variant}"));
            texts.push(format!("{os}/{arch}{}", variant.collect::<String>()));
        }
        let parse = |text: &str| match text {
            "local" => Ok(Platform::host()),
            text => Platform::parse(text).map_err(|error| error.to_string()),
        };
        let mut platforms: Vec<Platform> = Vec::new();
        for text in &texts {
            let platform = read("--platform", text, parse)?;
            if !platforms.contains(&platform) {
                platforms.push(platform);
            }
        }
        Ok(platforms)
    }

    /// The rest of a request, with what `--pull` means: docker's boolean, or podman's policy.
    fn pulling(&self) -> Result<Request> {
        let (pull, never_pull) = match self.pull.as_deref().unwrap_or("missing") {
            "always" | "true" | "newer" | "ifnewer" | "1" => (true, false),
            "missing" | "ifmissing" | "false" | "0" => (false, false),
            "never" => (false, true),
            other => {
                return Err(invalid_value("--pull", other, "it is always, missing, newer or never"));
            }
        };
        Ok(Request { pull, never_pull, ignore_file: self.ignorefile.clone(), ..Request::default() })
    }
}

/// The name of a Dockerfile that others also take, where the usual one is missing.
fn other_default(directory: &Path) -> Option<PathBuf> {
    let [own, other] = match Persona::is_podman() {
        true => ["Containerfile", "Dockerfile"],
        false => ["Dockerfile", "Containerfile"],
    };
    let found = [own, other, "dockerfile"].into_iter().find(|name| directory.join(name).exists())?;
    (found != "Dockerfile").then(|| directory.join(found))
}

fn source(source: Source) -> ContextSource {
    match source {
        Source::Directory(path) => ContextSource::Directory(path.into()),
        Source::Stdin => ContextSource::Stdin,
        Source::Url(url) => ContextSource::Url(url),
        Source::Git(url) => ContextSource::Git(url),
        Source::Image(name) => ContextSource::Image(name),
        Source::OciLayout(path) => ContextSource::OciLayout(path),
    }
}

fn tags(texts: &[String]) -> Result<Vec<Reference>> {
    let mut tags: Vec<Reference> = Vec::new();
    for text in texts {
        let tag = read("--tag", text, |text| match Reference::parse(text) {
            Ok(reference) if reference.digest().is_some() => Err("a tag has no digest".into()),
            Ok(reference) => Ok(reference),
            Err(error) => Err(error.to_string()),
        })?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

fn caches(flag: &str, texts: &[String]) -> Result<Vec<CacheLocation>> {
    let locations = read_all(flag, texts, build_cache::parse)?.into_iter().flatten();
    Ok(locations.map(|at| CacheLocation { kind: at.kind, attributes: at.attributes }).collect())
}

impl ImageArgs {
    fn annotations(&self) -> Result<Vec<(String, String)>> {
        let pair = |text: &str| match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err("expected KEY=VALUE".to_owned()),
        };
        read_all("--annotation", &self.annotation, pair)
    }

    /// What times are at most: that of the flag, of the build argument `SOURCE_DATE_EPOCH`, or of the variable.
    fn epoch(&self, args: &BTreeMap<String, Option<String>>) -> Result<Option<i64>> {
        let argument = args.get("SOURCE_DATE_EPOCH").cloned().flatten();
        let given = argument.or_else(|| environment::variable("SOURCE_DATE_EPOCH"));
        let (what, text) = match (self.timestamp, given.filter(|text| !text.is_empty())) {
            (Some(seconds), _) => ("--timestamp", seconds.to_string()),
            (None, Some(text)) => ("SOURCE_DATE_EPOCH", text),
            (None, None) => return Ok(None),
        };
        let seconds = text.parse().ok().filter(|seconds| (0..=LAST_SECOND).contains(seconds));
        let why = "it is a number of seconds since 1970, up to the year 9999";
        seconds.map(Some).ok_or_else(|| anyhow!("invalid {what}: {text}: {why}"))
    }
}

impl OutputArgs {
    fn outputs(&self, format: Option<&str>) -> Result<Vec<Output>> {
        if self.push && self.load {
            bail!("push and load may not be set together at the moment");
        }
        let mut outputs = Vec::new();
        for text in &self.output {
            outputs.push(output(read("--output", text, build_output::parse)?));
        }
        let image = |push: bool| Output {
            kind: if push { OutputKind::Registry } else { OutputKind::Image },
            destination: None,
            attributes: if push { BTreeMap::from([("push".into(), "true".into())]) } else { BTreeMap::new() },
        };
        let is_image = |output: &Output| matches!(output.kind, OutputKind::Image | OutputKind::Registry);
        if self.push {
            match outputs.iter_mut().find(|output| is_image(output)) {
                Some(output) => *output = Output { attributes: with_push(&output.attributes), ..image(true) },
                None => outputs.push(image(true)),
            }
        } else if self.load && !outputs.iter().any(is_image) || outputs.is_empty() {
            outputs.push(image(false));
        }
        if let Some(format) = format {
            let oci = (format == "oci").to_string();
            let outputs = outputs.iter_mut().filter(|output| is_image(output));
            outputs.for_each(|output| drop(output.attributes.insert("oci-mediatypes".into(), oci.clone())));
        }
        Ok(outputs)
    }
}

fn with_push(attributes: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let push = ("push".to_owned(), "true".to_owned());
    attributes.clone().into_iter().chain([push]).collect()
}

fn output(parsed: build_output::Output) -> Output {
    let build_output::Output { kind, destination, attributes } = parsed;
    let pushes = attributes.get("push").is_some_and(|push| push == "true");
    let to_file = destination.is_some();
    let kind = match kind.as_str() {
        "local" => OutputKind::Local,
        "tar" => OutputKind::Tar,
        "oci" => OutputKind::Oci,
        // Without a file docker loads the image into its store.
        "docker" if to_file => OutputKind::Docker,
        "cacheonly" => OutputKind::CacheOnly,
        _ if pushes => OutputKind::Registry,
        _ => OutputKind::Image,
    };
    let destination = destination.filter(|path| path != "-" && !path.is_empty()).map(PathBuf::from);
    Output { kind, destination, attributes }
}

impl RunArgs {
    fn options(&self) -> Result<RunOptions> {
        if self.isolation.as_deref() == Some("chroot") {
            let hint = "RUN needs user and mount namespaces, as hull run does; leave out --isolation";
            return Err(anyhow!("--isolation=chroot is not supported")
                .context(Hint(hint.into()))
                .context(Exit(OWN_FAILURE)));
        }
        let bytes = |flag, text: &Option<String>| read_if_given(flag, text.as_deref(), size::parse);
        let hosts = read_all("--add-host", &self.add_host, hosts::parse)?;
        Ok(RunOptions {
            network: self.network.clone().filter(|name| !name.is_empty()),
            add_hosts: hosts.iter().map(ToString::to_string).collect(),
            shm_size: bytes("--shm-size", &self.shm_size)?,
            ulimits: ulimit::last_of_each(read_all("--ulimit", &self.ulimit, ulimit::parse)?),
            cgroup_parent: self.parent.clone(),
            memory: bytes("--memory", &self.memory)?,
            memory_swap: read_if_given(
                "--memory-swap",
                self.memory_swap.as_deref(),
                size::parse_or_unlimited,
            )?,
            cpu_shares: self.cpu_shares,
            cpu_period: self.cpu_period,
            cpu_quota: self.cpu_quota,
            cpuset_cpus: self.cpuset_cpus.clone(),
            cpuset_mems: self.cpuset_mems.clone(),
            security_opt: self.security_opt.clone(),
        })
    }

    fn secrets(&self) -> Result<BTreeMap<String, Secret>> {
        let parsed = read_all("--secret", &self.secret, secret::parse)?;
        parsed.into_iter().map(|one| Ok((one.id.clone(), found(one)?))).collect()
    }

    fn agents(&self) -> Result<BTreeMap<String, Vec<PathBuf>>> {
        let mut agents: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for (id, paths) in read_all("--ssh", &self.ssh, ssh::parse)? {
            let mut paths: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).collect();
            if paths.is_empty() {
                let agent = environment::variable("SSH_AUTH_SOCK").filter(|path| !path.is_empty());
                let agent = agent.ok_or_else(|| {
                    anyhow!("invalid empty ssh agent socket: $SSH_AUTH_SOCK is not set").context(Hint(
                        "start an agent (eval $(ssh-agent); ssh-add), or name a key: --ssh default=FILE"
                            .into(),
                    ))
                });
                paths.push(agent?.into());
            }
            agents.entry(id).or_default().extend(paths);
        }
        Ok(agents)
    }

    fn allowed(&self) -> Result<Vec<String>> {
        let known = |text: &str| match text {
            "network.host" | "security.insecure" => Ok(text.to_owned()),
            _ => Err("it is network.host or security.insecure".to_owned()),
        };
        read_all("--allow", &self.allow, known)
    }
}

/// Where the secret is. Its file is opened when a step needs it, and is looked at here, before the build begins.
fn found(secret: secret::Secret) -> Result<Secret> {
    let id = secret.id;
    let path = match secret.source {
        secret::Source::Variable(name) => return of_variable(&id, &name),
        secret::Source::ByName if environment::variable(&id).is_some() => return of_variable(&id, &id),
        secret::Source::ByName => PathBuf::from(&id),
        secret::Source::File(path) => PathBuf::from(path),
    };
    let metadata = std::fs::metadata(&path)
        .with_context(|| format!("cannot read the secret {id:?} from {}", path.display()))?;
    match metadata.len() > MAX_SECRET {
        true => bail!("secret {id} too big. max size {MAX_SECRET}"),
        false => Ok(Secret::File(path)),
    }
}

fn of_variable(id: &str, name: &str) -> Result<Secret> {
    let value = environment::variable(name)
        .ok_or_else(|| anyhow!("the variable {name} of the secret {id:?} is not set"))?;
    Ok(Secret::Value(value.into_bytes()))
}

impl CompatibleArgs {
    fn check(&self) -> Result<()> {
        let refused = |sentence: &str, hint: &str| {
            Err(anyhow!("{sentence}").context(Hint(hint.into())).context(Exit(OWN_FAILURE)))
        };
        if let Some(name) = self.builder.as_deref().filter(|name| !is_own(name)) {
            return refused(&no_builder(name), "leave out --builder: hull builds by itself");
        }
        let is_off = |value: &str| matches!(value, "false" | "0" | "disabled=true" | "disabled=1");
        let attested = self.attest.iter().any(|one| !one.split(',').any(|field| field == "disabled=true"));
        let provenance = self.provenance.as_deref().is_some_and(|value| !is_off(value));
        if attested || provenance || self.sbom.as_deref().is_some_and(|value| !is_off(value)) {
            return refused(
                "attestation is not supported for the hull driver",
                "--provenance=false and --sbom=false leave it out, as docker's own driver does",
            );
        }
        if self.layers == Some(false) {
            return refused(
                "--layers=false is not supported",
                "a last stage with COPY --from makes one layer of many",
            );
        }
        if self.skip_unused_stages == Some(false) {
            return refused("--skip-unused-stages=false is not supported", "--target builds another stage");
        }
        Ok(())
    }
}

/// Whether a builder of this name is hull's own.
pub fn is_own(name: &str) -> bool {
    name.is_empty() || name == "default"
}

pub fn no_builder(name: &str) -> String {
    format!("no builder {name:?} found")
}
