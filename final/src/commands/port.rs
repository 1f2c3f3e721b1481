//! `port`: the host's ports that are forwarded to a container.

use anyhow::{Result, bail};
use hull_docker::flags::port::parse_exposed;
use hull_engine::Engine;
use hull_network::Error;

use super::selection;
use crate::cli::container::Port;
use crate::ui::{human, output};

pub fn port(engine: &Engine, args: &Port) -> Result<u8> {
    if args.all {
        return all(engine);
    }
    // With --latest, the first word is the port.
    let (name, port) = match &args.name {
        Some(name) if !args.latest => (name.clone(), args.port.as_ref()),
        port => (selection::latest(engine)?, port.as_ref()),
    };
    let published = engine.published_ports(&name)?;
    let Some(text) = port else {
        for port in published {
            output::line(format!("{} -> {}", port.container, port.host))?;
        }
        return Ok(0);
    };
    let wanted = parse_exposed(text).map_err(|why| Error::InvalidPort { text: text.clone(), why })?;
    let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    let found: Vec<_> =
        published.iter().filter(|port| wanted.contains(&port.container.to_string())).collect();
    if found.is_empty() {
        bail!("no public port {text} published for {name}");
    }
    found.iter().try_for_each(|port| output::line(port.host))?;
    Ok(0)
}

/// podman's list: each line with the container's short id.
fn all(engine: &Engine) -> Result<u8> {
    for one in engine.list()?.iter().filter(|one| one.status.is_active()) {
        for port in engine.published_ports(&one.id)? {
            output::line(format!("{}\t{} -> {}", human::short_id(&one.id), port.container, port.host))?;
        }
    }
    Ok(0)
}
