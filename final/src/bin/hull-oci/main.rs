//! `hull-oci`: the OCI runtime as a program of its own, with runc's command line.
//!
//! ```text
//! cli        what can be typed                        report   errors, on stderr and in --log
//! bundle     config.json, read and made applicable    state    <root>/<id>/, what other commands find
//! create, start, run, exec, kill, delete, …           one file per verb, or per few that share a shape
//! console    --console-socket                         relay    the foreground: signals and the terminal
//! ```

mod bundle;
mod checkpoint;
mod cli;
mod console;
mod create;
mod delete;
mod events;
mod exec;
mod features;
mod kill;
mod list;
mod pause;
mod ps;
mod relay;
mod report;
mod restore;
mod run;
mod signal;
mod spec;
mod start;
mod state;
mod streams;
mod update;
// Shared with hull: both programs print in the same way.
#[path = "../../ui/usage.rs"]
mod usage;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{Cli, Verb};
use state::Root;

fn main() -> ExitCode {
    // Before the command line is read, which would else be read twice: this program begins anew. A word may be another's
    // argument; then it began anew for nothing.
    let is_entering = |word: std::ffi::OsString| matches!(word.to_str(), Some("create" | "run" | "exec"));
    let protected = std::env::args_os().skip(1).any(is_entering).then(hull_sys::self_exe::protect);
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return report::usage(&error),
    };
    let result = dispatch(&cli, protected);
    ExitCode::from(result.unwrap_or_else(|error| report::failure(&cli.global, &cli.verb, &error)))
}

fn dispatch(cli: &Cli, protected: Option<nix::Result<()>>) -> Result<u8> {
    // What runs a program inside a container must not be writable from there.
    if matches!(cli.verb, Verb::Create(_) | Verb::Run(_) | Verb::Exec(_)) {
        protected.unwrap_or_else(hull_sys::self_exe::protect)?;
    }
    report::debug(&cli.global, &cli.verb);
    let root = &Root::new(cli.global.root.clone());
    match &cli.verb {
        Verb::Create(args) => create::create(root, args, &cli.global),
        Verb::Start(args) => start::start(root, args, &cli.global),
        Verb::Run(args) => run::run(root, args, &cli.global),
        Verb::State(args) => list::state(root, args),
        Verb::List(args) => list::list(root, args),
        Verb::Kill(args) => kill::kill(root, args),
        Verb::Delete(args) => delete::delete(root, args, &cli.global),
        Verb::Exec(args) => exec::exec(root, args, &cli.global),
        Verb::Ps(args) => ps::ps(root, args),
        Verb::Pause(args) => pause::pause(root, args),
        Verb::Resume(args) => pause::resume(root, args),
        Verb::Update(args) => update::update(root, args),
        Verb::Spec(args) => spec::spec(args),
        Verb::Features => features::features(),
        Verb::Events(args) => events::events(root, args),
        Verb::Checkpoint(args) => checkpoint::checkpoint(root, args, &cli.global),
        Verb::Restore(args) => restore::restore(root, args, &cli.global),
    }
}
