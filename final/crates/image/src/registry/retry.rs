//! How long to wait before a retry.

use std::time::{Duration, SystemTime};

use super::http::Response;

/// How often a request is sent: docker's number.
pub(super) const ATTEMPTS: u32 = 5;
/// If a registry asks for a longer pause than this, there is no retry.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The pause that a response asks for: RFC 9110, 10.2.3.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let now = response.header("date").and_then(date).unwrap_or_else(SystemTime::now);
    wait(response.header("retry-after")?, now)
}

/// The value is a number of seconds or a date. A date counts from the date of the response, because clocks differ.
fn wait(value: &str, now: SystemTime) -> Option<Duration> {
    match value.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(date(value)?.duration_since(now).unwrap_or_default()),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`: RFC 9110, 5.6.7. The two obsolete formats are not read.
pub(super) fn date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    humantime::parse_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z")).ok()
}

/// Waits twice as long each time, with some jitter so that several clients do not retry at the same moment.
pub(super) fn pause(attempt: u32, asked: Option<Duration>) {
    let jitter = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_nsec as u64 / 1000 % 100;
    let own = Duration::from_millis((200 << attempt.min(5)) + jitter);
    std::thread::sleep(asked.unwrap_or(own).min(MAX_PAUSE));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_until_a_date() {
        let now = date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(now, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777));
        for (value, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:50:07 CET", None),
            ("Sun, 06 Foo 1994 08:50:07 GMT", None),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(wait(value, now), seconds.map(Duration::from_secs), "{value:?}");
        }
    }
}
