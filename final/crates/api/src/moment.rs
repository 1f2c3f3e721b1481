//! Times in queries: seconds since 1970, with a fraction.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::failure::{Failure, Result};
use crate::http::Query;

/// The time that a parameter names, if it does. dockerd takes a text that is not a number for a failure of the server.
pub fn of(query: &Query, name: &str) -> Result<Option<SystemTime>> {
    let failure =
        |part: &str| Failure::new(500, format!("strconv.ParseInt: parsing {part:?}: invalid syntax"));
    query.text(name).map_or(Ok(None), parse).map_err(failure)
}

/// Reads `SECONDS[.FRACTION]`. Of a fraction that is longer than nine digits dockerd takes the first nine. `None` for docker's
/// zero, which is a time that is not given. The error is the part that is not a number.
fn parse(text: &str) -> Result<Option<SystemTime>, &str> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let number: i64 = seconds.parse().map_err(|_| seconds)?;
    // Go reads the whole fraction as a number of 64 bits.
    if fraction.len() > 19 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(fraction);
    }
    let nanoseconds = format!("{fraction:0<9}").get(..9).and_then(|digits| digits.parse().ok());
    let since = Duration::new(u64::try_from(number).unwrap_or(0), nanoseconds.ok_or(fraction)?);
    Ok(Some(since).filter(|since| !since.is_zero()).and_then(|since| UNIX_EPOCH.checked_add(since)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_seconds_with_a_fraction() {
        let nanoseconds =
            |text| parse(text).unwrap().map(|at| at.duration_since(UNIX_EPOCH).unwrap().as_nanos());
        assert_eq!(nanoseconds("1.5"), Some(1_500_000_000));
        assert_eq!(nanoseconds("1700000000.000000001"), Some(1_700_000_000_000_000_001));
        assert_eq!(nanoseconds("5.1700000000000000009"), Some(5_170_000_000));
        assert_eq!((nanoseconds("0"), nanoseconds("-5")), (None, None));
        for wrong in [
            "x",
            "10m",
            "1.x",
            "1.+5",
            "1.99999999999999999999",
            "2020-01-01T00:00:00Z",
            "99999999999999999999",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
