//! Points in time as docker writes them: RFC 3339, UTC, nanoseconds.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// 9999-12-31T23:59:59Z, in seconds since 1970.
const LAST: u64 = 253_402_300_799;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub SystemTime);

impl Timestamp {
    pub fn now() -> Self {
        Self(SystemTime::now())
    }

    /// The moment that is later by LXD's numbers and units. `None` if there are none.
    pub fn after(self, expiry: &[(u64, char)]) -> Option<Self> {
        // What is later than any time that can be written is never.
        Self::at(hull_lxd::calendar::expires(self.seconds(), expiry)?)
    }

    /// Seconds since 1970 as a point in time. `None` before 1970 and after the year 9999, the last one of RFC 3339.
    pub fn at(seconds: i64) -> Option<Self> {
        let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds <= LAST)?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).map(Self)
    }

    /// The seconds since 1970.
    pub(crate) fn seconds(self) -> i64 {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        humantime::format_rfc3339_nanos(self.0).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_cannot_be_written_is_never() {
        assert_eq!(Timestamp::at(253_402_300_799).unwrap().to_string(), "9999-12-31T23:59:59.000000000Z");
        assert_eq!(Timestamp::at(253_402_300_800), None);
        assert_eq!(Timestamp::at(-1), None);
        assert_eq!(Timestamp::now().after(&[(8000, 'y')]), None);
        assert!(Timestamp::now().after(&[(1, 'y')]).is_some());
    }
}
