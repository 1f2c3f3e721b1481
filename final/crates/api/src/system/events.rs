//! `GET /events`.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hull_docker::filters::FilterError;
use hull_docker::filters::event::EventFilters;
use hull_docker::wire::events::Message;
use hull_engine::{EventOptions, EventSink};

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::{Exchange, Stream};

pub fn events(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let query = exchange.query();
    let (since, until) = (moment(query.text("since"))?, moment(query.text("until"))?);
    if let (Some(since), Some(until)) = (since, until)
        && until < since
    {
        let text = |name| query.text(name).unwrap_or_default();
        let message =
            format!("`since` time ({}) cannot be after `until` time ({})", text("since"), text("until"));
        return Err(Failure::invalid(message));
    }
    let texts = query.filters()?;
    let filters = known_filters(&texts)?;
    let options = EventOptions { since, until, filters };
    // A client acts on the head: it starts only then what the events are about.
    let mut sink = Sink { body: exchange.stream(200, "application/json")?, text: Vec::new() };
    api.engine.events(&options, &mut sink)?;
    sink.body.finish()
}

/// dockerd ignores the keys that it does not know.
fn known_filters(texts: &[String]) -> Result<EventFilters> {
    let is_known = |text: &&String| {
        !matches!(EventFilters::parse(std::slice::from_ref(*text)), Err(FilterError::UnknownKey { .. }))
    };
    let known: Vec<String> = texts.iter().filter(is_known).cloned().collect();
    Ok(EventFilters::parse(&known)?)
}

/// Seconds since 1970, with a fraction. Of a fraction that is longer than nine digits dockerd takes the first nine.
fn moment(text: Option<&str>) -> Result<Option<SystemTime>> {
    let Some(text) = text else { return Ok(None) };
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let failure =
        |part: &str| Failure::new(500, format!("strconv.ParseInt: parsing {part:?}: invalid syntax"));
    let seconds: i64 = seconds.parse().map_err(|_| failure(seconds))?;
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || fraction.len() > 19 {
        return Err(failure(fraction));
    }
    let nanoseconds = format!("{fraction:0<9}").get(..9).and_then(|digits| digits.parse().ok());
    let nanoseconds: u32 = nanoseconds.ok_or_else(|| failure(fraction))?;
    let since = Duration::new(u64::try_from(seconds).unwrap_or(0), nanoseconds);
    // docker's zero is a time that is not given.
    Ok(Some(since).filter(|since| !since.is_zero()).and_then(|since| UNIX_EPOCH.checked_add(since)))
}

struct Sink<'a> {
    body: Stream<'a>,
    text: Vec<u8>,
}

impl EventSink for Sink<'_> {
    fn take(&mut self, event: Message) -> io::Result<()> {
        self.text.clear();
        serde_json::to_writer(&mut self.text, &event)?;
        self.text.push(b'\n');
        self.body.write_all(&self.text)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.body.flush()
    }

    // docker's stream has no word for it.
    fn missed(&mut self) {}

    fn reader(&self) -> BorrowedFd<'_> {
        self.body.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_seconds_with_a_fraction() {
        let nanoseconds =
            |text| moment(Some(text)).unwrap().map(|at| at.duration_since(UNIX_EPOCH).unwrap().as_nanos());
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
            assert_eq!(moment(Some(wrong)).unwrap_err().status, 500, "{wrong}");
        }
    }

    #[test]
    fn unknown_keys_are_ignored() {
        assert!(known_filters(&["colour=blue".into(), "type=container".into()]).is_ok());
    }
}
