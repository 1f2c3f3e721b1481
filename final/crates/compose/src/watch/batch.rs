//! The changes that come together, as an editor or a checkout makes them, and what follows from them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::rules::{Action, Mapping, Rules};

/// How long nothing has to change before a batch is complete. Compose waits for half a second.
const QUIET: Duration = Duration::from_millis(100);

/// A batch does not grow for longer than this, however busy its files are.
const LONGEST: Duration = Duration::from_secs(2);

/// What is done about a batch, by service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actions {
    pub rebuild: BTreeSet<String>,
    pub sync: BTreeMap<String, BTreeSet<Mapping>>,
    pub restart: BTreeSet<String>,
    /// The rules whose commands run.
    pub exec: BTreeMap<String, BTreeSet<usize>>,
}

impl Actions {
    pub fn is_empty(&self) -> bool {
        self.rebuild.is_empty() && self.sync.is_empty() && self.restart.is_empty() && self.exec.is_empty()
    }
}

#[derive(Debug, Default)]
pub struct Batch {
    changed: BTreeSet<PathBuf>,
    /// When the first change and the last one came.
    times: Option<(Instant, Instant)>,
}

impl Batch {
    pub fn add(&mut self, changed: impl IntoIterator<Item = PathBuf>, now: Instant) {
        let before = self.changed.len();
        self.changed.extend(changed);
        if self.changed.is_empty() {
            return;
        }
        let first = self.times.map_or(now, |(first, _)| first);
        if self.changed.len() != before || self.times.is_none() {
            self.times = Some((first, now));
        }
    }

    /// When the batch is complete.
    pub fn due(&self) -> Option<Instant> {
        self.times.map(|(first, last)| (last + QUIET).min(first + LONGEST))
    }

    /// What follows, once the batch is complete.
    pub fn take(&mut self, rules: &Rules, now: Instant) -> Option<Actions> {
        self.due().filter(|due| *due <= now)?;
        self.times = None;
        let mut actions = Actions::default();
        for path in std::mem::take(&mut self.changed) {
            for index in 0..rules.len() {
                let Some(mapping) = rules.mapping(index, &path) else { continue };
                let rule = rules.get(index);
                let service = || rule.service.clone();
                if matches!(rule.action, Action::Sync | Action::SyncRestart | Action::SyncExec) {
                    actions.sync.entry(service()).or_default().insert(mapping);
                }
                match rule.action {
                    Action::Rebuild => _ = actions.rebuild.insert(service()),
                    Action::Restart | Action::SyncRestart => _ = actions.restart.insert(service()),
                    Action::SyncExec => _ = actions.exec.entry(service()).or_default().insert(index),
                    Action::Sync => {}
                }
            }
        }
        (!actions.is_empty()).then_some(actions)
    }
}
