//! `port`: the host's ports that are forwarded to a container.

use anyhow::{Result, bail};
use hull_docker::flags::port::parse_exposed;
use hull_engine::Engine;
use hull_network::Error;

use crate::cli::container::Port;
use crate::ui::output;

pub fn port(engine: &Engine, args: &Port) -> Result<u8> {
    let published = engine.published_ports(&args.name)?;
    let Some(text) = &args.port else {
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
        bail!("no public port {text} published for {}", args.name);
    }
    found.iter().try_for_each(|port| output::line(port.host))?;
    Ok(0)
}
