//! API versions: the first segment of a path may name the one that the client speaks.

use crate::failure::{Failure, Result};

/// A version of the Engine API. Its major number has always been 1, so only the minor number is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion(pub u16);

impl ApiVersion {
    /// The version of a path that names none.
    pub const NEWEST: Self = Self(hull_docker::version::NEWEST_API);
    pub const OLDEST: Self = Self(hull_docker::version::OLDEST_API);

    /// Splits the version off a path: `/v1.41/info` is `/info` in version 1.41.
    pub fn split(path: &str) -> (Option<&str>, &str) {
        let Some((version, rest)) = path.strip_prefix("/v").and_then(|path| path.split_once('/')) else {
            return (None, path);
        };
        let is_version = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        match !version.is_empty() && is_version(version) {
            true => (Some(version), &path[path.len() - rest.len() - 1..]),
            false => (None, path),
        }
    }

    /// The version, if this server speaks it. docker ignores what follows the minor number.
    pub fn parse(text: &str) -> Result<Self> {
        let mut numbers = text.split('.').map(|number| number.parse::<u16>().unwrap_or(u16::MAX));
        let minor = match (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) {
            (0, _) => 0,
            (1, minor) => minor,
            _ => u16::MAX,
        };
        if Self(minor) < Self::OLDEST {
            let message = format!(
                "client version {text} is too old. Minimum supported API version is {}, please upgrade your client to a \
                 newer version",
                Self::OLDEST
            );
            // A client so old does not read JSON.
            return Err(Failure { is_text: true, ..Failure::invalid(message) });
        }
        if Self(minor) > Self::NEWEST {
            return Err(Failure::invalid(format!(
                "client version {text} is too new. Maximum supported API version is {}",
                Self::NEWEST
            )));
        }
        Ok(Self(minor))
    }
}

impl std::fmt::Display for ApiVersion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "1.{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_name_its_version() {
        for (path, version, rest) in [
            ("/v1.41/containers/json", Some("1.41"), "/containers/json"),
            ("/volumes", None, "/volumes"),
            ("/v1.41", None, "/v1.41"),
            ("/vx/y", None, "/vx/y"),
            ("/v1.41/", Some("1.41"), "/"),
        ] {
            assert_eq!(ApiVersion::split(path), (version, rest));
        }
    }

    #[test]
    fn versions_have_bounds() {
        for (text, minor) in [("1.24", 24), ("1.51", 51), ("1.041", 41), ("1.41.2", 41)] {
            assert_eq!(ApiVersion::parse(text), Ok(ApiVersion(minor)), "{text}");
        }
        for (text, expected) in [
            ("1.23", "too old"),
            ("0.9", "too old"),
            ("1", "too old"),
            ("1.52", "too new"),
            ("2.0", "too new"),
        ] {
            assert!(ApiVersion::parse(text).unwrap_err().message.contains(expected), "{text}");
        }
    }
}
