//! What a project's containers print, and when they start and end, in one poll loop of the caller.
//!
//! ```text
//! mod     the containers that are followed, and the event log
//! member  one of them: its log, or its attachment where the log driver keeps nothing
//! lines   streams of bytes as lines
//! ```
//! A container's log goes on when it is restarted, so nothing is missed between two runs. The monitor of a container writes
//! its last output to the log before it tells of the end, so the log is complete when the event comes.

mod lines;
mod member;

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::Duration;

use hull_docker::wire::events::Message;
use hull_engine::options::LogsOptions;
use hull_engine::{Engine, EventReader, EventSink, Grown, LogWatch, Status, Stream};
use rustix::event::{PollFd, PollFlags};

use crate::error::{Context, Result};
use crate::labels;
use crate::observe::{self, Container};
pub(crate) use lines::Lines;
use member::Member;

/// How often to look where inotify is not available.
const POLL: Duration = Duration::from_millis(50);

/// What is followed.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub project: String,
    /// The services whose containers are followed; all of them if there is none.
    pub services: BTreeSet<String>,
    /// Only the containers with this number.
    pub index: Option<u32>,
    /// Those whose output is given; that of all if this is `None`.
    pub shown: Option<BTreeSet<String>>,
    /// Which part of the present logs is given.
    pub logs: LogsOptions,
}

/// The receiver of what happens. A source is a container's name without its project's.
pub trait Audience {
    /// A line without its newline.
    fn line(&mut self, source: &str, stream: Stream, line: &[u8]);

    fn exited(&mut self, ended: &Ended<'_>);

    /// A container has been replaced by another one.
    fn recreated(&mut self, source: &str);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended<'a> {
    pub source: &'a str,
    pub service: &'a str,
    pub code: u8,
    /// Its restart policy starts it again.
    pub is_restarting: bool,
}

pub struct Follow<'e> {
    engine: &'e Engine,
    options: Options,
    events: EventReader,
    watch: Option<LogWatch>,
    /// By service and number; later ones at the end.
    members: Vec<Member>,
    /// Whether all logs are to be read, even if the watch has reported no change.
    is_fresh: bool,
}

impl<'e> Follow<'e> {
    /// Begins with the containers that exist. What happens from now on is given by [`Self::turn`].
    pub fn begin(engine: &'e Engine, options: Options) -> Result<Self> {
        // Opened before the containers are listed, so that no event is missed.
        let events = engine.event_reader(false).context(|| "read the events".into())?;
        let watch = LogWatch::new();
        let mut follow = Self { engine, options, events, watch, members: Vec::new(), is_fresh: true };
        for container in follow.listed()? {
            follow.add(&container, follow.options.logs.clone());
        }
        Ok(follow)
    }

    /// The sources, sorted, whose output is shown.
    pub fn sources(&self) -> Vec<&str> {
        let mut sources: Vec<&str> =
            self.members.iter().filter(|member| member.is_shown).map(|member| &*member.source).collect();
        sources.sort_unstable();
        sources
    }

    /// True when each container that was followed has ended, or is gone.
    pub fn is_over(&self) -> bool {
        !self.members.iter().any(|member| member.may_run)
    }

    /// Whether a container runs, or is going to be restarted. Others may never have been started.
    pub fn is_running(&self) -> bool {
        self.members.iter().any(|member| member.may_run && member.has_started)
    }

    /// What to poll for. A descriptor that is ready, or [`Self::timeout`], means [`Self::turn`].
    pub fn interests(&self) -> Vec<PollFd<'_>> {
        let readable = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let watch = self.watch.as_ref().map(AsFd::as_fd);
        let own = self.events.descriptor().into_iter().chain(watch);
        own.chain(self.members.iter().flat_map(Member::descriptors)).map(readable).collect()
    }

    /// When to look, if there is something that cannot be polled.
    pub fn timeout(&self) -> Option<Duration> {
        let is_watched = self.events.descriptor().is_some() && self.watch.is_some();
        (!is_watched || self.members.iter().any(|member| !member.is_watched())).then_some(POLL)
    }

    /// Gives the audience what has come.
    pub fn turn(&mut self, audience: &mut dyn Audience) -> Result<()> {
        let grown = match (&self.watch, std::mem::take(&mut self.is_fresh)) {
            (Some(watch), false) => watch.take(),
            _ => Grown::Any,
        };
        let mut happened = Happened::default();
        let project = self.options.project.clone();
        let is_ours = |event: &Message| {
            event.kind == "container" && event.actor.attributes.get(labels::PROJECT) == Some(&project)
        };
        self.events.read(&mut happened, &mut { is_ours }).context(|| "read the events".into())?;
        for event in happened.0 {
            self.take(&event, audience)?;
        }
        for member in self.members.iter_mut() {
            member.read(&grown, audience)?;
        }
        self.find_killed();
        Ok(())
    }

    /// Gives the lines that have no end, because nothing follows.
    pub fn finish(&mut self, audience: &mut dyn Audience) {
        self.members.iter_mut().for_each(|member| member.finish(audience));
    }

    fn take(&mut self, event: &Message, audience: &mut dyn Audience) -> Result<()> {
        let id = &event.actor.id;
        match &*event.action {
            "create" | "start" if !self.members.iter().any(|member| member.id == *id) => {
                self.meet(id, audience)?
            }
            "start" => {
                let name = event.actor.attributes.get("name");
                let Some(member) = self.members.iter_mut().find(|member| member.id == *id) else {
                    return Ok(());
                };
                member.start(self.engine, &self.options.project, name.map(String::as_str));
            }
            "die" => {
                let Some(member) = self.members.iter_mut().find(|member| member.id == *id) else {
                    return Ok(());
                };
                member.read(&Grown::Any, audience)?;
                member.finish(audience);
                let code = event.actor.attributes.get("exitCode").and_then(|code| code.parse().ok());
                let moment = self.engine.moment(id).ok();
                let is_restarting = moment.is_some_and(|moment| {
                    matches!(moment.status, Status::Running | Status::Restarting | Status::Paused)
                });
                member.end(is_restarting);
                audience.exited(&Ended {
                    source: &member.source,
                    service: &member.service,
                    code: code.unwrap_or(0),
                    is_restarting,
                });
            }
            "destroy" => {
                if let Some(index) = self.members.iter().position(|member| member.id == *id) {
                    self.members.remove(index).finish(audience);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A container that did not exist when this began.
    fn meet(&mut self, id: &str, audience: &mut dyn Audience) -> Result<()> {
        let Some(container) = self.listed()?.into_iter().find(|container| container.id == id) else {
            return Ok(());
        };
        if let Some(replaced) = container.label(labels::REPLACE) {
            audience.recreated(replaced);
        }
        let all = LogsOptions { timestamps: self.options.logs.timestamps, ..LogsOptions::default() };
        self.add(&container, all);
        Ok(())
    }

    fn add(&mut self, container: &Container, logs: LogsOptions) {
        let is_shown = self.options.shown.as_ref().is_none_or(|shown| shown.contains(&container.service));
        let mut member = Member::new(container, &self.options.project, is_shown);
        member.open(self.engine, &logs, self.watch.as_ref());
        self.members.push(member);
    }

    /// The containers of the project that are followed.
    fn listed(&self) -> Result<Vec<Container>> {
        let services = &self.options.services;
        let mut containers = observe::containers(self.engine, &self.options.project)?;
        containers.retain(|one| {
            !one.one_off
                && (services.is_empty() || services.contains(&one.service))
                && self.options.index.is_none_or(|index| one.number == Some(index))
        });
        Ok(containers)
    }

    /// Nobody tells of the end of a container whose monitor was killed, until somebody looks. The look makes the event.
    fn find_killed(&mut self) {
        for member in &mut self.members {
            if member.has_lost_monitor() {
                let _ = self.engine.moment(&member.id);
            }
        }
    }
}

#[derive(Default)]
struct Happened(Vec<Message>);

impl EventSink for Happened {
    fn take(&mut self, event: Message) -> std::io::Result<()> {
        self.0.push(event);
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn missed(&mut self) {}

    fn reader(&self) -> std::os::fd::BorrowedFd<'_> {
        // `EventReader::read` does not wait for this reader.
        rustix::fs::CWD
    }
}
