//! `--link`: docker's names from before there were any on networks. Lines in /etc/hosts, written when a container starts.

use std::fmt::Write;

use super::endpoint::{Endpoint, endpoints};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::record::Record;

/// A line for each container that `record` is linked to: they run, and are on one of its networks.
pub(crate) fn linked(engine: &Engine, record: &Record, own: &[Endpoint]) -> Result<String> {
    let mut text = String::new();
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
