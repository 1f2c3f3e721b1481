//! `start`, `stop`, `restart`, `kill`, `pause`, `unpause` and `rm` of a project's containers.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::apply::{Apply, Member, Members, StartOptions, Stop, Then};
use crate::error::{Context, Error, Result};
use crate::observe::{Container, Observed};
use crate::progress::{self, Event};
use crate::scope::Scope;
use crate::timeline::Timeline;

/// The containers of the chosen services, or of all of them. `one_off` includes those of `run`.
fn chosen<'a>(
    scope: &'a Scope,
    observed: &'a Observed,
    services: &'a [String],
    one_off: bool,
) -> impl Iterator<Item = &'a Container> {
    observed.containers.iter().filter(move |one| {
        let is_named = services.is_empty() || services.contains(&one.service);
        is_named && scope.services.contains_key(&one.service) && (one_off || !one.one_off)
    })
}

impl Apply<'_> {
    /// Stops the containers of services. What depends on them keeps running.
    pub fn stop_services(&mut self, scope: &Scope, observed: &Observed, services: &[String]) -> Result<()> {
        let services = scope.select(services)?;
        let stop = |one: &Container| Stop {
            service: one.service.clone(),
            id: one.id.clone(),
            name: one.name.clone(),
            then: Then::Nothing,
        };
        let stops: Vec<Stop> = chosen(scope, observed, &services, false).map(stop).collect();
        self.stop(&scope.graph()?, &stops)
    }

    /// Starts the containers of services, each when what it depends on is as its conditions say. The scope has only the
    /// services that are to be started.
    pub fn start_services(&mut self, scope: &Scope, observed: &Observed, begun: Instant) -> Result<()> {
        let has_any = chosen(scope, observed, &[], false).next().is_some();
        if let Some((name, _)) = scope.services.iter().find(|(_, service)| !has_any && service.scale > 0) {
            return Err(Error::Invalid(format!("service {name:?} has no container to start")));
        }
        let members = members(scope, observed);
        let mut timeline = Timeline::new(begun);
        self.start(scope, &scope.graph()?, &members, StartOptions::default(), &mut timeline)
    }

    /// Restarts the containers of services, and of those that restart with them.
    pub fn restart_services(
        &mut self,
        scope: &Scope,
        observed: &Observed,
        services: &[String],
        with_dependents: bool,
    ) -> Result<()> {
        let services = scope.select(services)?;
        let scope = restarted(scope, &services, with_dependents)?;
        let options = StartOptions { restart: true, ..StartOptions::default() };
        let members = members(&scope, observed);
        let mut timeline = Timeline::new(Instant::now());
        self.start(&scope, &scope.graph()?, &members, options, &mut timeline)
    }

    /// Sends a signal to the running containers of services, and of `run`; with `orphans`, to those of services that the
    /// files do not have. Returns how many there were.
    pub fn kill_services(
        &mut self,
        scope: &Scope,
        observed: &Observed,
        services: &[String],
        signal: &str,
        orphans: bool,
    ) -> Result<usize> {
        let is_chosen = |one: &&Container| {
            let is_named = services.is_empty() || services.contains(&one.service);
            is_named && one.status.is_active() && (orphans || scope.services.contains_key(&one.service))
        };
        let killed: Vec<&Container> = observed.containers.iter().filter(is_chosen).collect();
        for one in &killed {
            self.progress.event(Event::working(progress::container(&one.name), "Killing"));
        }
        let mut errors = Vec::new();
        let ids: Vec<String> = killed.iter().map(|one| one.id.clone()).collect();
        let mut done = |index: usize, outcome: hull_engine::Result<()>| {
            let id = progress::container(&killed[index].name);
            match outcome {
                Ok(()) => self.progress.event(Event::done(id, "Killed")),
                Err(error) => {
                    self.progress.event(Event::error(&id, "Error while Killing"));
                    errors.push(Error::Engine { what: id, source: Box::new(error) });
                }
            }
        };
        match self.dry_run {
            true => (0..ids.len()).for_each(|index| done(index, Ok(()))),
            false => self.engine.kill(&ids, signal, &mut done),
        }
        if errors.is_empty() { Ok(killed.len()) } else { Err(Error::all(errors)) }
    }

    pub fn pause_services(&mut self, scope: &Scope, observed: &Observed, services: &[String]) -> Result<()> {
        self.each_running(scope, observed, services, "Paused", |apply, id| apply.engine.pause(id))
    }

    pub fn unpause_services(
        &mut self,
        scope: &Scope,
        observed: &Observed,
        services: &[String],
    ) -> Result<()> {
        self.each_running(scope, observed, services, "Unpaused", |apply, id| apply.engine.unpause(id))
    }

    fn each_running(
        &mut self,
        scope: &Scope,
        observed: &Observed,
        services: &[String],
        word: &str,
        action: fn(&Self, &str) -> hull_engine::Result<()>,
    ) -> Result<()> {
        let mut errors = Vec::new();
        for one in chosen(scope, observed, services, false).filter(|one| one.status.is_active()) {
            let id = progress::container(&one.name);
            let done = if self.dry_run { Ok(()) } else { action(self, &one.id) };
            match done.context(|| id.clone()) {
                Ok(()) => self.progress.event(Event::done(id, word)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::all(errors)) }
    }

    /// Removes these containers.
    pub fn remove_containers(&mut self, containers: &[Container], force: bool, volumes: bool) -> Result<()> {
        for one in containers {
            self.progress.event(Event::working(progress::container(&one.name), "Removing"));
        }
        let mut errors = Vec::new();
        let ids: Vec<String> = containers.iter().map(|one| one.id.clone()).collect();
        let mut done = |index: usize, outcome: hull_engine::Result<()>| {
            let id = progress::container(&containers[index].name);
            match outcome {
                Ok(()) => self.progress.event(Event::done(id, "Removed")),
                Err(error) if error.is_no_such_container() => self.progress.event(Event::done(id, "Removed")),
                Err(error) => {
                    self.progress.event(Event::error(&id, error.to_string()));
                    errors.push(Error::Engine { what: id, source: Box::new(error) });
                }
            }
        };
        match self.dry_run {
            true => (0..ids.len()).for_each(|index| done(index, Ok(()))),
            false => self.engine.remove_all(&ids, force, volumes, &mut done),
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::all(errors)) }
    }
}

/// The containers of `rm`: those of the services that do not run.
pub fn stopped(scope: &Scope, observed: &Observed, services: &[String]) -> Vec<Container> {
    let stopped = chosen(scope, observed, services, false).filter(|one| !one.status.is_active());
    stopped.cloned().collect()
}

/// The containers of each service, by number.
fn members(scope: &Scope, observed: &Observed) -> Members {
    let mut members = Members::new();
    for service in scope.services.keys() {
        let own = observed.of_service(service).map(|one| Member {
            id: one.id.clone(),
            name: one.name.clone(),
            runs: one.is_running(),
        });
        members.insert(service.clone(), own.collect());
    }
    members
}

/// The services that are restarted. Only dependencies with `restart: true` count, and only what depends on a restarted
/// service by one of those is restarted with it.
fn restarted(scope: &Scope, services: &[String], with_dependents: bool) -> Result<Scope> {
    let mut restarted = scope.clone();
    for service in restarted.services.values_mut() {
        service.depends_on.retain(|_, dependency| dependency.restart);
    }
    if !services.is_empty() {
        let graph = restarted.graph()?;
        let nodes: Vec<usize> = services.iter().filter_map(|name| graph.find(name)).collect();
        let kept: BTreeSet<usize> = match with_dependents {
            true => graph.with_dependents(&nodes),
            false => nodes.into_iter().collect(),
        };
        restarted.services.retain(|name, _| graph.find(name).is_some_and(|node| kept.contains(&node)));
    }
    Ok(restarted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Condition, Dependency, Wanted};

    #[test]
    fn what_asks_for_it_restarts_with_its_dependency() {
        let on = |name: &str, restart| Wanted {
            depends_on: [(
                name.to_owned(),
                Dependency { condition: Condition::Started, restart, required: true },
            )]
            .into(),
            ..Wanted::default()
        };
        let services = [
            ("db", Wanted::default()),
            ("api", on("db", true)),
            ("job", on("db", false)),
            ("web", on("api", true)),
        ];
        let services = services.map(|(name, service)| (name.to_owned(), service)).into();
        let scope = Scope { services, ..Scope::default() };
        let names = |services: &[String], with| -> Vec<String> {
            restarted(&scope, services, with).unwrap().services.into_keys().collect()
        };
        assert_eq!(names(&["db".into()], true), ["api", "db", "web"]);
        assert_eq!(names(&["db".into()], false), ["db"]);
        assert_eq!(names(&[], true).len(), 4);
    }
}
