//! What the caller is told while a build runs.

use std::os::fd::BorrowedFd;
use std::time::{Duration, SystemTime};

use hull_image::Digest;

use crate::dockerfile::Span;
use crate::lint::Warning;

/// A step's number in its build.
pub type StepId = u32;

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub enum Event {
    /// A step is known. All steps of a build are announced before the first starts; internal ones, such as the loading
    /// of the context, when they start.
    Planned(Step),
    Started {
        step: StepId,
        at: SystemTime,
    },
    /// Bytes of a step's output.
    Output {
        step: StepId,
        stderr: bool,
        bytes: Vec<u8>,
    },
    /// How far a transfer has come, in bytes.
    Transferred {
        step: StepId,
        what: String,
        current: u64,
        total: Option<u64>,
    },
    Finished {
        step: StepId,
        at: SystemTime,
        took: Duration,
        outcome: Outcome,
    },
    Warning(Warning),
    /// Why a step was in the cache or was not: `--why`.
    Why {
        step: StepId,
        reason: String,
    },
    /// An instruction begins. This and the two below are reported only if [`crate::request::Request::narrates`].
    Instruction {
        /// From 1. `None` for one that the base image has kept (ONBUILD).
        number: Option<usize>,
        /// How many there are.
        count: usize,
        text: String,
    },
    /// The instruction's command begins to run, under this name.
    Running {
        name: String,
    },
    /// The instruction has ended. What the stage is by then has this digest.
    Stands {
        digest: Option<Digest>,
        /// It is the id of an image of the store, which FROM names.
        is_image: bool,
    },
    /// The Dockerfile, as soon as it is read: what the lines of errors and warnings are about.
    Dockerfile {
        name: String,
        text: String,
    },
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Step {
    pub id: StepId,
    /// As BuildKit shows it: `[build 2/5] RUN make`, `[internal] load build context`.
    pub name: String,
    /// The stage, its number among the stages that are run, and the step's own in it: for `[build 2/5]`.
    pub stage: Option<String>,
    pub span: Option<Span>,
    pub inputs: Vec<StepId>,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Outcome {
    Done(Option<Digest>),
    Cached,
    Failed(String),
    Cancelled,
}

/// Is told what happens, in order.
pub trait Reporter {
    fn report(&mut self, event: &Event);

    /// How often [`Self::tick`] is to be called while nothing is reported. `None`: never.
    fn interval(&self) -> Option<Duration> {
        None
    }

    /// Time has passed: a live view shows how long its steps have been running.
    fn tick(&mut self) {}

    /// A descriptor that becomes readable when the caller wants the build to end, such as a signalfd of SIGINT. The build
    /// then stops its steps and returns [`crate::Error::Cancelled`].
    fn cancellation(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl<F: FnMut(&Event)> Reporter for F {
    fn report(&mut self, event: &Event) {
        self(event);
    }
}
