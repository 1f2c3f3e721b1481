//! The verbs of LXD's client, for hull started as `lxc`: LXD's words, output and exit codes over hull's containers.
//!
//! ```text
//! names      local: before names                               lifecycle  start, stop, restart, pause, delete, rename
//! exec       exec                                              info       info, version
//! launch     launch, init
//! tools      LXC's programs: lxc-start and its like            watched    what a container uses at present
//! ```

mod exec;
mod info;
mod launch;
mod lifecycle;
mod names;
mod tools;
mod watched;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{CommandFactory, Parser};
use hull_engine::Engine;

use super::instances::{self, Request};
use super::{comeback, config, console, file, open, profile, snapshot, storage};
use crate::cli::lxc::instance::List;
use crate::cli::lxc::{Client, Lxc, Verb};
use crate::persona::{self, Persona};
use crate::ui::errors;
use crate::ui::hints::Code;

/// Runs `lxc`, or one of LXC's programs.
pub fn main() -> ExitCode {
    if let Persona::LxcTool(_) = Persona::own() {
        return tools::main();
    }
    let lxc = match Lxc::try_parse_from(names::without_local(persona::words())) {
        Ok(lxc) => lxc,
        Err(error) => return errors::usage(&error, Lxc::command()),
    };
    let code = match dispatch(&lxc) {
        Ok(code) => code,
        Err(error) => errors::report(&error, Code::Exec),
    };
    comeback::start_pending();
    ExitCode::from(code)
}

fn dispatch(lxc: &Lxc) -> Result<u8> {
    check(&lxc.client)?;
    let quiet = lxc.client.quiet;
    let engine = || open(&lxc.global);
    match &lxc.verb {
        Verb::Config(verb) => config::run(&engine()?, verb),
        Verb::Console(args) => console::console(&engine()?, args),
        Verb::Delete(args) => lifecycle::delete(&engine()?, args),
        Verb::Exec(args) => exec::exec(&engine()?, args),
        Verb::File(verb) => file::run(&engine()?, verb),
        Verb::Info(args) => info::info(&engine()?, args),
        Verb::Init(args) => launch::init(&engine()?, args, quiet),
        Verb::Launch(args) => launch::launch(&engine()?, args, quiet),
        Verb::List(args) => list(&engine()?, args),
        Verb::Pause(args) => lifecycle::pause(&engine()?, args),
        Verb::Profile(verb) => profile::run(&engine()?, verb),
        Verb::Rename(args) => lifecycle::rename(&engine()?, args),
        Verb::Restart(args) => lifecycle::restart(&engine()?, args),
        Verb::Snapshots(verb) => snapshot::verb(&engine()?, verb),
        Verb::Start(args) => lifecycle::start(&engine()?, args),
        Verb::Stop(args) => lifecycle::stop(&engine()?, args),
        Verb::Storage(verb) => storage::run(&engine()?, verb),
        Verb::Version(_) => info::version(),
        Verb::Help(args) => super::scripts::help_of(Lxc::command(), &args.words),
    }
}

fn list(engine: &Engine, args: &List) -> Result<u8> {
    if args.fast && args.columns.is_some() {
        bail!("--fast and --columns cannot be used together");
    }
    let request = Request {
        columns: args.columns.as_deref(),
        fast: args.fast,
        format: args.format.as_deref(),
        filters: &args.filters,
    };
    instances::list(engine, &request)
}

/// The other flags of the client ask for what hull does anyway.
fn check(client: &Client) -> Result<()> {
    match client.project.as_deref() {
        None | Some("default") => Ok(()),
        Some(other) => bail!(
            "there is no project {other:?}: hull has one, default, and another --root and --runroot keep containers and images apart"
        ),
    }
}
