//! `GET /events`.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

use hull_docker::filters::FilterError;
use hull_docker::filters::event::EventFilters;
use hull_docker::wire::events::Message;
use hull_engine::{EventOptions, EventSink};

use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::{Exchange, Stream};
use crate::moment;

pub fn events(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let query = exchange.query();
    let (since, until) = (moment::of(query, "since")?, moment::of(query, "until")?);
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
    let events = api.engine.begin_events(EventOptions { since, until, filters })?;
    // A client acts on the head: it starts only then what the events are about.
    let mut sink = Sink { body: exchange.stream(200, "application/json")?, text: Vec::new() };
    events.give(&mut sink)?;
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
    fn unknown_keys_are_ignored() {
        assert!(known_filters(&["colour=blue".into(), "type=container".into()]).is_ok());
    }
}
