//! The events so far, one for each object.

use std::time::{Duration, Instant};

use hull_compose::progress::{Event, Status};

#[derive(Debug, Default)]
pub(super) struct Board {
    pub rows: Vec<Row>,
    pub notes: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Row {
    pub event: Event,
    started: Instant,
    ended: Option<Instant>,
}

impl Row {
    pub(super) fn is_working(&self) -> bool {
        self.event.status == Status::Working
    }

    /// How long it has taken.
    pub(super) fn took(&self, now: Instant) -> Duration {
        self.ended.unwrap_or(now).saturating_duration_since(self.started)
    }
}

impl Board {
    pub(super) fn take(&mut self, event: Event, now: Instant) {
        let ended = (event.status != Status::Working).then_some(now);
        let Some(row) = self.rows.iter_mut().find(|row| row.event.id == event.id) else {
            return self.rows.push(Row { event, started: now, ended });
        };
        if row.event.status != event.status || row.ended.is_none() {
            row.ended = ended;
        }
        let old = &row.event;
        // Bytes only become more. A part keeps its whole, or the rows would jump.
        row.event = Event {
            current: event.current.max(old.current),
            total: event.total.max(old.total),
            percent: event.percent.max(old.percent),
            parent: match (event.parent.is_empty(), old.parent.is_empty()) {
                (false, false) => old.parent.clone(),
                _ => event.parent.clone(),
            },
            ..event
        };
    }

    pub(super) fn done(&self) -> usize {
        self.rows.iter().filter(|row| !row.is_working()).count()
    }

    pub(super) fn parts_of<'a>(&'a self, whole: &'a Row) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(|row| !row.event.parent.is_empty() && row.event.parent == whole.event.id)
    }
}
