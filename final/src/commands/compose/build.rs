//! `compose build`, and the builds before containers are made. Each is a `hull build` with what the compose file says.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use hull_build::request::Request;
use hull_compose::convert::{BuildOptions, build_order, build_request};
use hull_compose::progress::Event;
use hull_composefile::model::{Project, SshKey};
use hull_docker::flags::build_call::{Call, Method};
use hull_docker::size;
use hull_engine::Engine;

use super::Session;
use crate::cli::compose::image::Build;
use crate::cli::values::read_if_given;
use crate::commands::{build_call, registry};
use crate::environment;
use crate::ui::build::Kind;

pub fn build(session: &Session<'_>, args: &Build) -> Result<u8> {
    for (flag, value) in [("--provenance", &args.provenance), ("--sbom", &args.sbom)] {
        if value.as_deref().is_some_and(|value| !["", "false", "0", "disabled=true"].contains(&value)) {
            bail!("{flag}: hull makes no attestations: leave it out, or say false");
        }
    }
    let options = BuildOptions {
        args: arguments(&args.build_arg),
        no_cache: args.no_cache,
        pull: args.pull,
        push: args.push,
        memory: read_if_given("--memory", args.memory.as_deref(), size::parse)?.filter(|bytes| *bytes > 0),
        ssh: ssh_keys(args.ssh.as_deref()),
        ..default_options()?
    };
    let project = session.load(&args.services)?.project;
    let names: Vec<&str> = match (args.services.is_empty(), args.with_dependencies) {
        (false, false) => args.services.iter().map(String::as_str).collect(),
        _ => project.services.keys().map(String::as_str).collect(),
    };
    let engine = session.engine()?;
    if args.check {
        return check(&engine, &project, &names, &options);
    }
    let progress = args.progress.as_deref();
    build_services(session, &engine, &project, &names, &options, progress, args.quiet)?;
    Ok(0)
}

/// What every build is asked for.
pub fn default_options() -> Result<BuildOptions> {
    Ok(BuildOptions {
        ssh_agent: environment::variable("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(Into::into),
        proxies: environment::proxies(),
        registry: registry::options(&Default::default(), None)?,
        ..BuildOptions::default()
    })
}

/// Builds the images of services that have something to build, each after those that it is built from.
pub fn build_services(
    session: &Session<'_>,
    engine: &Engine,
    project: &Project,
    names: &[&str],
    options: &BuildOptions,
    progress: Option<&str>,
    quiet: bool,
) -> Result<()> {
    // Everything is validated before the first build begins.
    let requests = requests(project, names, options)?;
    let kind = kind(session, progress, quiet)?;
    let mut built = Vec::new();
    for (name, request) in requests {
        if !session.args.dry_run {
            crate::commands::build::make(engine, &request, kind, None)?;
        }
        built.push(name);
    }
    if !quiet && !built.is_empty() {
        session.show("Building", |progress| {
            built.into_iter().for_each(|name| progress.event(Event::done(name, "Built")));
            Ok(())
        })?;
    }
    Ok(())
}

fn requests<'a>(
    project: &'a Project,
    names: &[&'a str],
    options: &BuildOptions,
) -> Result<Vec<(&'a str, Request)>> {
    let mut requests = Vec::new();
    for name in build_order(project, names)? {
        let service = project.services.get(name).or_else(|| project.disabled_services.get(name));
        let Some(service) = service else { bail!("no such service: {name}") };
        if let Some(request) = build_request(project, service, options)? {
            requests.push((name, request));
        }
    }
    Ok(requests)
}

/// How a build is shown. Compose's words for it are those of `hull build`, but for `json`.
fn kind(session: &Session<'_>, progress: Option<&str>, quiet: bool) -> Result<Kind> {
    let given =
        progress.or(session.args.progress.as_deref()).or_else(|| session.variable("COMPOSE_PROGRESS"));
    Kind::choose(
        match given {
            Some("json") => Some("rawjson"),
            Some("none") => Some("quiet"),
            Some("") => None,
            given => given,
        },
        quiet,
    )
}

fn check(engine: &Engine, project: &Project, names: &[&str], options: &BuildOptions) -> Result<u8> {
    let call = Call { method: Method::Check, ..Call::default() };
    let mut code = 0;
    for (_, request) in requests(project, names, options)? {
        code = build_call::call(engine, &request, call)?.max(code);
    }
    Ok(code)
}

/// `KEY=VALUE`, or `KEY` for the value of the environment.
fn arguments(entries: &[String]) -> BTreeMap<String, Option<String>> {
    let pair = |entry: &String| match entry.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (entry.clone(), None),
    };
    entries.iter().map(pair).collect()
}

/// `default`, or `ID=PATH` of a socket or key.
fn ssh_keys(text: Option<&str>) -> Vec<SshKey> {
    let key = |text: &str| {
        let (id, path) = text.split_once('=').unwrap_or((text, ""));
        SshKey { id: id.to_owned(), path: path.to_owned() }
    };
    text.filter(|text| !text.is_empty()).map(key).into_iter().collect()
}
