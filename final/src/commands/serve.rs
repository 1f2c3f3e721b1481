//! `serve`: docker's API on sockets.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use hull_api::{Address, Api, Failure, Listener, Log, Server, ServerError};
use hull_docker::wire::container::CreateRequest;
use hull_engine::{Engine, rootless};
use hull_sys::process;

use super::{comeback, daemon, info, notify, registry};
use crate::cli::serve::Serve;
use crate::environment;
use crate::ui::errors::Hint;

/// Where docker's clients look.
const DEFAULT_SOCKET: &str = "/run/docker.sock";

/// The group that may use docker's socket, where it exists.
const DEFAULT_GROUP: &str = "docker";

pub fn serve(engine: Engine, args: &Serve) -> Result<u8> {
    let addresses = addresses(&engine, args)?;
    let group = group(args)?;
    let mut listeners = Vec::new();
    for address in &addresses {
        match address {
            Address::Unix(path) => listeners.push(Listener::unix(path, group).map_err(with_hint)?),
            Address::Tcp(_) => return Err(with_hint(ServerError::NoTls)),
            Address::Inherited(name) => {
                for (socket, name) in inherited(name.as_deref())? {
                    listeners.push(Listener::inherited(socket, &name).map_err(with_hint)?);
                }
            }
        }
    }
    let log = args.log.then(std::io::stderr).map(|stderr| stderr.as_fd().try_clone_to_owned());
    let log = log.transpose().context("cannot duplicate standard error")?.map(Log);
    let api = Api {
        engine,
        registry: registry::default_options(daemon::read()?),
        proxies: environment::proxies(),
        complete_request,
        after_request: comeback::start_pending_of,
        complete_info: info::complete,
    };
    notify::ready();
    Server { api, listeners, idle: args.idle, log }.run().context("cannot serve")?;
    Ok(0)
}

/// The administrator's settings for a container, which docker's daemon has too.
fn complete_request(request: &mut CreateRequest) -> Result<(), Failure> {
    let completed = daemon::read().and_then(|daemon| daemon.apply(request));
    completed.map_err(|error| Failure::new(500, format!("{error:#}")))
}

fn addresses(engine: &Engine, args: &Serve) -> Result<Vec<Address>> {
    if args.hosts.is_empty() {
        return Ok(vec![Address::Unix(default_socket(engine))]);
    }
    let parsed = |host: &String| Address::parse(host).map_err(|why| anyhow!("invalid host {host:?}: {why}"));
    args.hosts.iter().map(parsed).collect()
}

/// An unprivileged user's socket is where docker's rootless mode has it.
fn default_socket(engine: &Engine) -> PathBuf {
    let directory = environment::paths().runtime_dir;
    match rootless::has_entered() {
        false => DEFAULT_SOCKET.into(),
        true => directory.as_deref().unwrap_or(engine.root().run()).join("docker.sock"),
    }
}

/// The sockets that systemd has passed, or those of them with this name. Each can be taken once.
fn inherited(name: Option<&str>) -> Result<Vec<(OwnedFd, String)>> {
    let passed = environment::listen_fds();
    let wanted = passed.into_iter().filter(|(_, own)| name.is_none_or(|name| name == own));
    let taken = wanted.map(|(number, name)| {
        let socket = process::take_inherited_fd(number);
        Ok((
            socket.with_context(|| format!("the socket {name} was not passed as descriptor {number}"))?,
            name,
        ))
    });
    let taken = taken.collect::<Result<Vec<_>>>()?;
    if taken.is_empty() {
        let which = name.map_or_else(|| "no socket".to_owned(), |name| format!("no socket {name}"));
        let error = anyhow!("{which} was passed to this process");
        return Err(
            error.context(Hint("fd:// is for a unit of systemd: see hull serve --print-units".into()))
        );
    }
    Ok(taken)
}

fn with_hint(error: ServerError) -> anyhow::Error {
    let hint = match &error {
        ServerError::InUse { .. } => Some("end it first, or choose another socket with --host unix:///PATH"),
        ServerError::NotASocket { .. } => Some("choose another path with --host unix:///PATH"),
        _ => None,
    };
    let error = anyhow::Error::from(error);
    match hint {
        Some(hint) => error.context(Hint(hint.into())),
        None => error,
    }
}

/// The id of the group that may use a unix socket.
fn group(args: &Serve) -> Result<Option<u32>> {
    match args.group.as_deref() {
        Some("") => Ok(None),
        Some(group) => match group.parse().ok().or_else(|| group_id(group)) {
            Some(id) => Ok(Some(id)),
            None => bail!("there is no group {group}"),
        },
        // An unprivileged user's containers are no other user's.
        None if rootless::has_entered() => Ok(None),
        None => Ok(Some(group_id(DEFAULT_GROUP).unwrap_or(0))),
    }
}

fn group_id(name: &str) -> Option<u32> {
    let text = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let mut groups = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = groups.find(|fields| fields.first() == Some(&name))?;
    found.get(2)?.parse().ok()
}
