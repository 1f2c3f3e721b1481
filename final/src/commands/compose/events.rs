//! `compose events`: what happens to the project's containers.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use hull_compose::labels;
use hull_docker::filters::event::EventFilters;
use hull_docker::time;
use hull_docker::wire::events::Message;
use hull_engine::{Engine, EventOptions};
use hull_printable as printable;
use serde_json::json;

use super::Session;
use super::containers::{OneOff, of_project};
use crate::cli::compose::list::Events;
use crate::commands::events::{Printer, moments};

/// What labels of Compose begin with. The events are printed without them.
const PREFIX: &str = "com.docker.compose.";

pub fn events(session: &Session<'_>, args: &Events) -> Result<u8> {
    let [since, until] = moments(args.since.as_deref(), args.until.as_deref(), SystemTime::now())?;
    let project = session.project_name()?;
    let engine = session.engine()?;
    let filters = [format!("label={}={project}", labels::PROJECT), "type=container".to_owned()];
    let filters = EventFilters::parse(&filters).map_err(anyhow::Error::msg)?;
    let mut known = Known { engine: &engine, project: &project, is_member: HashMap::new() };
    let mut printer = Printer::new(|event: &Message| {
        let attributes = &event.actor.attributes;
        let service = attributes.get(labels::SERVICE).map_or("", String::as_str);
        let is_wanted = args.services.is_empty() || args.services.iter().any(|wanted| wanted == service);
        let is_one_off = attributes.get(labels::ONE_OFF).is_some_and(|value| value == "True");
        if !is_wanted || is_one_off || !known.is_member(event)? {
            return Ok(None);
        }
        Ok(Some(if args.json { as_json(event, service)? } else { line(event) }))
    });
    engine.begin_events(EventOptions { since, until, filters })?.give(&mut printer)?;
    Ok(0)
}

/// Which containers of events belong to the project. The labels in an event are also those of the container's image.
struct Known<'a> {
    engine: &'a Engine,
    project: &'a str,
    is_member: HashMap<String, bool>,
}

impl Known<'_> {
    /// A container that has been removed since is known by its labels only.
    fn is_member(&mut self, event: &Message) -> Result<bool> {
        if let Some(known) = self.is_member.get(&event.actor.id) {
            return Ok(*known);
        }
        let is_removed = self.engine.resolve(&event.actor.id).is_err();
        let is_member = is_removed
            || of_project(self.engine, self.project, OneOff::Include)?
                .iter()
                .any(|member| member.summary.id == event.actor.id);
        self.is_member.insert(event.actor.id.clone(), is_member);
        Ok(is_member)
    }
}

fn attributes(event: &Message) -> BTreeMap<&str, &str> {
    let own = event.actor.attributes.iter().filter(|(key, _)| !key.starts_with(PREFIX));
    own.map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

fn moment(event: &Message) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(event.time_nano).unwrap_or_default())
}

fn as_json(event: &Message, service: &str) -> Result<String> {
    let value = json!({
        "action": event.action,
        "attributes": attributes(event),
        "id": event.actor.id,
        "service": service,
        "time": time::go_json(moment(event)),
        "type": "container",
    });
    Ok(printable::json(&serde_json::to_string(&value)?).into_owned())
}

/// `2026-01-02 13:04:05.000000 container start ID (image=…, name=…)`, and an empty line, as Compose prints it.
fn line(event: &Message) -> String {
    let at = time::print(moment(event)).replacen('T', " ", 1);
    let at = at.get(..26).unwrap_or(&at);
    let pairs: Vec<String> = attributes(event).iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{at} container {} {} ({})\n", event.action, event.actor.id, pairs.join(", "))
}
