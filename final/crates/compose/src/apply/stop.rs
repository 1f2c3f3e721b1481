//! Stopping many containers: those of a service once all that depend on it have stopped, and otherwise at the same time.

use std::collections::{BTreeMap, VecDeque};

use hull_engine::{Ended, Status, Transition};

use super::{AT_ONCE, Apply};
use crate::error::{Context, Error, Result};
use crate::graph::{Direction, Graph, Schedule};
use crate::hooks::Hooks;
use crate::progress::{self, Event};

/// A container that is stopped, and what follows.
#[derive(Debug, Clone)]
pub struct Stop {
    pub service: String,
    pub id: String,
    pub name: String,
    pub then: Then,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// It stays.
    Nothing,
    /// It is removed; with `volumes`, its anonymous volumes too.
    Remove { volumes: bool },
    /// It is removed, because there is a new one.
    Replace,
}

/// Which container may stop next.
struct Order<'a> {
    graph: &'a Graph,
    stops: &'a [Stop],
    schedule: Schedule<'a>,
    /// The containers of each service, as indices of `stops`.
    of_service: BTreeMap<usize, Vec<usize>>,
    /// How many containers of each service have not stopped.
    left: Vec<usize>,
    queue: VecDeque<usize>,
}

impl<'a> Order<'a> {
    fn new(graph: &'a Graph, stops: &'a [Stop]) -> Self {
        let mut left = vec![0; graph.len()];
        let mut of_service: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut queue = VecDeque::new();
        for (index, stop) in stops.iter().enumerate() {
            match graph.find(&stop.service) {
                Some(node) => {
                    left[node] += 1;
                    of_service.entry(node).or_default().push(index);
                }
                None => queue.push_back(index),
            }
        }
        let schedule = Schedule::new(graph, Direction::DependentsFirst);
        Self { graph, stops, schedule, of_service, left, queue }
    }

    fn next(&mut self) -> Option<usize> {
        while let Some(node) = self.schedule.take_ready() {
            match self.of_service.get(&node) {
                Some(own) => self.queue.extend(own),
                None => self.schedule.finish(node),
            }
        }
        self.queue.pop_front()
    }

    fn finish(&mut self, index: usize) {
        let Some(node) = self.graph.find(&self.stops[index].service) else { return };
        self.left[node] -= 1;
        if self.left[node] == 0 {
            self.schedule.finish(node);
        }
    }
}

impl Apply<'_> {
    /// Stops the containers, in the order of the services' dependents. Services that are not in the graph do not wait for any
    /// other. Goes on past errors and returns them all.
    pub fn stop(&mut self, graph: &Graph, stops: &[Stop]) -> Result<()> {
        let mut order = Order::new(graph, stops);
        let mut transitions = self.engine.transitions();
        let mut errors = Vec::new();
        let mut hooks: Vec<(usize, Hooks)> = Vec::new();
        loop {
            let (mut over, mut failed) = (Vec::new(), Vec::new());
            while transitions.len() < AT_ONCE
                && let Some(index) = order.next()
            {
                let stop = &stops[index];
                match self.begin_stop(stop) {
                    Ok(_) if self.dry_run => over.push((index, Transition::Stopped(Ok(Ended::NotRunning)))),
                    Ok(Some(own)) => hooks.push((index, own)),
                    Ok(None) => transitions.stop(index, &stop.id, None, self.timeout),
                    Err(error) => failed.push((index, error)),
                }
            }
            if over.is_empty() && failed.is_empty() {
                if transitions.is_empty() && hooks.is_empty() {
                    return if errors.is_empty() { Ok(()) } else { Err(Error::all(errors)) };
                }
                let fds: Vec<_> = hooks.iter().filter_map(|(_, hooks)| hooks.descriptor()).collect();
                over = transitions.wait(&fds, None);
            }
            for (index, mut own) in std::mem::take(&mut hooks) {
                match own.turn(self.engine, self.progress) {
                    Ok(false) => hooks.push((index, own)),
                    Ok(true) => transitions.stop(index, &stops[index].id, None, self.timeout),
                    Err(error) => failed.push((index, error)),
                }
            }
            // A container whose hook fails keeps running, as in Compose.
            let mut done: Vec<usize> = failed.iter().map(|(index, _)| *index).collect();
            errors.extend(failed.into_iter().map(|(_, error)| error));
            for (index, transition) in over {
                if let Transition::Stopped(ended) = transition
                    && let Err(error) = self.end_stop(&stops[index], ended)
                {
                    errors.push(error);
                }
                done.push(index);
            }
            done.into_iter().for_each(|index| order.finish(index));
        }
    }

    /// Returns the hooks that run before the stop. A container that is replaced runs none.
    fn begin_stop(&mut self, stop: &Stop) -> Result<Option<Hooks>> {
        if stop.then == Then::Replace {
            return Ok(None);
        }
        self.progress.event(Event::working(progress::container(&stop.name), "Stopping"));
        let service = self.project.and_then(|project| project.services.get(&stop.service));
        let (Some(project), Some(service)) = (self.project, service) else { return Ok(None) };
        let runs = || self.engine.moment(&stop.id).is_ok_and(|moment| moment.status == Status::Running);
        if service.pre_stop.is_empty() || self.dry_run || !runs() {
            return Ok(None);
        }
        let container = (&*stop.id, &*stop.name);
        Hooks::begin(self.engine, &project.name, service, &service.pre_stop, container)
    }

    fn end_stop(&mut self, stop: &Stop, ended: hull_engine::Result<Ended>) -> Result<()> {
        let id = progress::container(&stop.name);
        let what = || format!("container {}", stop.name);
        let is_gone = matches!(&ended, Err(error) if error.is_no_such_container());
        if let Err(error) = ended
            && !is_gone
        {
            self.progress.event(Event::error(&id, "Error while Stopping"));
            return Err(error).context(what);
        }
        let removed = match &stop.then {
            Then::Nothing => {
                self.progress.event(Event::done(&id, "Stopped"));
                return Ok(());
            }
            Then::Remove { volumes } => {
                self.progress.event(Event::done(&id, "Stopped"));
                self.progress.event(Event::working(&id, "Removing"));
                self.remove(&stop.id, *volumes)
            }
            Then::Replace => self.remove(&stop.id, false),
        };
        match removed {
            Ok(()) => {
                let word = if matches!(stop.then, Then::Remove { .. }) { "Removed" } else { "Recreated" };
                self.progress.event(Event::done(&id, word));
                Ok(())
            }
            Err(error) => {
                self.progress.event(Event::error(&id, "Error while Removing"));
                Err(error).context(what)
            }
        }
    }

    fn remove(&self, id: &str, volumes: bool) -> hull_engine::Result<()> {
        if self.dry_run {
            return Ok(());
        }
        match self.engine.remove(id, true, volumes) {
            Err(error) if error.is_no_such_container() => Ok(()),
            removed => removed,
        }
    }

    /// Gives a container the name that it is to have in the end.
    pub fn rename(&mut self, id: &str, name: &str) -> Result<()> {
        let renamed = if self.dry_run { Ok(()) } else { self.engine.rename(id, name) };
        renamed.context(|| format!("name container {name}"))
    }
}
