//! `--pid`, `--ipc`, `--uts` and `--cgroupns`: the namespace that a container is in
//! (<https://docs.docker.com/reference/cli/docker/container/run/#pid>).

use std::fmt;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Mode {
    /// A new namespace.
    #[default]
    Private,
    Host,
    /// The namespace of another container, which is given by name or id.
    Container(String),
}

/// `private`, `host` or `container:NAME`; empty is private.
pub fn parse(text: &str) -> Result<Mode, String> {
    match text.split_once(':').unwrap_or((text, "")) {
        ("private" | "", "") => Ok(Mode::Private),
        ("host", "") => Ok(Mode::Host),
        ("container", name) if !name.is_empty() => Ok(Mode::Container(name.to_owned())),
        _ => Err(format!("{text:?} is no namespace: expected private, host or container:NAME")),
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private => f.write_str("private"),
            Self::Host => f.write_str("host"),
            Self::Container(name) => write!(f, "container:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_namespace_is_own_or_anothers() {
        assert_eq!(parse("host"), Ok(Mode::Host));
        assert_eq!(parse("container:db"), Ok(Mode::Container("db".into())));
        for wrong in ["container:", "x", "host:x", "shareable"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(text in "private|host|container:[a-z0-9_.:-]{1,12}") {
            prop_assert_eq!(parse(&text).unwrap().to_string(), text);
        }
    }
}
