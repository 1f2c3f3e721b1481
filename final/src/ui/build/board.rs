//! What is known about the steps of a build: the state that each way to show progress reads.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use hull_build::dockerfile::Span;
use hull_build::lint::Warning;
use hull_build::progress::{Event, Outcome, StepId};

use super::lines::Lines;

/// How many lines of a step's output are kept, for the view and for the error of a step that fails.
const KEPT_LINES: usize = 100;

#[derive(Debug, Default)]
pub struct Board {
    pub steps: Vec<StepState>,
    places: HashMap<StepId, usize>,
    pub warnings: Vec<Warning>,
    /// The Dockerfile, for excerpts: its name and its text.
    pub dockerfile: Option<(String, String)>,
    /// How many steps have been given a number.
    numbered: u32,
}

#[derive(Debug)]
pub struct StepState {
    pub id: StepId,
    pub name: String,
    pub span: Option<Span>,
    pub inputs: Vec<StepId>,
    /// Its number in the lines of the plain view: in the order in which the steps begin.
    pub number: Option<u32>,
    pub started: Option<SystemTime>,
    pub finished: Option<(SystemTime, Duration, Outcome)>,
    pub transfers: Vec<Transfer>,
    pub why: Option<String>,
    /// The last lines of its output, with their seconds since the start.
    pub output: VecDeque<Line>,
    /// How many lines there were.
    pub lines: usize,
    /// Those that the last event has added, all of them.
    pub fresh: Vec<Line>,
    unfinished: [Lines; 2],
}

#[derive(Debug, Clone)]
pub struct Line {
    pub seconds: f64,
    pub text: String,
}

#[derive(Debug)]
pub struct Transfer {
    pub what: String,
    pub current: u64,
    pub total: Option<u64>,
    pub done: bool,
}

impl StepState {
    fn new(id: StepId, name: String) -> Self {
        Self {
            id,
            name,
            span: None,
            inputs: vec![],
            number: None,
            started: None,
            finished: None,
            transfers: vec![],
            why: None,
            output: VecDeque::new(),
            lines: 0,
            fresh: vec![],
            unfinished: Default::default(),
        }
    }

    /// The lines that its program has begun, such as a progress bar that it writes over.
    pub fn pending(&self) -> impl Iterator<Item = String> + '_ {
        self.unfinished.iter().filter_map(Lines::pending)
    }

    pub fn is_running(&self) -> bool {
        self.started.is_some() && self.finished.is_none()
    }

    pub fn outcome(&self) -> Option<&Outcome> {
        self.finished.as_ref().map(|(.., outcome)| outcome)
    }

    pub fn has_failed(&self) -> bool {
        matches!(self.outcome(), Some(Outcome::Failed(_)))
    }

    /// How long it took, or has taken until `now`.
    pub fn elapsed(&self, now: SystemTime) -> Duration {
        match (&self.finished, self.started) {
            (Some((_, took, _)), _) => *took,
            (None, Some(started)) => now.duration_since(started).unwrap_or_default(),
            (None, None) => Duration::ZERO,
        }
    }

    /// Takes the lines that an event adds.
    fn keep(&mut self, texts: impl IntoIterator<Item = String>, now: SystemTime) {
        let seconds = self.elapsed(now).as_secs_f64();
        self.fresh.clear();
        self.fresh.extend(texts.into_iter().map(|text| Line { seconds, text }));
        self.lines += self.fresh.len();
        let kept = self.fresh.len().saturating_sub(KEPT_LINES);
        self.output.extend(self.fresh[kept..].iter().cloned());
        self.output.drain(..self.output.len().saturating_sub(KEPT_LINES));
    }
}

impl Board {
    /// Takes an event. Returns the position of the step that it is about.
    pub fn note(&mut self, event: &Event, now: SystemTime) -> Option<usize> {
        let at = match event {
            Event::Planned(step) => {
                // The steps of another platform may have the numbers of those that have ended.
                if self.get(step.id).is_some_and(|known| known.finished.is_some()) {
                    self.places.remove(&step.id);
                }
                let at = self.place(step.id);
                let state = &mut self.steps[at];
                state.name = hull_printable::cell(&step.name).into_owned();
                state.span = step.span;
                state.inputs.clone_from(&step.inputs);
                at
            }
            Event::Started { step, at } => {
                let place = self.place(*step);
                self.number(place);
                self.steps[place].started = Some(*at);
                place
            }
            Event::Output { step, stderr, bytes } => {
                let at = self.place(*step);
                let state = &mut self.steps[at];
                let lines = state.unfinished[usize::from(*stderr)].feed(bytes);
                state.keep(lines, now);
                at
            }
            Event::Transferred { step, what, current, total } => {
                let at = self.place(*step);
                self.steps[at].transfer(what, *current, *total);
                at
            }
            Event::Finished { step, at, took, outcome } => {
                let place = self.place(*step);
                self.number(place);
                let state = &mut self.steps[place];
                let rest: Vec<String> = state.unfinished.iter_mut().filter_map(Lines::end).collect();
                state.keep(rest, now);
                state.transfers.iter_mut().for_each(|transfer| transfer.done = true);
                state.finished = Some((*at, *took, outcome.clone()));
                place
            }
            Event::Warning(warning) => {
                if !self.warnings.contains(warning) {
                    self.warnings.push(warning.clone());
                }
                return None;
            }
            Event::Dockerfile { name, text } => {
                self.dockerfile = Some((name.clone(), text.clone()));
                return None;
            }
            // The view has steps, which are instructions with a layer.
            Event::Instruction { .. } | Event::Running { .. } | Event::Stands { .. } => return None,
            Event::Why { step, reason } => {
                let at = self.place(*step);
                self.steps[at].why = Some(hull_printable::cell(reason).into_owned());
                at
            }
        };
        if !matches!(event, Event::Output { .. } | Event::Finished { .. }) {
            self.steps[at].fresh.clear();
        }
        Some(at)
    }

    fn place(&mut self, id: StepId) -> usize {
        *self.places.entry(id).or_insert_with(|| {
            self.steps.push(StepState::new(id, format!("step {id}")));
            self.steps.len() - 1
        })
    }

    fn number(&mut self, at: usize) {
        if self.steps[at].number.is_none() {
            self.numbered += 1;
            self.steps[at].number = Some(self.numbered);
        }
    }

    pub fn get(&self, id: StepId) -> Option<&StepState> {
        self.places.get(&id).map(|at| &self.steps[*at])
    }

    pub fn completed(&self) -> usize {
        self.steps.iter().filter(|step| step.finished.is_some()).count()
    }

    /// The events that end the steps which still run when the build is over: another step has failed, or the user has
    /// cancelled the build.
    pub fn cancellations(&self, now: SystemTime) -> Vec<Event> {
        let running = self.steps.iter().filter(|step| step.is_running());
        let cancelled = running.map(|step| Event::Finished {
            step: step.id,
            at: now,
            took: step.elapsed(now),
            outcome: Outcome::Cancelled,
        });
        cancelled.collect()
    }

    /// The step that made the build fail.
    pub fn failed(&self) -> Option<&StepState> {
        self.steps.iter().find(|step| step.has_failed())
    }
}

impl StepState {
    fn transfer(&mut self, what: &str, current: u64, total: Option<u64>) {
        let what = hull_printable::cell(what);
        match self.transfers.iter_mut().find(|transfer| transfer.what == what) {
            Some(transfer) => (transfer.current, transfer.total) = (current, total),
            None => {
                self.transfers.push(Transfer { what: what.into_owned(), current, total, done: false });
            }
        }
    }
}

impl Transfer {
    /// `transferring context: 1.2MB / 3.4MB`.
    pub fn shown(&self) -> String {
        use hull_docker::size::human;
        match self.total {
            _ if self.current == 0 && self.total.is_none() => self.what.clone(),
            Some(total) if total > 0 => format!("{} {} / {}", self.what, human(self.current), human(total)),
            _ => format!("{} {}", self.what, human(self.current)),
        }
    }
}
