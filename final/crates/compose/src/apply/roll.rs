//! `up --rolling`: a container is replaced only when its replacement is healthy, and without a moment in which nobody
//! answers at its ports and aliases.
//!
//! ```text
//! start the new one beside the old one ─▶ wait until it is healthy ─▶ hand over ports and aliases ─▶ drain ─▶ stop the old one
//!                                         otherwise: remove the new one; the old one runs as before
//! ```

use std::time::{Duration, Instant};

use hull_composefile::model::{Project, Service};
use hull_engine::Transition;

use super::wait::{Changes, Holds, look};
use super::{Apply, Created, Member};
use crate::error::{Context, Error, Result};
use crate::hooks::Hooks;
use crate::plan::{Condition, Plan, Replace};
use crate::progress::{self, Event};
use crate::references;
use crate::timeline::{Start, Timeline};

/// How long an old container keeps running without its ports and aliases: a client that has resolved its name may still be
/// about to connect.
const DRAIN: Duration = Duration::from_secs(1);

/// A container that is replaced while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roll {
    pub service: String,
    /// The old container's id and name.
    pub old: (String, String),
    /// The new container's id.
    pub new: String,
    /// The name that it gets.
    pub name: String,
}

/// Why a service cannot be replaced while it runs.
pub fn obstacle(project: &Project, service: &Service) -> Option<&'static str> {
    let mut networks = service.networks.values().flatten();
    let is_referred_to =
        || project.services.values().any(|other| references::of(other).contains(&service.name));
    if service.networks.is_empty() {
        Some("it has no network of its own")
    } else if networks.any(|one| !one.ipv4_address.is_empty() || !one.ipv6_address.is_empty()) {
        Some("it has a fixed address")
    } else if is_referred_to() {
        Some("another service shares its namespaces or volumes")
    } else {
        None
    }
}

impl Apply<'_> {
    /// The containers that are replaced while they run, of those that are replaced. Of a service for which that cannot be,
    /// a note says why.
    pub fn rolls(&mut self, plan: &Plan, created: &Created) -> Result<Vec<Roll>> {
        let project = self.files()?;
        let mut rolls = Vec::new();
        for planned in plan.services.iter().filter(|planned| !planned.replace.is_empty()) {
            let service = self.service(&planned.service)?;
            let new = |replace: &Replace| {
                created.replacements.get(&replace.container.id).cloned().unwrap_or_default()
            };
            let is_checked = match self.dry_run {
                true => service.healthcheck.is_some(),
                false => planned
                    .replace
                    .iter()
                    .all(|one| self.engine.moment(&new(one)).is_ok_and(|new| new.has_check)),
            };
            let why = obstacle(project, service).or((!is_checked).then_some("it has no healthcheck"));
            if let Some(why) = why {
                let name = &planned.service;
                self.warn(&format!("service {name} is not replaced without a gap, because {why}"));
                continue;
            }
            for replace in planned.replace.iter().filter(|one| one.container.is_running()) {
                rolls.push(Roll {
                    service: planned.service.clone(),
                    old: (replace.container.id.clone(), replace.container.name.clone()),
                    new: new(replace),
                    name: replace.name.clone(),
                });
            }
        }
        Ok(rolls)
    }

    /// Replaces the containers one after the other. If a new one does not become healthy, it is removed with those that
    /// would have followed, and the old ones keep running.
    pub fn roll(&mut self, rolls: &[Roll], timeout: Option<Duration>, timeline: &mut Timeline) -> Result<()> {
        for (index, roll) in rolls.iter().enumerate() {
            let ready = self.roll_up(roll, timeout, timeline);
            if let Err(error) = ready {
                let left = rolls[index..].iter().map(|roll| roll.new.clone()).collect();
                self.progress.event(Event::error(progress::container(&roll.old.1), error.to_string()));
                return Err(self.undo(left, error));
            }
            self.roll_over(roll)?;
        }
        Ok(())
    }

    /// Starts the new container, and waits until it is healthy.
    fn roll_up(&mut self, roll: &Roll, timeout: Option<Duration>, timeline: &mut Timeline) -> Result<()> {
        let id = progress::container(&roll.old.1);
        self.progress.event(Event::working(&id, "Recreate"));
        if self.dry_run {
            return Ok(());
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let service = self.service(&roll.service)?;
        self.copy_files(service, &roll.new)?;
        let mut changes = Changes::new(self.engine)?;
        let from = timeline.now();
        let mut transitions = self.engine.transitions();
        transitions.start_beside(0, &roll.new, &roll.old.0);
        while !transitions.is_empty() {
            for (_, transition) in transitions.wait(&[], None) {
                if let Transition::Started(started) = transition {
                    started.context(|| format!("container {}", roll.name))?;
                }
            }
        }
        let (service_name, container) = (roll.service.clone(), roll.name.clone());
        timeline.starts.push(Start { service: service_name, container, from, to: timeline.now() });
        self.run_post_start(service, roll)?;
        let member = [Member { id: roll.new.clone(), name: roll.name.clone(), runs: true }];
        self.progress.event(Event::working(&id, "Waiting"));
        loop {
            changes.take()?;
            match look(self.engine, &roll.service, Condition::Healthy, &member)? {
                Holds::Yes => return Ok(()),
                Holds::Never(why) => {
                    let name = &roll.old.1;
                    return Err(Error::Invalid(format!("the new {why}; {name} keeps running")));
                }
                Holds::NotYet => {}
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let (name, seconds) = (&roll.old.1, timeout.unwrap_or_default().as_secs());
                let text = format!(
                    "the new container {} is not healthy after {seconds}s; {name} keeps running",
                    roll.name
                );
                return Err(Error::Invalid(text));
            }
            changes.watch(self.engine, member.iter());
            let fds: Vec<_> = changes.descriptors().collect();
            let until = [deadline, changes.due()].into_iter().flatten().min();
            transitions.wait(&fds, until);
        }
    }

    fn run_post_start(&mut self, service: &Service, roll: &Roll) -> Result<()> {
        let project = &self.files()?.name;
        let container = (roll.new.as_str(), roll.name.as_str());
        let hooks = Hooks::begin(self.engine, project, service, &service.post_start, container)?;
        let Some(mut hooks) = hooks else { return Ok(()) };
        while !hooks.turn(self.engine, self.progress)? {
            let fds: Vec<_> = hooks.descriptor().into_iter().collect();
            self.engine.transitions().wait(&fds, None);
        }
        Ok(())
    }

    /// Hands over, and removes the old container.
    fn roll_over(&mut self, roll: &Roll) -> Result<()> {
        let id = progress::container(&roll.old.1);
        if !self.dry_run {
            let what = || format!("container {}", roll.name);
            self.engine.take_over(&roll.new, &roll.old.0).context(what)?;
            self.engine.transitions().wait(&[], Instant::now().checked_add(DRAIN));
            self.stop_old(roll)?;
        }
        self.rename(&roll.new, &roll.name)?;
        self.progress.event(Event::done(&id, "Healthy"));
        self.progress.event(Event::done(&id, "Recreated"));
        Ok(())
    }

    fn stop_old(&mut self, roll: &Roll) -> Result<()> {
        let what = || format!("container {}", roll.old.1);
        let mut stopped = Ok(());
        self.engine.stop(std::slice::from_ref(&roll.old.0), None, self.timeout, &mut |_, ended| {
            stopped = ended.map(drop);
        });
        match stopped.and_then(|()| self.engine.remove(&roll.old.0, true, false)) {
            Err(error) if error.is_no_such_container() => Ok(()),
            removed => removed.context(what),
        }
    }
}
