//! Forks a worker for each stage when what it stands on is there, tells workers what others have made, and passes on what
//! they report. It has one thread and waits in poll(2).

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use hull_sys::process::{Fork, exit_now, fork, kill_and_reap, pidfd_open, reap, set_parent_death_signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::base;
use super::job::Job;
use super::wire::{FromWorker, Link, StageResult};
use super::worker::Worker;
use crate::error::{Error, IoContext, Result};
use crate::plan::Base;
use crate::progress::Reporter;

/// How many stages are built at the same time. Most wait for something else than a processor.
const MAX_WORKERS: usize = 16;

struct Running {
    process: OwnedFd,
    link: Link,
    /// The stage that it waits for.
    waits_for: Option<usize>,
}

struct Coordinator<'a> {
    job: &'a Job<'a>,
    running: BTreeMap<usize, Running>,
    results: BTreeMap<usize, StageResult>,
    waiting: Vec<usize>,
}

/// Builds all needed stages. Returns the result of the target.
pub(super) fn run(job: &Job<'_>, reporter: &mut dyn Reporter) -> Result<StageResult> {
    let mut coordinator =
        Coordinator { job, running: BTreeMap::new(), results: BTreeMap::new(), waiting: job.needed.clone() };
    let outcome = coordinator.run(reporter);
    coordinator.stop_all();
    outcome
}

impl Coordinator<'_> {
    fn run(&mut self, reporter: &mut dyn Reporter) -> Result<StageResult> {
        loop {
            self.start_ready()?;
            if let Some(result) = self.results.remove(&self.job.stages.target) {
                return Ok(result);
            }
            let ready = self.wait(reporter)?;
            for stage in ready {
                self.hear(stage, reporter)?;
            }
        }
    }

    /// Starts the stages whose base is there.
    fn start_ready(&mut self) -> Result<()> {
        let mut at = 0;
        while at < self.waiting.len() && self.running.len() < MAX_WORKERS {
            let stage = self.waiting[at];
            match self.base_of(stage)? {
                Some(base) => {
                    self.waiting.remove(at);
                    self.start(stage, base)?;
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
                return Err(Error::Unsupported(format!("FROM {name}: the named context is no image")));
            }
        })
    }

    fn start(&mut self, stage: usize, base: StageResult) -> Result<()> {
        let context = || "start the process of a stage".to_owned();
        let (own, workers) = UnixStream::pair().context(context)?;
        match fork().context(context)? {
            Fork::Parent { pid } => {
                let process = pidfd_open(pid).context(context)?;
                drop(workers);
                self.running.insert(stage, Running { process, link: Link::new(own), waits_for: None });
                Ok(())
            }
            Fork::Child => {
                // Without its coordinator nobody needs the stage.
                let _ = set_parent_death_signal(nix::libc::SIGKILL);
                drop(own);
                self.running.clear();
                Worker::new(self.job, stage, Link::new(workers), base).run_stage();
                exit_now(0)
            }
        }
    }

    /// Waits until workers have said something.
    fn wait(&mut self, reporter: &mut dyn Reporter) -> Result<Vec<usize>> {
        let buffered: Vec<usize> =
            self.running.iter().filter(|(_, one)| one.link.has_buffered()).map(|(stage, _)| *stage).collect();
        if !buffered.is_empty() {
            return Ok(buffered);
        }
        loop {
            let stages: Vec<usize> = self.running.keys().copied().collect();
            let sockets = self.running.values().map(|one| one.link.socket().as_fd());
            let cancel = reporter.cancellation();
            let mut fds: Vec<PollFd<'_>> =
                sockets.chain(cancel).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
            let interval = reporter.interval().and_then(|time| Timespec::try_from(time).ok());
            match poll(&mut fds, interval.as_ref()) {
                Ok(0) => reporter.tick(),
                Ok(_) => {
                    let is_ready = |at: usize| !fds[at].revents().is_empty();
                    if cancel.is_some() && is_ready(stages.len()) {
                        return Err(Error::Cancelled);
                    }
                    return Ok(stages
                        .iter()
                        .enumerate()
                        .filter(|(at, _)| is_ready(*at))
                        .map(|(_, s)| *s)
                        .collect());
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).context(|| "wait for the build's processes".into()),
            }
        }
    }

    /// One message of a worker.
    fn hear(&mut self, stage: usize, reporter: &mut dyn Reporter) -> Result<()> {
        let Some(running) = self.running.get_mut(&stage) else { return Ok(()) };
        match running.link.receive::<FromWorker>()? {
            Some(FromWorker::Event(event)) => reporter.report(&event),
            Some(FromWorker::Needs(other)) => {
                running.waits_for = Some(other);
                self.answer()?;
            }
            Some(FromWorker::Done(result)) => {
                self.end(stage)?;
                self.results.insert(stage, *result);
                self.answer()?;
            }
            Some(FromWorker::Failed(report)) => {
                self.end(stage)?;
                return Err(report.into_error());
            }
            None => {
                let code = self.end(stage)?;
                return Err(Error::Worker {
                    kind: hull_sys::Kind::Kernel,
                    text: format!("the process that built a stage ended early, with code {code}"),
                });
            }
        }
        Ok(())
    }

    /// Sends results to those who wait for them.
    fn answer(&mut self) -> Result<()> {
        for running in self.running.values_mut() {
            if let Some(result) = running.waits_for.and_then(|stage| self.results.get(&stage)) {
                running.link.send(result)?;
                running.waits_for = None;
            }
        }
        Ok(())
    }

    fn end(&mut self, stage: usize) -> Result<u8> {
        let Some(running) = self.running.remove(&stage) else { return Ok(0) };
        reap(running.process.as_fd()).context(|| "wait for the process of a stage".into())
    }

    fn stop_all(&mut self) {
        for (_, running) in std::mem::take(&mut self.running) {
            // The containers of its steps end with it.
            let _ = kill_and_reap(running.process.as_fd());
        }
    }
}
