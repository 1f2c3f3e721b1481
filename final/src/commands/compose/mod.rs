//! `compose`: a file for each verb, or for several similar ones.
//!
//! ```text
//! session      the project and the engine that a verb works on
//! containers   those of a project
//! work         what the verbs that change containers have in common
//! recreate     the flags that make containers again
//! lifecycle    create, start, stop, restart, kill, rm, pause, unpause, scale, down, diff
//! up, logs     with attached and up_attached, which show what containers print
//! watch        with watching, the part of its loop that up --watch has as well
//! ps, ls, images, volumes, top, port, stats, events   lists; table and ports print them
//! build, pull, push                                   images; jobs and layers do several at the same time
//! config, run, wait, exec (and attach), files (cp, export, commit), version
//! ```

mod attached;
mod build;
mod config;
mod containers;
mod events;
mod exec;
mod files;
mod images;
mod jobs;
mod layers;
mod lifecycle;
mod logs;
mod ls;
mod port;
mod ports;
mod ps;
mod pull;
mod push;
mod recreate;
mod run;
mod session;
mod stats;
mod table;
mod top;
mod up;
mod up_attached;
mod version;
mod volumes;
mod wait;
mod watch;
mod watching;
mod work;

use anyhow::Result;

use crate::cli::Global;
use crate::cli::compose::config::Version;
use crate::cli::compose::{Compose, Verb};
use crate::commands::scripts;

pub use session::Session;

pub fn run(global: &Global, args: &Compose) -> Result<u8> {
    let Some(verb) = &args.verb else {
        return match args.project.version {
            true => version::version(&Version { format: "pretty".into(), short: false }),
            false => scripts::help_on(&["compose".to_owned()]),
        };
    };
    let session = Session::new(global, &args.project)?;
    dispatch(&session, verb).map_err(|error| session.located(error))
}

fn dispatch(session: &Session<'_>, verb: &Verb) -> Result<u8> {
    match verb {
        Verb::Attach(args) => exec::attach(session, args),
        Verb::Build(args) => build::build(session, args),
        Verb::Commit(args) => files::commit(session, args),
        Verb::Config(args) => config::config(session, args),
        Verb::Cp(args) => files::copy(session, args),
        Verb::Create(args) => lifecycle::create(session, args),
        Verb::Diff(args) => lifecycle::diff(session, args),
        Verb::Down(args) => lifecycle::down(session, args),
        Verb::Events(args) => events::events(session, args),
        Verb::Exec(args) => exec::exec(session, args),
        Verb::Export(args) => files::export(session, args),
        Verb::Images(args) => images::images(session, args),
        Verb::Kill(args) => lifecycle::kill(session, args),
        Verb::Logs(args) => logs::logs(session, args),
        Verb::Ls(args) => ls::ls(session, args),
        Verb::Pause(args) => lifecycle::pause(session, args),
        Verb::Port(args) => port::port(session, args),
        Verb::Ps(args) => ps::ps(session, args),
        Verb::Pull(args) => pull::pull(session, args),
        Verb::Push(args) => push::push(session, args),
        Verb::Restart(args) => lifecycle::restart(session, args),
        Verb::Rm(args) => lifecycle::rm(session, args),
        Verb::Run(args) => run::run(session, args),
        Verb::Scale(args) => lifecycle::scale(session, args),
        Verb::Start(args) => lifecycle::start(session, args),
        Verb::Stats(args) => stats::stats(session, args),
        Verb::Stop(args) => lifecycle::stop(session, args),
        Verb::Top(args) => top::top(session, args),
        Verb::Unpause(args) => lifecycle::unpause(session, args),
        Verb::Up(args) => up::up(session, args),
        Verb::Version(args) => version::version(args),
        Verb::Volumes(args) => volumes::volumes(session, args),
        Verb::Wait(args) => wait::wait(session, args),
        Verb::Watch(args) => watch::watch(session, args),
    }
}
