//! docker's requests, checked and turned into the engine's options.
//!
//! A request holds texts as docker's clients send them, whether a command line or JSON has filled it in. What hull does not
//! have is refused here by the name of its key: nothing in a request is ignored.
//!
//! ```text
//! container   POST /containers/create → CreateOptions     host        of it, HostConfig
//! mounts      Binds, Volumes, Mounts, Tmpfs               networks    NetworkMode, NetworkingConfig, PortBindings
//! exec        POST /containers/ID/exec → ExecOptions      objects     networks and volumes
//! health      Healthcheck                                 userns      UsernsMode, IDMappings
//! resources   limits, of create and update                update      POST /containers/ID/update
//! ```

mod container;
mod exec;
mod health;
mod host;
mod mounts;
mod networks;
mod objects;
mod resources;
mod update;
mod userns;

pub(crate) use networks::exposed_ports;
pub(crate) use update::{asked, updated};

use crate::error::{Error, Result};

/// An error in the value of `what`.
fn invalid(what: impl Into<String>, why: impl Into<String>) -> Error {
    Error::Invalid { what: what.into(), why: why.into() }
}

/// docker's empty text, which means that nothing was set.
fn non_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// A number that is not below zero; 0 means that nothing was set.
fn positive(key: &str, number: i64) -> Result<Option<u64>> {
    match u64::try_from(number) {
        Ok(0) => Ok(None),
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(invalid(key, format!("{number} is below zero"))),
    }
}

/// Refuses a text that would begin another line of the container's /etc/hosts, /etc/hostname or /etc/resolv.conf.
fn on_one_line<'a>(key: &str, texts: impl IntoIterator<Item = &'a String>) -> Result<()> {
    match texts.into_iter().find(|text| text.contains(char::is_control)) {
        Some(text) => Err(invalid(key, format!("{text:?} contains a control character"))),
        None => Ok(()),
    }
}

/// Refuses a key that a request has set and hull does not have.
fn refuse(keys: &[(bool, &str)]) -> Result<()> {
    match keys.iter().find(|(is_set, _)| *is_set) {
        Some((_, key)) => Err(Error::Unsupported(format!("{key}: hull does not have this option"))),
        None => Ok(()),
    }
}
