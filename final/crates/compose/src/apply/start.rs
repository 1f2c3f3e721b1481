//! Starting the containers: those of a service as soon as what it depends on is as its conditions say.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use hull_engine::{Transition, Transitions};

use super::wait::{Changes, Holds, look};
use super::{AT_ONCE, Apply, Member, Members};
use crate::error::{Context, Error, Result};
use crate::graph::{Direction, Graph, Schedule};
use crate::hooks::Hooks;
use crate::plan::{Condition, Dependency};
use crate::progress::{self, Event};
use crate::scope::Scope;
use crate::timeline::{Start, Timeline, Wait};

#[derive(Debug, Clone, Copy, Default)]
pub struct StartOptions {
    /// How long a service waits for what it depends on.
    pub wait_timeout: Option<Duration>,
    /// Containers that run are stopped first.
    pub restart: bool,
}

/// A service and the condition that it is to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitFor {
    pub service: String,
    pub condition: Condition,
}

/// A condition that is waited for.
struct Pending {
    on: String,
    condition: Condition,
    required: bool,
}

/// What a service is doing.
enum Phase {
    /// What it depends on has to be started first.
    Blocked,
    Waiting {
        since: Duration,
        pending: Vec<Pending>,
        deadline: Option<Instant>,
    },
    /// So many of its containers are still to be started.
    Starting(usize),
    Done,
}

struct Starts<'a, 'b> {
    apply: &'a mut Apply<'b>,
    scope: &'a Scope,
    graph: &'a Graph,
    schedule: Schedule<'a>,
    members: &'a Members,
    options: StartOptions,
    timeline: &'a mut Timeline,
    phases: Vec<Phase>,
    transitions: Transitions<'a>,
    changes: Option<Changes>,
    /// The containers that can be started, by their place in [`Self::jobs`].
    queue: VecDeque<usize>,
    jobs: Vec<Job>,
    /// The hooks that run, with their jobs.
    hooks: Vec<(usize, When, Hooks)>,
    errors: Vec<Error>,
}

/// When hooks run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    BeforeRestart,
    AfterStart,
}

/// A container that is started.
struct Job {
    node: usize,
    member: Member,
    from: Duration,
}

impl<'b> Apply<'b> {
    /// Starts what does not run. After an error nothing more is started, and what is starting is waited for.
    pub fn start(
        &mut self,
        scope: &Scope,
        graph: &Graph,
        members: &Members,
        options: StartOptions,
        timeline: &mut Timeline,
    ) -> Result<()> {
        let engine = self.engine;
        let mut starts = Starts {
            apply: self,
            scope,
            graph,
            schedule: Schedule::new(graph, Direction::DependenciesFirst),
            members,
            options,
            timeline,
            phases: (0..graph.len()).map(|_| Phase::Blocked).collect(),
            transitions: engine.transitions(),
            changes: None,
            queue: VecDeque::new(),
            jobs: vec![],
            hooks: vec![],
            errors: vec![],
        };
        starts.run()
    }

    /// Waits until each service is as it is to be.
    pub fn wait(&mut self, wanted: &[WaitFor], members: &Members, timeout: Option<Duration>) -> Result<()> {
        if self.dry_run {
            return Ok(());
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut changes = Changes::new(self.engine)?;
        let empty = Vec::new();
        let of = |service: &str| members.get(service).unwrap_or(&empty);
        let mut left: Vec<&WaitFor> = wanted.iter().filter(|one| !of(&one.service).is_empty()).collect();
        for one in &left {
            self.tell(of(&one.service), Event::working, "Waiting");
        }
        loop {
            changes.take()?;
            let mut next = Vec::new();
            for one in left {
                match look(self.engine, &one.service, one.condition, of(&one.service))? {
                    Holds::Yes => self.tell(of(&one.service), Event::done, done_word(one.condition)),
                    Holds::NotYet => next.push(one),
                    Holds::Never(why) => {
                        self.tell(of(&one.service), Event::error, &why);
                        return Err(Error::Invalid(why));
                    }
                }
            }
            left = next;
            if left.is_empty() {
                return Ok(());
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let seconds = timeout.unwrap_or_default().as_secs();
                return Err(Error::Invalid(format!("application not healthy after {seconds}s")));
            }
            changes.watch(self.engine, left.iter().flat_map(|one| of(&one.service)));
            let fds: Vec<_> = changes.descriptors().collect();
            let until = [deadline, changes.due()].into_iter().flatten().min();
            self.engine.transitions().wait(&fds, until);
        }
    }

    fn tell(&mut self, members: &[Member], event: fn(String, String) -> Event, word: &str) {
        for member in members {
            self.progress.event(event(progress::container(&member.name), word.to_owned()));
        }
    }
}

fn done_word(condition: Condition) -> &'static str {
    if condition == Condition::Completed { "Exited" } else { "Healthy" }
}

impl Starts<'_, '_> {
    fn run(&mut self) -> Result<()> {
        loop {
            while self.errors.is_empty()
                && let Some(node) = self.schedule.take_ready()
            {
                if let Err(error) = self.begin(node) {
                    self.errors.push(error);
                }
            }
            self.look_at_conditions();
            self.begin_starts();
            if self.errors.is_empty() && self.schedule.has_ready() {
                continue;
            }
            let waits = self.phases.iter().any(|phase| matches!(phase, Phase::Waiting { .. }));
            if self.transitions.is_empty() && self.hooks.is_empty() && (!waits || !self.errors.is_empty()) {
                let errors = std::mem::take(&mut self.errors);
                return if errors.is_empty() { Ok(()) } else { Err(Error::all(errors)) };
            }
            self.wait();
        }
    }

    /// What a service depends on has been started.
    fn begin(&mut self, node: usize) -> Result<()> {
        let name = self.graph.name(node).to_owned();
        let mut pending = Vec::new();
        let depends_on = self.scope.services.get(&name).map(|service| service.depends_on.clone());
        for (on, dependency) in depends_on.unwrap_or_default() {
            if self.is_waited_for(&on, dependency) {
                let waits = Pending {
                    on: on.clone(),
                    condition: dependency.condition,
                    required: dependency.required,
                };
                match self.members.get(&on).is_none_or(Vec::is_empty) {
                    true if dependency.required => {
                        return Err(Error::Invalid(format!("{name} is missing dependency {on}")));
                    }
                    true => self.apply.warn(&format!("{name} is missing dependency {on}")),
                    false => {
                        let waited = self.members.get(&on).map(Vec::as_slice).unwrap_or_default();
                        self.apply.tell(waited, Event::working, "Waiting");
                        pending.push(waits);
                    }
                }
            }
        }
        if !pending.is_empty() && self.changes.is_none() && !self.apply.dry_run {
            self.changes = Some(Changes::new(self.apply.engine)?);
        }
        let deadline = self.options.wait_timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.phases[node] = Phase::Waiting { since: self.timeline.now(), pending, deadline };
        Ok(())
    }

    fn is_waited_for(&self, on: &str, dependency: Dependency) -> bool {
        let service = self.scope.services.get(on);
        dependency.condition != Condition::Started
            && service.is_some_and(|service| service.scale != 0 && !service.is_provided)
    }

    fn look_at_conditions(&mut self) {
        if let Some(changes) = &mut self.changes
            && let Err(error) = changes.take()
        {
            self.errors.push(error);
        }
        for node in 0..self.phases.len() {
            if !self.errors.is_empty() {
                return;
            }
            let Phase::Waiting { since, pending, deadline } = &mut self.phases[node] else { continue };
            let (since, deadline) = (*since, *deadline);
            let mut left = Vec::new();
            for one in std::mem::take(pending) {
                match self.check(node, &one, since) {
                    Ok(true) => {}
                    Ok(false) => left.push(one),
                    Err(error) => self.errors.push(error),
                }
            }
            if left.is_empty() && self.errors.is_empty() {
                self.enqueue(node);
                continue;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.errors.push(Error::Invalid("timeout waiting for dependencies".into()));
            }
            if let Phase::Waiting { pending, .. } = &mut self.phases[node] {
                *pending = left;
            }
        }
    }

    /// Whether a dependency need not be waited for any longer.
    fn check(&mut self, node: usize, one: &Pending, since: Duration) -> Result<bool> {
        let members = self.members.get(&one.on).map(Vec::as_slice).unwrap_or_default();
        let holds = match self.apply.dry_run {
            true => Holds::Yes,
            false => look(self.apply.engine, &one.on, one.condition, members)?,
        };
        match holds {
            Holds::NotYet => return Ok(false),
            Holds::Yes => self.apply.tell(members, Event::done, done_word(one.condition)),
            Holds::Never(why) if one.required => {
                self.apply.tell(members, Event::error, "Error");
                return Err(Error::Invalid(match one.condition {
                    Condition::Healthy => format!("dependency failed to start: {why}"),
                    _ => why,
                }));
            }
            Holds::Never(why) => {
                let text = format!("optional dependency {:?} failed to start: {why}", one.on);
                self.apply.tell(members, Event::warning, &format!("Skipped: {text}"));
                self.apply.warn(&text);
            }
        }
        self.timeline.waits.push(Wait {
            service: self.graph.name(node).to_owned(),
            on: one.on.clone(),
            condition: one.condition,
            from: since,
            to: self.timeline.now(),
        });
        Ok(true)
    }

    fn enqueue(&mut self, node: usize) {
        let (name, restart) = (self.graph.name(node), self.options.restart);
        let members = self.members.get(name).into_iter().flatten().filter(|member| !member.runs || restart);
        let before = self.jobs.len();
        for member in members {
            self.queue.push_back(self.jobs.len());
            self.jobs.push(Job { node, member: member.clone(), from: Duration::ZERO });
        }
        self.phases[node] = Phase::Starting(self.jobs.len() - before);
        self.finish_if_started(node);
    }

    fn finish_if_started(&mut self, node: usize) {
        if matches!(self.phases[node], Phase::Starting(0)) {
            self.phases[node] = Phase::Done;
            self.schedule.finish(node);
        }
    }

    fn begin_starts(&mut self) {
        while self.errors.is_empty()
            && self.transitions.len() < AT_ONCE
            && let Some(index) = self.queue.pop_front()
        {
            let from = self.timeline.now();
            let job = &mut self.jobs[index];
            job.from = from;
            let (name, id) = (job.member.name.clone(), job.member.id.clone());
            let word = if self.options.restart { "Restarting" } else { "Starting" };
            self.apply.progress.event(Event::working(progress::container(&name), word));
            if self.apply.dry_run {
                self.started(index, Ok(()));
                continue;
            }
            match self.copy_files(index) {
                Ok(()) if self.options.restart => self.run_hooks(index, When::BeforeRestart),
                Ok(()) => self.transitions.start(index, &id),
                Err(error) => self.started(index, Err(error)),
            }
        }
    }

    /// Begins what follows when the hooks have ended, or the hooks, if there are some.
    fn run_hooks(&mut self, index: usize, when: When) {
        let Job { node, member, .. } = &self.jobs[index];
        let files = self.apply.project;
        let service = files.and_then(|project| project.services.get(self.graph.name(*node)));
        let hooks = service.map_or(&[][..], |service| match when {
            When::BeforeRestart if member.runs => &service.pre_stop,
            When::BeforeRestart => &[],
            When::AfterStart => &service.post_start,
        });
        if let (Some(project), Some(service), false) = (files, service, hooks.is_empty()) {
            let container = (&*member.id, &*member.name);
            match Hooks::begin(self.apply.engine, &project.name, service, hooks, container) {
                Ok(Some(hooks)) => return self.hooks.push((index, when, hooks)),
                Ok(None) => {}
                Err(error) => return self.started(index, Err(error)),
            }
        }
        self.after_hooks(index, when);
    }

    fn after_hooks(&mut self, index: usize, when: When) {
        match when {
            When::BeforeRestart => {
                let id = self.jobs[index].member.id.clone();
                self.transitions.restart(index, &id, None, self.apply.timeout);
            }
            When::AfterStart => self.started(index, Ok(())),
        }
    }

    fn turn_hooks(&mut self) {
        for (index, when, mut hooks) in std::mem::take(&mut self.hooks) {
            match hooks.turn(self.apply.engine, self.apply.progress) {
                Ok(false) => self.hooks.push((index, when, hooks)),
                Ok(true) => self.after_hooks(index, when),
                Err(error) => self.started(index, Err(error)),
            }
        }
    }

    fn copy_files(&self, index: usize) -> Result<()> {
        let Job { node, member, .. } = &self.jobs[index];
        match self.apply.project {
            // A running container has its files.
            Some(_) if !member.runs => {
                self.apply.copy_files(self.apply.service(self.graph.name(*node))?, &member.id)
            }
            _ => Ok(()),
        }
    }

    fn started(&mut self, index: usize, started: Result<()>) {
        let Job { node, member, from } = &self.jobs[index];
        let (node, id) = (*node, progress::container(&member.name));
        if let Err(error) = started {
            self.apply.progress.event(Event::error(id, "Error"));
            self.errors.push(error);
            return;
        }
        self.timeline.starts.push(Start {
            service: self.graph.name(node).to_owned(),
            container: member.name.clone(),
            from: *from,
            to: self.timeline.now(),
        });
        self.apply.progress.event(Event::done(id, "Started"));
        if let Phase::Starting(left) = &mut self.phases[node] {
            *left -= 1;
        }
        self.finish_if_started(node);
    }

    fn wait(&mut self) {
        let mut deadlines = Vec::new();
        let mut waited: BTreeMap<&str, &Vec<Member>> = BTreeMap::new();
        for phase in &self.phases {
            if let Phase::Waiting { pending, deadline, .. } = phase {
                deadlines.extend(*deadline);
                waited.extend(
                    pending
                        .iter()
                        .filter_map(|one| self.members.get_key_value(&one.on))
                        .map(|(name, members)| (name.as_str(), members)),
                );
            }
        }
        if let Some(changes) = &mut self.changes {
            changes.watch(self.apply.engine, waited.into_values().flatten());
            deadlines.extend(changes.due());
        }
        // Events wake this only where somebody waits for a condition: each start has some of its own.
        let mut fds: Vec<BorrowedFd<'_>> = self.changes.iter().flat_map(Changes::descriptors).collect();
        fds.extend(self.hooks.iter().filter_map(|(.., hooks)| hooks.descriptor()));
        let over = self.transitions.wait(&fds, deadlines.into_iter().min());
        for (index, transition) in over {
            if let Transition::Started(started) = transition {
                let name = &self.jobs[index].member.name;
                match started.context(|| format!("container {name}")) {
                    Ok(_) => self.run_hooks(index, When::AfterStart),
                    Err(error) => self.started(index, Err(error)),
                }
            }
        }
        self.turn_hooks();
    }
}
