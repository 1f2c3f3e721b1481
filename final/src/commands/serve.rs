//! `serve`: docker's API on sockets.

use std::io::IsTerminal;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use hull_api::{Address, Api, Failure, Listener, Log, Server, ServerError, Tls};
use hull_docker::wire::container::CreateRequest;
use hull_engine::{Engine, rootless};
use hull_storage::paths::Paths;
use hull_sys::process;
use rustix::net::SocketType;

use super::systemd::api_units;
use super::{comeback, daemon, dial_stdio, info, notify, open, registry};
use crate::cli::Global;
use crate::cli::serve::{Serve, Service};
use crate::environment;
use crate::ui::errors::{self, Hint};
use crate::ui::output;

/// The group that may use docker's socket, where it exists.
const DEFAULT_GROUP: &str = "docker";

pub fn serve(global: &Global, args: &Serve) -> Result<u8> {
    let addresses = addresses(global, args)?;
    if args.env {
        return env(&addresses);
    }
    if let Some(unit) = args.print_units {
        return api_units::print(global, args, unit, own_group(args).as_deref());
    }
    let tls = tls(args)?;
    let engine = open(global)?;
    let group = group(args)?;
    let mut listeners = Vec::new();
    for address in &addresses {
        match address {
            Address::Unix(path) => listeners.push(Listener::unix(path, group).map_err(with_hint)?),
            Address::Tcp(address) => listeners.push(Listener::tcp(*address, tls.clone()).map_err(with_hint)?),
            Address::Inherited(name) => {
                for (socket, name) in inherited(name.as_deref())? {
                    listeners.push(Listener::inherited(socket, &name, tls.as_ref()).map_err(with_hint)?);
                }
            }
        }
    }
    let log = args.log.then(std::io::stderr).map(|stderr| stderr.as_fd().try_clone_to_owned());
    let log = log.transpose().context("cannot duplicate standard error")?.map(Log);
    let api = api(engine)?;
    say_where(&addresses);
    notify::ready();
    Server { api, listeners, idle: args.idle, log }.run().context("cannot serve")?;
    Ok(0)
}

/// `system service`, which is podman's word for it.
pub fn service(global: &Global, args: &Service) -> Result<u8> {
    let host = match &args.host {
        Some(host) => host.clone(),
        None if !environment::listen_fds().is_empty() => "fd://".to_owned(),
        None => {
            let directory = runtime_directory(global).join("podman");
            std::fs::create_dir_all(&directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
            url(&directory.join("podman.sock"))
        }
    };
    let idle = Some(args.time).filter(|time| *time > 0).map(Duration::from_secs);
    serve(global, &Serve { hosts: vec![host], idle, ..Serve::default() })
}

/// `system dial-stdio`, which docker's client runs on the other machine of `DOCKER_HOST=ssh://…`. A connection needs no server
/// that listens: one process serves it. `DOCKER_HOST` on this machine may name a server's socket instead.
pub fn dial_stdio(global: &Global) -> Result<u8> {
    let socket = match environment::variable("DOCKER_HOST").filter(|host| !host.is_empty()) {
        Some(host) => {
            let path = match Address::parse(&host) {
                Ok(Address::Unix(path)) => path,
                _ => {
                    let error = anyhow!("DOCKER_HOST={host} is not a unix socket of this machine");
                    return Err(error.context(without_server()));
                }
            };
            let connected = hull_sys::net::connect(&path, SocketType::STREAM);
            let connected = connected.with_context(|| format!("cannot connect to {}", path.display()));
            connected.map_err(|error| error.context(without_server()))?
        }
        None => dial_stdio::serve(&api(open(global)?)?).context("cannot start a process")?,
    };
    dial_stdio::copy(socket)?;
    Ok(0)
}

fn without_server() -> Hint {
    Hint("unset DOCKER_HOST on this machine: the connection is then served without a server".into())
}

fn api(engine: Engine) -> Result<Api> {
    Ok(Api {
        engine,
        registry: registry::default_options(daemon::read()?),
        complete_request,
        after_request: comeback::start_pending_of,
        complete_info: info::complete,
    })
}

/// The administrator's settings for a container, which docker's daemon has too.
fn complete_request(request: &mut CreateRequest) -> Result<(), Failure> {
    let daemon = daemon::read().map_err(|error| Failure::new(500, format!("{error:#}")))?;
    daemon.apply(request).map_err(|error| Failure::new(400, format!("{error:#}")))
}

fn addresses(global: &Global, args: &Serve) -> Result<Vec<Address>> {
    if args.hosts.is_empty() {
        return Ok(vec![Address::Unix(default_socket(global))]);
    }
    let parsed = |host: &String| Address::parse(host).map_err(|why| anyhow!("invalid host {host:?}: {why}"));
    args.hosts.iter().map(parsed).collect()
}

/// docker's for root, and for an unprivileged user where docker's rootless mode has it.
pub fn default_socket(global: &Global) -> PathBuf {
    runtime_directory(global).join("docker.sock")
}

/// /run, or an unprivileged user's own directory that is like it.
fn runtime_directory(global: &Global) -> PathBuf {
    if hull_storage::root::is_unprivileged() {
        let run = || Paths::choose(global.root.clone(), global.runroot.clone(), environment::paths()).run;
        return environment::paths().runtime_dir.unwrap_or_else(run);
    }
    "/run".into()
}

pub fn url(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}

/// Tells a user at a terminal that the server waits for clients, and how they find it. A unit's log needs no hint.
fn say_where(addresses: &[Address]) {
    let Some(exports) = addresses.first().and_then(exports) else { return };
    if std::io::stderr().is_terminal() {
        errors::note(
            "docker's API is being served until this process ends; containers run on",
            &format!("docker's clients need: export {exports}"),
        );
    }
}

/// What a client's environment needs, as words of a shell. Without `DOCKER_BUILDKIT=0`, Compose builds in a container with BuildKit,
/// whose image it tries to download. `None` for an address that only systemd knows.
fn exports(address: &Address) -> Option<String> {
    let (host, more) = match address {
        Address::Unix(path) => (url(path), ""),
        Address::Tcp(address) => (format!("tcp://{address}"), " DOCKER_TLS_VERIFY=1"),
        Address::Inherited(_) => return None,
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/:._-@%+[]".contains(&byte);
    let quoted = match host.bytes().all(is_plain) {
        true => host,
        false => format!("'{}'", host.replace('\'', r"'\''")),
    };
    Some(format!("DOCKER_HOST={quoted}{more} DOCKER_BUILDKIT=0"))
}

/// Prints a line for a shell's eval.
fn env(addresses: &[Address]) -> Result<u8> {
    let Some(exports) = addresses.first().and_then(exports) else {
        bail!("a client cannot use fd://: name the unit's socket with --host unix:///PATH")
    };
    output::line(format!("export {exports}"))?;
    Ok(0)
}

/// What `tcp://` needs.
fn tls(args: &Serve) -> Result<Option<Tls>> {
    let files = [&args.tlscacert, &args.tlscert, &args.tlskey];
    if files.iter().all(|file| file.is_none()) {
        return Ok(None);
    }
    let [Some(authority), Some(certificate), Some(key)] = files else {
        bail!("TLS needs all of --tlscacert, --tlscert and --tlskey")
    };
    Ok(Some(Tls::new(authority, certificate, key)?))
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
        ServerError::NoTls => Some(
            "give --tlscacert, --tlscert and --tlskey, or let clients come through ssh: DOCKER_HOST=ssh://HOST",
        ),
        ServerError::NoDirectory { .. } => {
            Some("make the directory, or choose another path with --host unix:///PATH")
        }
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
    // An unprivileged user's containers are no other user's.
    if args.group.is_none() && rootless::has_entered() {
        return Ok(None);
    }
    let Some(group) = own_group(args) else { return Ok(None) };
    match group.parse().ok().or_else(|| group_id(&group)) {
        Some(id) => Ok(Some(id)),
        None => {
            let hint = Hint(format!(
                "groupadd {group} makes it; without --group, it is {DEFAULT_GROUP}, or else root"
            ));
            Err(anyhow!("there is no group {group}").context(hint))
        }
    }
}

/// The group that is named, or else docker's if there is one. No group if the name is empty.
fn own_group(args: &Serve) -> Option<String> {
    match args.group.as_deref() {
        Some("") => None,
        Some(group) => Some(group.to_owned()),
        None => Some(group_id(DEFAULT_GROUP).map_or("root", |_| DEFAULT_GROUP).to_owned()),
    }
}

fn group_id(name: &str) -> Option<u32> {
    let text = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let mut groups = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = groups.find(|fields| fields.first() == Some(&name))?;
    found.get(2)?.parse().ok()
}
