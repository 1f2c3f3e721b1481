//! Steps that are not in the Dockerfile: loading it and the contexts, asking caches.

use std::time::{Instant, SystemTime};

use crate::Result;
use crate::progress::{Event, Outcome, Reporter, Step, StepId};

/// The step of loading the Dockerfile.
pub(super) const DEFINITION: StepId = 0;
/// The step of fetching a context.
pub(super) const CONTEXT: StepId = 1;
/// The step of asking caches elsewhere.
pub(super) const CACHES: StepId = 2;
/// The number of the first step after these.
pub(super) const FIRST: StepId = 8;

/// Does the work of such a step, and reports when it begins and how it ends. The work may add lines to its output.
pub(super) fn step<T>(
    reporter: &mut dyn Reporter,
    step: StepId,
    name: &str,
    work: impl FnOnce(&mut dyn FnMut(&str)) -> Result<T>,
) -> Result<T> {
    let planned =
        Step { id: step, name: format!("[internal] {name}"), stage: None, span: None, inputs: vec![] };
    reporter.report(&Event::Planned(planned));
    let began = Instant::now();
    reporter.report(&Event::Started { step, at: SystemTime::now() });
    let done = work(&mut |line| {
        let bytes = format!("{line}\n").into_bytes();
        reporter.report(&Event::Output { step, stderr: true, bytes });
    });
    let outcome = match &done {
        Ok(_) => Outcome::Done(None),
        Err(error) => Outcome::Failed(error.to_string()),
    };
    reporter.report(&Event::Finished { step, at: SystemTime::now(), took: began.elapsed(), outcome });
    done
}
