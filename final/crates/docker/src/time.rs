//! `--since`, `--until` and `--stop-timeout`, and times and durations as docker's tables show them
//! (<https://docs.docker.com/reference/cli/docker/container/logs/#since>).

use std::time::{Duration, SystemTime};

/// A point in time: a date, seconds since 1970, or how long before `now`; with a minus how long after it.
pub fn parse(text: &str, now: SystemTime) -> Result<SystemTime, String> {
    if let Ok(time) = humantime::parse_rfc3339_weak(text) {
        return Ok(time);
    }
    if let Ok(time) = humantime::parse_rfc3339_weak(&format!("{text}T00:00:00Z")) {
        return Ok(time);
    }
    if let Some(time) = seconds(text).and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since)) {
        return Ok(time);
    }
    let time = match text.strip_prefix('-') {
        Some(ahead) => parse_duration(ahead).ok().and_then(|ahead| now.checked_add(ahead)),
        None => parse_duration(text).ok().and_then(|ago| now.checked_sub(ago)),
    };
    time.ok_or_else(|| {
        format!("{text:?} is not a time: expected 2026-01-02T13:04:05Z, seconds since 1970, or 42m")
    })
}

/// Seconds with up to nine decimals, exactly: an `f64` has no room for the nanoseconds of today.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(Duration::new(whole.parse().ok()?, nanoseconds))
}

/// The text that [`parse`] reads as this instant.
pub fn print(time: SystemTime) -> String {
    humantime::format_rfc3339_nanos(time).to_string()
}

/// A time as Go writes it into JSON (`time.RFC3339Nano`): without zeros at the end of the fraction.
pub fn go_json(time: SystemTime) -> String {
    let text = print(time);
    let text = text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
    format!("{text}Z")
}

/// Go's durations, `1h30m` and `1.5s`, and those of humantime, which has days too: `2days 4h`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("{text:?} is not a duration: expected something like 10s or 1h30m");
    go_duration(text).map_or_else(|| humantime::parse_duration(text).map_err(|_| invalid()), Ok)
}

/// `time.ParseDuration`'s syntax, without a sign.
fn go_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("μs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut sum) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let part = match number.parse::<u32>() {
            // Integers are parsed exactly.
            Ok(whole) => Duration::from_nanos((seconds * 1e9) as u64).checked_mul(whole)?,
            Err(_) => Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?,
        };
        sum = sum.checked_add(part)?;
        rest = next;
    }
    (!text.is_empty()).then_some(sum)
}

/// A duration as Go prints it: `1m30s`, `1.5s`, `200ms`.
pub fn print_duration(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let fraction = |unit: u128| {
        let digits = format!("{:0width$}", nanoseconds % unit, width = unit.ilog10() as usize);
        let digits = digits.trim_end_matches('0').to_owned();
        if digits.is_empty() { digits } else { format!(".{digits}") }
    };
    match nanoseconds {
        0 => "0s".into(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => format!("{}{}µs", nanoseconds / 1_000, fraction(1_000)),
        1_000_000..1_000_000_000 => format!("{}{}ms", nanoseconds / 1_000_000, fraction(1_000_000)),
        _ => {
            let seconds = duration.as_secs();
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let rest = format!("{}{}s", seconds % 60, fraction(1_000_000_000));
            match (hours, minutes) {
                (0, 0) => rest,
                (0, minutes) => format!("{minutes}m{rest}"),
                (hours, minutes) => format!("{hours}h{minutes}m{rest}"),
            }
        }
    }
}

/// Seconds; docker's -1 means without limit.
pub fn stop_timeout(text: &str) -> Result<i64, String> {
    match text {
        "-1" => Ok(-1),
        _ => text.parse::<u32>().map(i64::from).map_err(|_| format!("{text:?} is not a number of seconds")),
    }
}

/// The number of lines to show from the end of a log; `None` means all.
pub fn tail(text: &str) -> Result<Option<usize>, String> {
    match text {
        "all" | "-1" => Ok(None),
        _ => text.parse().map(Some).map_err(|_| format!("{text:?} is not a number of lines")),
    }
}

/// `About a minute`, `3 hours`.
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours) = (seconds / 60, (seconds as f64 / 3600.0).round() as u64);
    match () {
        () if seconds < 1 => "Less than a second".into(),
        () if seconds == 1 => "1 second".into(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".into(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".into(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 14 => format!("{} days", hours / 24),
        () if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", hours / 24 / 365),
    }
}

/// The duration from `time` to `now`. It is zero if the clock was set back.
pub fn human_since(time: SystemTime, now: SystemTime) -> String {
    human(now.duration_since(time).unwrap_or_default())
}

/// A time in Go's format: `2026-01-02 13:04:05 +0000 UTC`.
pub fn go(time: SystemTime) -> String {
    go_of_text(&humantime::format_rfc3339_seconds(time).to_string())
}

/// A time of RFC 3339 in UTC in Go's format, with its fraction of a second.
pub fn go_of_text(text: &str) -> String {
    format!("{} +0000 UTC", text.trim_end_matches('Z').replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_of_json_has_no_zeros_at_its_end() {
        let at = |seconds, nanoseconds| go_json(SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds));
        assert_eq!(at(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(at(10, 120_000_000), "1970-01-01T00:00:10.12Z");
        assert_eq!(at(0, 1), "1970-01-01T00:00:00.000000001Z");
    }

    #[test]
    fn a_time_is_a_date_or_a_distance() {
        let (epoch, now) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_secs(10_000));
        for (text, time) in [
            ("0", epoch),
            ("1970-01-01", epoch),
            ("1970-01-01T00:00:01Z", epoch + Duration::from_secs(1)),
            ("1.5", epoch + Duration::from_millis(1500)),
            ("10m", now - Duration::from_secs(600)),
            ("1h30m", now - Duration::from_secs(5400)),
            ("1.5h", now - Duration::from_secs(5400)),
            ("1h 30m", now - Duration::from_secs(5400)),
            ("-5m", now + Duration::from_secs(300)),
            ("1700000000.000000001", epoch + Duration::new(1_700_000_000, 1)),
        ] {
            assert_eq!(parse(text, now), Ok(time), "{text}");
        }
        for wrong in ["yesterday", "", "10x", "--5m", "-", "1.5.5", "1h30"] {
            assert!(parse(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_printed_as_go_prints_them() {
        for text in ["0s", "5ns", "1.5µs", "200ms", "1.000000001s", "30s", "1m30s", "2h0m0.5s"] {
            assert_eq!(print_duration(parse_duration(text).unwrap()), text);
        }
    }

    #[test]
    fn shown_durations_are_dockers() {
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (125, "2 minutes"),
            (3600, "About an hour"),
            (7200, "2 hours"),
            (3 * 86_400, "3 days"),
            (15 * 86_400, "2 weeks"),
            (70 * 86_400, "2 months"),
            (800 * 86_400, "2 years"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), text);
        }
    }

    proptest! {
        #[test]
        fn a_printed_time_is_read_back(seconds in 0..4_000_000_000_u64, nanos in 0..1_000_000_000_u32) {
            let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
            prop_assert_eq!(parse(&print(time), SystemTime::UNIX_EPOCH), Ok(time));
        }

        #[test]
        fn a_printed_duration_is_read_back(seconds in 0..100_000_000_u64) {
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(parse_duration(&humantime::format_duration(duration).to_string()), Ok(duration));
            let go = format!("{}h{}m{}s", seconds / 3600, seconds / 60 % 60, seconds % 60);
            prop_assert_eq!(parse_duration(&go), Ok(duration));
        }
    }
}
