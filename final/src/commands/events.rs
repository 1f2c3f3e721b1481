//! `events`: what happens to containers, images, volumes and networks.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::SystemTime;

use anyhow::{Result, bail};
use hull_docker::filters::event::EventFilters;
use hull_docker::time;
use hull_docker::wire::events::Message;
use hull_engine::{Engine, EventOptions, EventSink};
use hull_printable as printable;
use hull_template::Template;
use serde_json::{Value, json};

use super::filter::checked;
use crate::cli::events::Events;
use crate::cli::values::read_if_given;
use crate::ui::errors;
use crate::ui::reader_gone::Output;

pub fn events(engine: &Engine, args: &Events) -> Result<u8> {
    let now = SystemTime::now();
    let [mut since, mut until] = moments(args.since.as_deref(), args.until.as_deref(), now)?;
    if args.stream == Some(false) {
        since = since.or(Some(SystemTime::UNIX_EPOCH));
        until = Some(until.map_or(now, |until| until.min(now)));
    }
    let filters = checked(&args.filter, EventFilters::parse(&args.filter))?;
    let format = Format::parse(args.format.as_deref())?;
    let mut printer = Printer::new(|event| format.render(event).map(Some));
    engine.begin_events(EventOptions { since, until, filters })?.give(&mut printer)?;
    Ok(0)
}

/// The values of `--since` and `--until`.
pub(super) fn moments(
    since: Option<&str>,
    until: Option<&str>,
    now: SystemTime,
) -> Result<[Option<SystemTime>; 2]> {
    let moment = |text: &str| time::parse(text, now);
    let since = read_if_given("--since", since, moment)?;
    let until = read_if_given("--until", until, moment)?;
    match (since, until) {
        (Some(since), Some(until)) if until < since => {
            bail!("--until lies before --since, so there is nothing to show")
        }
        moments => Ok([moments.0, moments.1]),
    }
}

enum Format {
    /// docker's: `TIME TYPE ACTION ID (KEY=VALUE, …)`.
    Line,
    Json,
    Template(Template),
}

impl Format {
    fn parse(format: Option<&str>) -> Result<Self> {
        let format = format.unwrap_or_default().trim().replace("\\t", "\t").replace("\\n", "\n");
        Ok(match format.as_str() {
            "" => Self::Line,
            // Templates have Go's names of the fields, and the whole object has those of docker's JSON.
            "json" | "{{json .}}" | "{{ json . }}" => Self::Json,
            _ => Self::Template(Template::parse(&format)?),
        })
    }

    fn render(&self, event: &Message) -> Result<String> {
        Ok(match self {
            Self::Line => line(event),
            Self::Json => printable::json(&serde_json::to_string(event)?).into_owned(),
            Self::Template(template) => template.render(&fields(event))?,
        })
    }
}

fn line(event: &Message) -> String {
    let at = SystemTime::UNIX_EPOCH
        + std::time::Duration::from_nanos(u64::try_from(event.time_nano).unwrap_or_default());
    let mut text = format!("{} {} {} {}", time::print(at), event.kind, event.action, event.actor.id);
    let pairs: Vec<_> = event.actor.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if !pairs.is_empty() {
        // Writing to a string does not fail.
        let _ = write!(text, " ({})", pairs.join(", "));
    }
    text
}

/// The event with Go's names, all of them, as docker's templates see it.
fn fields(event: &Message) -> Value {
    json!({
        "Status": event.status,
        "ID": event.id,
        "From": event.from,
        "Type": event.kind,
        "Action": event.action,
        "Actor": event.actor,
        "Scope": event.scope,
        "Time": event.time,
        "TimeNano": event.time_nano,
    })
}

/// Prints events to stdout, each as the text that `render` makes. Those for which it makes none are left out.
pub(super) struct Printer<F> {
    render: F,
    text: String,
    stdout: io::Stdout,
}

impl<F: FnMut(&Message) -> Result<Option<String>>> Printer<F> {
    pub(super) fn new(render: F) -> Self {
        Self { render, text: String::new(), stdout: io::stdout() }
    }
}

impl<F: FnMut(&Message) -> Result<Option<String>>> EventSink for Printer<F> {
    fn take(&mut self, event: Message) -> io::Result<()> {
        let Some(line) = (self.render)(&event).map_err(io::Error::other)? else { return Ok(()) };
        self.text.push_str(&printable::block(&line));
        self.text.push('\n');
        if self.text.len() >= 64 * 1024 { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut out = Output(&mut self.stdout);
        out.write_all(self.text.as_bytes())?;
        self.text.clear();
        out.flush()
    }

    fn missed(&mut self) {
        errors::warn("events are missing here", "they came faster than the output was read");
    }

    fn reader(&self) -> BorrowedFd<'_> {
        self.stdout.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Message {
        serde_json::from_str(
            r#"{"Type":"network","Action":"connect","Actor":{"ID":"n1","Attributes":{"name":"bridge","container":"c1"}},
                "scope":"local","time":1700000000,"timeNano":1700000000000000001}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_line_is_docker_s() {
        let expected = "2023-11-14T22:13:20.000000001Z network connect n1 (container=c1, name=bridge)";
        assert_eq!(Format::parse(None).unwrap().render(&event()).unwrap(), expected);
    }

    #[test]
    fn a_template_has_go_s_names_and_json_docker_s() {
        let render = |format| Format::parse(Some(format)).unwrap().render(&event()).unwrap();
        let template = "{{.Type}} {{.ID}}{{.From}} {{.Actor.Attributes.name}} {{.TimeNano}}";
        assert_eq!(render(template), "network  bridge 1700000000000000001");
        assert_eq!(render("{{.Actor.Attributes.none}}"), "<no value>");
        assert!(render("json").starts_with(r#"{"Type":"network","Action":"connect""#));
        assert_eq!(render("json"), render("{{json .}}"));
    }
}
