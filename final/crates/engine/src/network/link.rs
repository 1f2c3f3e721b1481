//! `--link`: docker's names from before there were any on networks.
//!
//! On the default network they are lines in /etc/hosts, written when a container starts, and the other container has to
//! run. On a user's network a link is one more name that the container's own resolver knows, for whoever has the other
//! name when it is asked for.

use std::fmt::Write;

use super::endpoint::{Endpoint, endpoints};
use super::record::DEFAULT;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::options::{CreateOptions, NetworkMode};
use crate::record::Record;

/// Whether this container's links are of the default network's kind.
pub(crate) fn in_hosts(options: &CreateOptions) -> bool {
    let on_users_network = options.networks.iter().any(|option| option.network != DEFAULT);
    options.network != NetworkMode::Networks || !on_users_network
}

/// A line for each container that `record` is linked to: they run, and are on one of its networks.
pub(crate) fn linked(engine: &Engine, record: &Record, own: &[Endpoint]) -> Result<String> {
    let mut text = String::new();
    if !in_hosts(&record.options) {
        return Ok(text);
    }
    for (id, alias) in &record.options.links {
        let other = engine.find(id)?;
        let theirs = endpoints(engine, id)?;
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
