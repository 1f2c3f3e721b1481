//! API versions: the first segment of a path may name the one that the client speaks.

use crate::failure::{Failure, Result};

/// A version of the Engine API. Its major number has always been 1, so only the minor number is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion(pub u16);

impl ApiVersion {
    /// The version of a path that names none.
    pub const NEWEST: Self = Self(51);
    pub const OLDEST: Self = Self(24);

    /// Splits the version off a path: `/v1.41/info` is `/info` in version 1.41.
    pub fn split(path: &str) -> Result<(Self, &str)> {
        let Some((version, rest)) = path.strip_prefix("/v").and_then(|path| path.split_once('/')) else {
            return Ok((Self::NEWEST, path));
        };
        let is_version = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if version.is_empty() || !is_version(version) {
            return Ok((Self::NEWEST, path));
        }
        let path = &path[path.len() - rest.len() - 1..];
        Ok((Self::supported(version)?, path))
    }

    fn supported(text: &str) -> Result<Self> {
        let minor = match text.split_once('.') {
            Some(("1", minor)) => minor.parse().unwrap_or(u16::MAX),
            Some(("0", _)) => 0,
            _ => u16::MAX,
        };
        if Self(minor) < Self::OLDEST {
            return Err(Failure::invalid(format!(
                "client version {text} is too old. Minimum supported API version is {}, please upgrade your client to a \
                 newer version",
                Self::OLDEST
            )));
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
        let split = |path| ApiVersion::split(path).unwrap();
        assert_eq!(split("/v1.41/containers/json"), (ApiVersion(41), "/containers/json"));
        assert_eq!(split("/volumes"), (ApiVersion::NEWEST, "/volumes"));
        assert_eq!(split("/v1.41"), (ApiVersion::NEWEST, "/v1.41"));
        assert_eq!(split("/vx/y"), (ApiVersion::NEWEST, "/vx/y"));
        for (path, expected) in
            [("/v1.23/info", "too old"), ("/v1.52/info", "too new"), ("/v2.0/info", "too new")]
        {
            assert!(ApiVersion::split(path).unwrap_err().message.contains(expected), "{path}");
        }
    }
}
