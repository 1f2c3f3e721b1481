//! `--link`: docker's older way to give another container a name.
//!
//! On the default network a link is a line in /etc/hosts, written when the container starts, and environment variables with
//! the other container's ports and environment. The other container has to run. On a network that a user has created, a
//! link is an alias in the container's own resolver, which resolves the other container's name for each query.

use std::fmt::Write;
use std::net::IpAddr;

use hull_network::ports::{Port, Transport};
use hull_storage::root::Root;

use super::endpoint::{Endpoint, endpoints};
use super::record::DEFAULT;
use crate::error::{Error, Result};
use crate::records::options::{CreateOptions, NetworkMode, NetworkOption};
use crate::records::record::Record;

/// Whether the container's links are lines in its /etc/hosts, which they are on the default network.
pub(crate) fn links_are_in_hosts(options: &CreateOptions) -> bool {
    are_in_hosts(&options.network, &options.networks)
}

pub(super) fn are_in_hosts(mode: &NetworkMode, networks: &[NetworkOption]) -> bool {
    let on_custom_network = networks.iter().any(|option| option.network != DEFAULT);
    *mode != NetworkMode::Networks || !on_custom_network
}

/// The lines of /etc/hosts for the containers that `record` is linked to. Each has to run on one of its networks.
pub(crate) fn hosts_lines(root: &Root, record: &Record, own: &[Endpoint]) -> Result<String> {
    let mut text = String::new();
    if !links_are_in_hosts(&record.options) {
        return Ok(text);
    }
    for (id, alias) in &record.options.links {
        let other = Record::load(root, id)?;
        let theirs = endpoints(root, id)?;
        let shared = |endpoint: &&Endpoint| own.iter().any(|own| own.network.id == endpoint.network.id);
        let Some(endpoint) = theirs.iter().find(shared) else {
            return Err(Error::Invalid {
                what: format!("--link {}", other.name),
                why: "it does not run on one of this container's networks".into(),
            });
        };
        for address in &endpoint.addresses {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{address}\t{alias} {} {}", other.short_id(), other.name);
        }
    }
    Ok(text)
}

/// The environment variables of `record` for each container that it is linked to and that runs, as in docker's documentation
/// of legacy container links.
pub(crate) fn variables(root: &Root, record: &Record) -> Result<Vec<String>> {
    let mut variables = Vec::new();
    if record.options.links.is_empty() || !links_are_in_hosts(&record.options) {
        return Ok(variables);
    }
    let own = endpoints(root, &record.id)?;
    for (id, alias) in &record.options.links {
        // The linked container may have been removed since this one started.
        let Ok(other) = Record::load(root, id) else { continue };
        let theirs = endpoints(root, id)?;
        let shared = |endpoint: &&Endpoint| own.iter().any(|own| own.network.id == endpoint.network.id);
        let address = theirs.iter().find(shared).and_then(|endpoint| endpoint.addresses.first());
        if let Some(address) = address {
            describe(&mut variables, (&record.name, alias), &other, *address);
        }
    }
    Ok(variables)
}

/// Adds the variables for the container `other`, which the container `name` calls `alias`.
fn describe(variables: &mut Vec<String>, (name, alias): (&str, &str), other: &Record, ip: IpAddr) {
    let prefix = alias.to_uppercase().replace('-', "_");
    let url = |port: &Port| {
        let protocol = port.transport.name();
        match ip {
            IpAddr::V4(_) => format!("{protocol}://{ip}:{}", port.number),
            IpAddr::V6(_) => format!("{protocol}://[{ip}]:{}", port.number),
        }
    };
    let mut ports = other.exposed.clone();
    ports.sort_by_key(|port| (port.number, port.transport != Transport::Tcp));
    if let Some(first) = ports.first() {
        variables.push(format!("{prefix}_PORT={}", url(first)));
    }
    for port in &ports {
        let protocol = port.transport.name();
        let one = format!("{prefix}_PORT_{}_{}", port.number, protocol.to_uppercase());
        variables.push(format!("{one}={}", url(port)));
        variables.push(format!("{one}_ADDR={ip}"));
        variables.push(format!("{one}_PORT={}", port.number));
        variables.push(format!("{one}_PROTO={protocol}"));
    }
    variables.push(format!("{prefix}_NAME=/{name}/{alias}"));
    // Variables that each container has for itself are left out.
    let passed_on = |entry: &&String| !matches!(entry.split_once('='), None | Some(("HOME" | "PATH", _)));
    variables.extend(other.process.env.iter().filter(passed_on).map(|entry| format!("{prefix}_ENV_{entry}")));
}
