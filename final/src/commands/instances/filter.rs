//! The filters of LXD's list.

use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use ipnet::IpNet;
use regex_lite::Regex;

use super::row::{Row, state};

/// One word of the command line. A container has to fit all of them.
#[derive(Debug)]
pub enum Filter {
    /// The beginning of a name, or a regular expression of the whole name.
    Name {
        beginning: String,
        pattern: Option<Regex>,
    },
    /// A key of the configuration, or the unambiguous beginning of its first part (`u.note`), and its value.
    Key {
        key: String,
        pattern: Regex,
    },
    Status(Vec<String>),
    Type(Vec<String>),
    Architecture(Vec<String>),
    Location(Vec<String>),
    Address {
        is_v6: bool,
        among: Vec<IpNet>,
    },
}

/// The first parts of keys, which may be shortened.
const FAMILIES: [&str; 9] =
    ["boot", "cloud-init", "environment", "image", "limits", "raw", "security", "snapshots", "user"];

impl Filter {
    pub fn parse(text: &str) -> Result<Self> {
        let Some((key, value)) = text.split_once('=') else {
            // A name such as a+ is no expression, but may be the beginning of a name.
            return Ok(Self::Name { beginning: text.into(), pattern: whole(text).ok() });
        };
        let values = || value.split(',').map(str::to_lowercase).collect::<Vec<_>>();
        Ok(match key {
            "status" => Self::Status(values()),
            "type" => Self::Type(values()),
            "architecture" => Self::Architecture(values()),
            "location" => Self::Location(values()),
            "ipv4" | "ipv6" => {
                let among = value.split(',').map(network).collect::<Result<_>>()?;
                Self::Address { is_v6: key == "ipv6", among }
            }
            "" => bail!("invalid filter {text:?}: it names no key"),
            _ => {
                let pattern = whole(value).with_context(|| format!("invalid filter {text:?}"))?;
                Self::Key { key: long(key), pattern }
            }
        })
    }

    pub fn fits(&self, row: &Row<'_>) -> bool {
        let one = row.summary;
        let among = |list: &[String], value: &str| list.iter().any(|other| other == value);
        match self {
            Self::Name { beginning, pattern } => {
                one.name.starts_with(beginning)
                    || pattern.as_ref().is_some_and(|pattern| pattern.is_match(&one.name))
            }
            Self::Key { key, pattern } => row.key(key).is_some_and(|value| pattern.is_match(&value)),
            Self::Status(list) => among(list, &state(one).to_lowercase()),
            Self::Type(list) => among(list, "container"),
            Self::Architecture(list) => among(list, std::env::consts::ARCH),
            Self::Location(list) => among(list, "none"),
            Self::Address { is_v6, among } => one
                .addresses()
                .any(|(_, own)| own.is_ipv6() == *is_v6 && among.iter().any(|net| net.contains(&own))),
        }
    }
}

/// A regular expression that has to match a whole text, unless it has anchors of its own.
fn whole(text: &str) -> Result<Regex, regex_lite::Error> {
    match text.contains(['^', '$']) {
        true => Regex::new(text),
        false => Regex::new(&format!("^(?:{text})$")),
    }
}

fn network(text: &str) -> Result<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let found = text.parse::<IpNet>().ok().or_else(address);
    found.with_context(|| format!("invalid address {text:?}"))
}

/// Completes the shortened first part of a key: `u.note` is `user.note`.
fn long(key: &str) -> String {
    let Some((family, rest)) = key.split_once('.') else { return key.to_owned() };
    let mut known = FAMILIES.iter().filter(|known| known.starts_with(family));
    match (known.next(), known.next()) {
        (Some(known), None) => format!("{known}.{rest}"),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_may_be_shortened_if_one_begins_so() {
        assert_eq!(
            [long("u.note"), long("s.x"), long("sec.privileged"), long("plain")],
            ["user.note".to_owned(), "s.x".into(), "security.privileged".into(), "plain".into()]
        );
    }

    #[test]
    fn wrong_filters_are_refused() {
        for wrong in ["=x", "ipv4=nowhere", "user.x=("] {
            assert!(Filter::parse(wrong).is_err(), "{wrong}");
        }
        assert!(matches!(Filter::parse("a(").unwrap(), Filter::Name { pattern: None, .. }));
    }
}
