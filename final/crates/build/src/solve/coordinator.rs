//! Starts a worker for each stage when what it stands on is there, tells workers what others have made, and passes on what
//! they report. It has one thread and waits in poll(2).

use std::collections::{BTreeMap, BTreeSet};

use super::base;
use super::job::Job;
use super::processes::Processes;
use super::wire::{FromWorker, StageResult};
use super::worker::Worker;
use crate::dockerfile::Span;
use crate::error::{Error, Result};
use crate::plan::Base;
use crate::plan::stages::Origin;
use crate::progress::{Event, Reporter, StepId};

/// How many stages are built at the same time. Most wait for something else than a processor.
const MAX_WORKERS: usize = 16;

/// How many processes there may be with those that wait for another stage, so that a Dockerfile with very many stages
/// takes neither all processes nor all descriptors. Above it, only a stage is started that has nothing to wait for: the
/// lowest of those that are left is always one, so the build goes on.
const MAX_PROCESSES: usize = 48;

/// How many stages that are not started yet are looked at, lowest first.
const LOOKED_AT: usize = 256;

struct Coordinator<'a> {
    job: &'a Job<'a>,
    workers: Processes<usize>,
    results: BTreeMap<usize, StageResult>,
    /// Stages that are not started yet, lowest first.
    waiting: Vec<usize>,
    /// Started stages, and the stage for which each waits.
    wants: BTreeMap<usize, usize>,
    /// The stages that each stage stands on or takes files from.
    needs: BTreeMap<usize, BTreeSet<usize>>,
    /// How many stages that have not ended need each stage.
    users: BTreeMap<usize, usize>,
    /// The step that each worker has begun last.
    steps: BTreeMap<usize, StepId>,
}

/// Builds all needed stages. Returns the result of the target, and those of the other stages.
pub(super) fn run(
    job: &Job<'_>,
    reporter: &mut dyn Reporter,
) -> Result<(StageResult, BTreeMap<usize, StageResult>)> {
    let mut coordinator = Coordinator::new(job);
    loop {
        coordinator.start_ready()?;
        if let Some(result) = coordinator.results.remove(&job.stages.target) {
            return Ok((result, coordinator.results));
        }
        for (stage, message) in coordinator.workers.wait(reporter)? {
            let message = message.map_err(|error| coordinator.at_last_step(stage, error))?;
            coordinator.hear(stage, message, reporter)?;
        }
    }
}

impl<'a> Coordinator<'a> {
    fn new(job: &'a Job<'a>) -> Self {
        let contexts = |name: &str| job.definition.named_contexts.contains_key(name);
        let needs_of = |number: usize| {
            let origins = job.stages.origins(number, &contexts).into_iter();
            let others = origins.filter_map(|origin| match origin {
                Origin::Stage(other) => Some(other),
                _ => None,
            });
            let base = match job.stages.stages[number].base {
                Base::Stage(base) => Some(base),
                _ => None,
            };
            others.chain(base).collect::<BTreeSet<usize>>()
        };
        let needs: BTreeMap<_, _> = job.needed.iter().map(|number| (*number, needs_of(*number))).collect();
        let mut users = BTreeMap::new();
        for other in needs.values().flatten() {
            *users.entry(*other).or_default() += 1;
        }
        Self {
            job,
            workers: Processes::new(),
            results: BTreeMap::new(),
            waiting: job.needed.clone(),
            wants: BTreeMap::new(),
            needs,
            users,
            steps: BTreeMap::new(),
        }
    }

    /// The error of a worker that has ended without a result: at the lines of the step that it was at.
    fn at_last_step(&self, stage: usize, error: Error) -> Error {
        let step = self.steps.get(&stage);
        let span: Option<Span> = step.and_then(|step| self.job.span(stage, *step));
        let span = span.unwrap_or(self.job.stages.stages[stage].span);
        error.at(&self.job.file.name, span)
    }

    /// Starts the stages whose base is there. A worker that waits for another stage has no work, so it does not count.
    fn start_ready(&mut self) -> Result<()> {
        let mut at = 0;
        let most = if self.job.request.narrates { 1 } else { MAX_WORKERS };
        while at < self.waiting.len().min(LOOKED_AT) && self.workers.count() - self.wants.len() < most {
            let stage = self.waiting[at];
            let has_room = self.workers.count() < MAX_PROCESSES || self.never_waits(stage);
            match if has_room { self.base_of(stage)? } else { None } {
                Some(base) => {
                    self.waiting.remove(at);
                    let job = self.job;
                    self.workers.start(stage, |link| Worker::new(job, stage, link, base).run_stage())?;
                }
                None => at += 1,
            }
        }
        Ok(())
    }

    fn never_waits(&self, stage: usize) -> bool {
        self.needs[&stage].iter().all(|other| self.results.contains_key(other))
    }

    /// What a stage stands on; `None` if that is not built yet.
    fn base_of(&self, number: usize) -> Result<Option<StageResult>> {
        let stage = &self.job.stages.stages[number];
        Ok(match &stage.base {
            Base::Scratch => Some(base::scratch(&stage.platform)),
            Base::Stage(other) => self.results.get(other).cloned(),
            Base::Image(name) => self.job.image(name, &stage.platform).cloned(),
            Base::Context(name) => {
                let error = Error::Unsupported(format!("FROM {name}: the named context is no image"));
                return Err(error.at(&self.job.file.name, stage.span));
            }
        })
    }

    fn hear(&mut self, stage: usize, message: FromWorker, reporter: &mut dyn Reporter) -> Result<()> {
        match message {
            FromWorker::Event(event) => {
                if let Event::Started { step, .. } = &event {
                    self.steps.insert(stage, *step);
                }
                reporter.report(&event);
                Ok(())
            }
            FromWorker::Needs(other) if !self.job.needed.contains(&other) => {
                let why = format!("stage {other} is not built, although an instruction takes files from it");
                Err(self.at_last_step(stage, Error::Syntax(why)))
            }
            FromWorker::Needs(other) => {
                self.wants.insert(stage, other);
                self.answer()
            }
            FromWorker::Done(mut result) => {
                let base = self.base_of(stage)?.filter(|_| result.inherited > 0);
                let own = std::mem::take(&mut result.config.history);
                result.config.history = base.map(|base| base.config.history).unwrap_or_default();
                result.config.history.extend(own);
                self.results.insert(stage, *result);
                self.answer()?;
                self.release(stage);
                Ok(())
            }
            FromWorker::Pulled(_) => Ok(()),
            FromWorker::Failed(report) => Err(report.into_error()),
        }
    }

    /// Gives up results that no stage needs any more, now that `stage` has ended: very many of them are very large. Of
    /// what is for a cache elsewhere, the layers stay.
    fn release(&mut self, stage: usize) {
        let keeps_layers = !self.job.request.cache_to.is_empty();
        for other in &self.needs[&stage] {
            let Some(users) = self.users.get_mut(other) else { continue };
            *users -= 1;
            if *users > 0 || *other == self.job.stages.target {
                continue;
            }
            match self.results.get_mut(other) {
                Some(result) if keeps_layers => {
                    result.config.history = vec![];
                    result.variables = vec![];
                }
                _ => drop(self.results.remove(other)),
            }
        }
    }

    /// Sends results to those who wait for them.
    fn answer(&mut self) -> Result<()> {
        let ready: Vec<(usize, usize)> = self
            .wants
            .iter()
            .filter(|(_, other)| self.results.contains_key(other))
            .map(|(a, b)| (*a, *b))
            .collect();
        for (stage, other) in ready {
            self.wants.remove(&stage);
            if let (Some(link), Some(result)) = (self.workers.link(stage), self.results.get(&other)) {
                link.send(result)?;
            }
        }
        Ok(())
    }
}
