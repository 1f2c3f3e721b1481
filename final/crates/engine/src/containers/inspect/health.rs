//! `State.Health` of `inspect`.

use hull_docker::wire::container::{Health as Described, HealthResult};

use crate::engine::Engine;
use crate::error::Result;
use crate::records::health::{self, Check, Health};
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;

impl Engine {
    /// `None` for a container that has no check, or was never started.
    pub(super) fn health(&self, record: &Record, snapshot: &Snapshot) -> Result<Option<Described>> {
        if Check::of(record).is_none() || snapshot.status == Status::Created {
            return Ok(None);
        }
        let started = match &snapshot.state {
            Some(state) if snapshot.status.is_active() => state.started,
            _ => snapshot.exit.as_ref().and_then(|exit| exit.started),
        };
        let Some(status) = health::status(self.root(), &record.id, snapshot.status, started) else {
            return Ok(None);
        };
        let health = Health::load(self.root(), &record.id, started)?;
        let result = |result: &health::CheckResult| HealthResult {
            start: result.start.to_string(),
            end: result.end.to_string(),
            exit_code: result.exit_code.into(),
            output: result.output.clone(),
        };
        Ok(Some(Described {
            status: status.as_str().into(),
            failing_streak: health.failing_streak.into(),
            log: health.log.iter().map(result).collect(),
        }))
    }
}
