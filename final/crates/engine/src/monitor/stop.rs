//! The user's wish that a container ends, which its restart policy has to respect.

use std::time::{Duration, Instant};

/// How long after a signal an end of the program still counts as caused by it.
const REACTION: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    /// The container will be started again, so `--rm` does not apply.
    pub keep: bool,
    /// And not because the machine goes down.
    pub by_user: bool,
    /// Set after a signal that may or may not be meant to end the program: it was meant so if the program ends before
    /// this time.
    until: Option<Instant>,
}

impl Stop {
    pub(super) fn definite(keep: bool, by_user: bool) -> Self {
        Self { keep, by_user, until: None }
    }

    pub(super) fn tentative() -> Self {
        Self { keep: false, by_user: true, until: Some(Instant::now() + REACTION) }
    }

    pub(super) fn is_tentative(&self) -> bool {
        self.until.is_some()
    }

    pub(super) fn holds(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}
