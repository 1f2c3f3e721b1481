//! The containers of a project, as the verbs list and choose them.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use anyhow::{Result, bail};
use hull_compose::observe::Container;
use hull_engine::{Engine, Summary};

use crate::ui::errors::Hint;

/// A container of a project.
pub struct Member {
    pub container: Container,
    pub summary: Summary,
}

/// The containers of `run`, among a project's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OneOff {
    Include,
    Exclude,
}

impl Member {
    pub fn is_active(&self) -> bool {
        self.summary.status.is_active()
    }

    /// Whether it belongs to one of these services. None stands for all.
    pub fn is_of(&self, services: &[String]) -> bool {
        services.is_empty() || services.contains(&self.container.service)
    }
}

/// All containers of all projects, the newest first.
pub fn of_all_projects(engine: &Engine) -> Result<Vec<Member>> {
    let member = |summary| Container::of(&summary).map(|container| Member { container, summary });
    Ok(engine.list()?.into_iter().filter_map(member).collect())
}

/// The project's containers, the newest first.
pub fn of_project(engine: &Engine, project: &str, one_off: OneOff) -> Result<Vec<Member>> {
    let mut members = of_all_projects(engine)?;
    members.retain(|member| {
        member.container.label(hull_compose::labels::PROJECT) == Some(project)
            && (one_off == OneOff::Include || !member.container.one_off)
    });
    Ok(members)
}

/// The container of a service that a verb works on: the one with this number, or the first. A container of `run` is taken
/// if there is no other.
pub fn of_service(
    engine: &Engine,
    project: &str,
    service: &str,
    index: Option<u32>,
    wanted: impl Fn(&Member) -> bool,
) -> Result<Member> {
    let index = index.filter(|index| *index > 0);
    let members = of_project(engine, project, OneOff::Include)?;
    let services: BTreeSet<String> = members.iter().map(|member| member.container.service.clone()).collect();
    let fits = |member: &Member| {
        member.container.service == service
            && index.is_none_or(|index| member.container.number == Some(index))
            && wanted(member)
    };
    let order = |member: &Member| {
        (member.container.one_off, member.container.number, Reverse(member.summary.created))
    };
    match (members.into_iter().filter(fits).min_by_key(order), index) {
        (Some(member), _) => Ok(member),
        (None, Some(index)) => bail!("service {service:?} is not running container #{index}"),
        (None, None) => Err(is_not_running(service, &services)),
    }
}

/// The hint names the services that have containers, because a command with `--project-name` reads no compose file.
fn is_not_running(service: &str, services: &BTreeSet<String>) -> anyhow::Error {
    let hint = match services.contains(service) {
        true => format!("start it: hull compose up -d {service}"),
        false if services.is_empty() => "start the project: hull compose up -d".to_owned(),
        false => {
            let services = services.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            format!("the services with containers are {services}")
        }
    };
    anyhow::anyhow!("service {service:?} is not running").context(Hint(hint))
}

/// The running container of a service that a verb works on.
pub fn running(engine: &Engine, project: &str, service: &str, index: Option<u32>) -> Result<Member> {
    of_service(engine, project, service, index, Member::is_active)
}
