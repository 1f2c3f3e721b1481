//! Starts a worker for each stage when what it stands on is there, tells workers what others have made, and passes on what
//! they report. It has one thread and waits in poll(2).

use std::collections::BTreeMap;

use super::base;
use super::job::Job;
use super::processes::Processes;
use super::wire::{FromWorker, StageResult};
use super::worker::Worker;
use crate::error::{Error, Result};
use crate::plan::Base;
use crate::progress::Reporter;

/// How many stages are built at the same time. Most wait for something else than a processor.
const MAX_WORKERS: usize = 16;

struct Coordinator<'a> {
    job: &'a Job<'a>,
    workers: Processes<usize>,
    results: BTreeMap<usize, StageResult>,
    /// Stages that are not started yet.
    waiting: Vec<usize>,
    /// Started stages, and the stage for which each waits.
    wants: BTreeMap<usize, usize>,
}

/// Builds all needed stages. Returns the result of the target, and those of the other stages.
pub(super) fn run(
    job: &Job<'_>,
    reporter: &mut dyn Reporter,
) -> Result<(StageResult, BTreeMap<usize, StageResult>)> {
    let mut coordinator = Coordinator {
        job,
        workers: Processes::new(),
        results: BTreeMap::new(),
        waiting: job.needed.clone(),
        wants: BTreeMap::new(),
    };
    loop {
        coordinator.start_ready()?;
        if let Some(result) = coordinator.results.remove(&job.stages.target) {
            return Ok((result, coordinator.results));
        }
        for (stage, message) in coordinator.workers.wait(reporter)? {
            coordinator.hear(stage, message, reporter)?;
        }
    }
}

impl Coordinator<'_> {
    /// Starts the stages whose base is there. A worker that waits for another stage has no work, so it does not count.
    fn start_ready(&mut self) -> Result<()> {
        let mut at = 0;
        while at < self.waiting.len() && self.workers.count() - self.wants.len() < MAX_WORKERS {
            let stage = self.waiting[at];
            match self.base_of(stage)? {
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
                reporter.report(&event);
                Ok(())
            }
            FromWorker::Needs(other) => {
                self.wants.insert(stage, other);
                self.answer()
            }
            FromWorker::Done(result) => {
                self.results.insert(stage, *result);
                self.answer()
            }
            FromWorker::Pulled(_) => Ok(()),
            FromWorker::Failed(report) => Err(report.into_error()),
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
