//! The writing of the results, shown as a step.

use std::time::{Instant, SystemTime};

use hull_build::progress::{Event, Outcome, Reporter, Step, StepId};

use super::Progress;

/// No step of a stage has this number.
const ID: StepId = StepId::MAX;

pub struct Export<'a> {
    progress: &'a mut Progress,
    begun: Instant,
}

impl<'a> Export<'a> {
    /// `name`: `exporting to image`.
    pub fn begin(progress: &'a mut Progress, name: &str) -> Self {
        let step = Step { id: ID, name: name.into(), stage: None, span: None, inputs: vec![] };
        progress.report(&Event::Planned(step));
        progress.report(&Event::Started { step: ID, at: SystemTime::now() });
        Self { progress, begun: Instant::now() }
    }

    /// Something is done, in BuildKit's words: `writing image sha256:…`.
    pub fn note(&mut self, text: &str) {
        self.progress.report(&Event::Transferred { step: ID, what: text.into(), current: 0, total: None });
    }

    pub fn end(self, error: Option<&hull_build::Error>) {
        let outcome = match error {
            None => Outcome::Done(None),
            Some(error) => Outcome::Failed(error.to_string()),
        };
        let (at, took) = (SystemTime::now(), self.begun.elapsed());
        self.progress.report(&Event::Finished { step: ID, at, took, outcome });
    }
}
