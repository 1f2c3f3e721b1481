//! `--ipc` (<https://docs.docker.com/reference/cli/docker/container/run/#ipc>): which System V objects, message queues and
//! /dev/shm a container has.

use std::fmt;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Mode {
    /// Its own, and nobody else's.
    #[default]
    Private,
    /// Its own, which other containers may share.
    Shareable,
    /// Its own, without /dev/shm.
    NoMemory,
    Host,
    /// Those of another container, which is given by name or id.
    Container(String),
}

/// Empty is private.
pub fn parse(text: &str) -> Result<Mode, String> {
    match text.split_once(':').unwrap_or((text, "")) {
        ("private" | "", "") => Ok(Mode::Private),
        ("shareable", "") => Ok(Mode::Shareable),
        ("none", "") => Ok(Mode::NoMemory),
        ("host", "") => Ok(Mode::Host),
        ("container", name) if !name.is_empty() => Ok(Mode::Container(name.to_owned())),
        _ => {
            Err(format!("{text:?} is no IPC mode: expected private, shareable, none, host or container:NAME"))
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private => f.write_str("private"),
            Self::Shareable => f.write_str("shareable"),
            Self::NoMemory => f.write_str("none"),
            Self::Host => f.write_str("host"),
            Self::Container(name) => write!(f, "container:{name}"),
        }
    }
}

#[test]
fn what_is_printed_is_read_back() {
    for text in ["private", "shareable", "none", "host", "container:a"] {
        assert_eq!(parse(text).unwrap().to_string(), text);
    }
    assert!(["x", "container:", "host:a"].into_iter().all(|text| parse(text).is_err()));
}
