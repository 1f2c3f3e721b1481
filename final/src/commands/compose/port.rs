//! `compose port`: where a port of a service is published.

use std::time::SystemTime;

use anyhow::{Result, bail};

use super::Session;
use super::containers::running;
use crate::cli::compose::list::Port;
use crate::cli::values::read;
use crate::ui::output;

pub fn port(session: &Session<'_>, args: &Port) -> Result<u8> {
    let number: u16 =
        read("PORT", &args.port, |text| text.parse().map_err(|_| "it is a number up to 65535".to_owned()))?;
    let protocol = args.protocol.to_ascii_lowercase();
    let name = session.project_name()?;
    let member = running(&session.engine()?, &name, &args.service, args.index)?;
    let ports = member.summary.describe(SystemTime::now()).ports;
    let Some(port) = ports.iter().find(|port| port.private_port == number && port.kind == protocol) else {
        let others: Vec<String> =
            ports.iter().map(|port| format!("{}/{}", port.private_port, port.kind)).collect();
        let others = if others.is_empty() { "it has none".to_owned() } else { others.join(", ") };
        bail!("no port {number}/{protocol} for container {}: {others}", member.summary.name);
    };
    // A port that is only exposed is shown as Compose shows it.
    output::line(format!("{}:{}", port.ip, port.public_port.unwrap_or(0)))?;
    Ok(0)
}
