//! `up`, `create` and `scale`: look, plan, and carry the plan out.

use std::collections::BTreeMap;
use std::time::Duration;

use hull_composefile::hash;
use hull_composefile::model::{Project, Service};
use hull_engine::Engine;

use crate::apply::{Apply, Created, Members, Roll, StartOptions, Stop, Then, WaitFor};
use crate::convert;
use crate::error::{Context, Error, Result};
use crate::graph::Graph;
use crate::observe::{Container, Observed, observe};
use crate::plan::{Condition, Plan, PlanOptions, Reason, ResourceAction, WantedProject, plan};
use crate::progress::{self, Event};
use crate::references;
use crate::scope::Scope;
use crate::timeline::Timeline;

#[derive(Debug, Clone, Default)]
pub struct UpOptions {
    pub plan: PlanOptions,
    /// Says nothing of containers whose service is not in the files.
    pub ignore_orphans: bool,
    /// Wait until everything runs or is healthy.
    pub wait: bool,
    /// How long a service waits for what it depends on, and how long [`Self::wait`] lasts.
    pub wait_timeout: Option<Duration>,
    /// Replace running containers without a moment in which nobody answers.
    pub rolling: bool,
}

/// Asked before data are lost.
pub type Confirm<'a> = &'a mut dyn FnMut(&str) -> Result<bool>;

/// A project whose containers are there, and may still have to be started.
pub struct Prepared {
    pub scope: Scope,
    pub graph: Graph,
    /// The containers of each service. Of one that is replaced while it runs, the old one.
    pub members: Members,
    pub rolls: Vec<Roll>,
}

/// Plans what `up` would do.
pub fn plan_up(engine: &Engine, project: &Project, options: &PlanOptions) -> Result<(Plan, Observed)> {
    let observed = observe(engine, &project.name)?;
    let images = std::cell::RefCell::new(BTreeMap::<String, Option<String>>::new());
    let image_id = |_: &str, service: &Service| {
        let name = convert::image(project, service);
        let look = |name: &String| engine.images().identity(name).ok().map(|(id, _)| id.to_string());
        let mut images = images.borrow_mut();
        images.entry(name).or_insert_with_key(look).clone()
    };
    let hash = |name: &str, references: &BTreeMap<String, String>| {
        let missing = || Error::Invalid(format!("no such service: {name}"));
        let service = project.services.get(name).ok_or_else(missing)?;
        Ok(match references.is_empty() {
            true => hash::service(service),
            false => hash::service(&references::resolve(service, references)),
        })
    };
    let wanted = WantedProject::of(project, &image_id, &hash)?;
    let plan = plan(&wanted, &observed, options)?;
    Ok((plan, observed))
}

impl Apply<'_> {
    /// Makes the engine have what the files say. Nothing is started yet. The images have to be there.
    pub fn prepare(&mut self, options: &UpOptions, confirm: Confirm<'_>) -> Result<Prepared> {
        let project = self.files()?;
        let scope = Scope::of_files(project)?;
        let graph = scope.graph()?;
        let _turn = self.turn(&project.name)?;
        for service in project.services.values() {
            convert::ignored(project, service)?.iter().for_each(|warning| self.warn(warning));
        }
        let plan = self.settle_resources(options, &graph, confirm)?;
        plan.warnings.iter().for_each(|warning| self.warn(warning));
        self.orphans(&plan, options)?;
        let networks = self.make_resources(&plan)?;
        let created = match self.create(&plan) {
            Ok(created) => created,
            Err(error) => return Err(self.undo_networks(networks, error)),
        };
        let rolls = if options.rolling { self.rolls(&plan, &created)? } else { vec![] };
        let plan = without(plan, &scope, &rolls);
        self.replace(&plan, &graph, &created)?;
        let mut members = created.members;
        for service in &plan.stop {
            members.entry(service.clone()).or_default().iter_mut().for_each(|member| member.runs = false);
        }
        for roll in &rolls {
            let own = members.entry(roll.service.clone()).or_default();
            for member in own.iter_mut().filter(|member| member.id == roll.new) {
                (member.id, member.runs) = (roll.old.0.clone(), true);
            }
        }
        Ok(Prepared { scope, graph, members, rolls })
    }

    /// Starts what does not run, and waits for all if that was asked for.
    pub fn start_prepared(
        &mut self,
        prepared: &Prepared,
        options: &UpOptions,
        timeline: &mut Timeline,
    ) -> Result<()> {
        let Prepared { scope, graph, members, rolls } = prepared;
        let start = StartOptions { wait_timeout: options.wait_timeout, restart: false };
        self.start(scope, graph, members, start, timeline)?;
        self.roll(rolls, options.wait_timeout, timeline)?;
        let mut members = members.clone();
        for member in members.values_mut().flatten() {
            if let Some(roll) = rolls.iter().find(|roll| roll.old.0 == member.id) {
                member.id.clone_from(&roll.new);
            }
        }
        let members = &members;
        match options.wait {
            true => self.wait(&waits(scope), members, options.wait_timeout),
            false => Ok(()),
        }
    }

    /// Plans, and makes networks and volumes again that differ from the files: their containers are stopped before, so the
    /// plan is another one then.
    fn settle_resources(&mut self, options: &UpOptions, graph: &Graph, confirm: Confirm<'_>) -> Result<Plan> {
        let project = self.files()?;
        let mut plan_options = options.plan.clone();
        let (mut plan, mut observed) = plan_up(self.engine, project, &plan_options)?;
        for name in std::mem::take(&mut plan.diverged_volumes) {
            let question = format!(
                "Volume {name:?} exists but doesn't match configuration in compose file. Recreate (data will be lost)?"
            );
            if confirm(&question)? {
                plan_options.recreate_volumes.push(name);
            }
        }
        if plan_options.recreate_volumes.len() > options.plan.recreate_volumes.len() {
            (plan, observed) = plan_up(self.engine, project, &plan_options)?;
        }
        let is_replaced = |action: &ResourceAction| *action == ResourceAction::Replace;
        if !plan.networks.iter().chain(&plan.volumes).any(|one| is_replaced(&one.action)) {
            return Ok(plan);
        }
        self.clear_resources(&plan, &observed, graph)?;
        if self.dry_run {
            return Ok(plan);
        }
        plan_up(self.engine, project, &plan_options).map(|(plan, _)| plan)
    }

    /// Stops the containers of networks and volumes that are made again, and removes these. What used a volume is removed
    /// with it.
    fn clear_resources(&mut self, plan: &Plan, observed: &Observed, graph: &Graph) -> Result<()> {
        let mut stops: Vec<Stop> = Vec::new();
        let users = |networks: bool| {
            let all = if networks { &plan.networks } else { &plan.volumes };
            all.iter().filter(|one| one.action == ResourceAction::Replace)
        };
        for (one, then) in users(false)
            .map(|one| (one, Then::Remove { volumes: false }))
            .chain(users(true).map(|one| (one, Then::Nothing)))
        {
            for container in one.users.iter().flat_map(|service| observed.of_service(service)) {
                if !stops.iter().any(|stop| stop.id == container.id) {
                    let (service, id, name) =
                        (container.service.clone(), container.id.clone(), container.name.clone());
                    stops.push(Stop { service, id, name, then: then.clone() });
                }
            }
        }
        self.stop(graph, &stops)?;
        for one in users(false) {
            let removed = if self.dry_run { Ok(()) } else { self.engine.remove_volume(&one.name) };
            removed.context(|| format!("remove volume {}", one.name))?;
            self.progress.event(Event::done(progress::volume(&one.name), "Removed"));
        }
        for one in users(true) {
            let removed = if self.dry_run { Ok(()) } else { self.engine.remove_network(&one.name).map(drop) };
            removed.context(|| format!("remove network {}", one.name))?;
            self.progress.event(Event::done(progress::network(&one.name), "Removed"));
        }
        Ok(())
    }

    fn orphans(&mut self, plan: &Plan, options: &UpOptions) -> Result<()> {
        if plan.orphans.is_empty() || options.ignore_orphans {
            return Ok(());
        }
        if !plan.remove_orphans {
            let names: Vec<&str> = plan.orphans.iter().map(|one| one.name.as_str()).collect();
            self.warn(&format!(
                "Found orphan containers ([{}]) for this project. If you removed or renamed this service in your compose \
                 file, you can run this command with the --remove-orphans flag to clean it up.",
                names.join(" ")
            ));
            return Ok(());
        }
        let remove = |one: &Container| Stop {
            service: String::new(),
            id: one.id.clone(),
            name: one.name.clone(),
            then: Then::Remove { volumes: false },
        };
        let stops: Vec<Stop> = plan.orphans.iter().map(remove).collect();
        self.stop(&Graph::default(), &stops)
    }

    /// Stops what goes, and gives the new containers their names.
    fn replace(&mut self, plan: &Plan, graph: &Graph, created: &Created) -> Result<()> {
        let mut stops = Vec::new();
        let stop = |one: &Container, then: Then| Stop {
            service: one.service.clone(),
            id: one.id.clone(),
            name: one.name.clone(),
            then,
        };
        for service in &plan.services {
            for (container, why) in &service.remove {
                let same = |one: &&Container| one.number == container.number && one.status.is_active();
                if let (Reason::Replaced, Some(new), false) =
                    (why, service.keep.iter().find(same), self.dry_run)
                {
                    // An `up --rolling` was killed before it could hand over. If that fails, the new container takes over
                    // when the old one has ended.
                    let _ = self.engine.take_over(&new.id, &container.id);
                }
                // Its replacement has its volumes.
                let volumes = *why == Reason::Orphan;
                stops.push(stop(container, Then::Remove { volumes }));
            }
            stops.extend(service.replace.iter().map(|replace| stop(&replace.container, Then::Replace)));
            // What a killed command has begun to stop has to end before it can be started.
            let restarts = plan.stop.contains(&service.service);
            let running =
                service.keep.iter().filter(|one| one.status.is_active() && (restarts || one.is_stopping));
            stops.extend(running.map(|one| stop(one, Then::Nothing)));
        }
        if !stops.is_empty() {
            self.stop(graph, &stops)?;
        }
        // After the removals, because an interrupted command may have left a container that has the name.
        for service in &plan.services {
            for (container, name) in &service.rename {
                self.rename(&container.id, name)?;
            }
            for replace in &service.replace {
                let by = created.replacements.get(&replace.container.id).map_or("", String::as_str);
                self.rename(by, &replace.name)?;
            }
        }
        Ok(())
    }
}

/// The plan without what is replaced later, while it runs. What restarts with that does not have to.
fn without(mut plan: Plan, scope: &Scope, rolls: &[Roll]) -> Plan {
    for service in &mut plan.services {
        service.replace.retain(|replace| !rolls.iter().any(|roll| roll.old.0 == replace.container.id));
    }
    let replaced: Vec<&str> =
        plan.services.iter().filter(|one| !one.replace.is_empty()).map(|one| one.service.as_str()).collect();
    let restarts = |service: &String| {
        let depends_on = scope.services.get(service).map(|service| &service.depends_on);
        depends_on.into_iter().flatten().any(|(on, one)| one.restart && replaced.contains(&on.as_str()))
    };
    plan.stop.retain(restarts);
    plan
}

/// What `--wait` waits for: a service that others wait for to complete is not to keep running.
fn waits(scope: &Scope) -> Vec<WaitFor> {
    let completes = |name: &str| {
        let mut others = scope.services.values();
        others
            .any(|other| other.depends_on.get(name).is_some_and(|one| one.condition == Condition::Completed))
    };
    let wait = |name: &String| {
        let condition = if completes(name) { Condition::Completed } else { Condition::RunningOrHealthy };
        WaitFor { service: name.clone(), condition }
    };
    let wanted = scope.services.iter().filter(|(_, service)| service.scale != 0 && !service.is_provided);
    wanted.map(|(name, _)| wait(name)).collect()
}
