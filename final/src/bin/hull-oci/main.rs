//! `hull-oci`: the OCI runtime as a program, with runc's command line.
//!
//! ```text
//! cli        commands and options              report          errors, on stderr and in --log
//! bundle     reading config.json               state           <root>/<id>/: what is recorded of a container
//! create, start, run, exec, kill, delete, …    one file for each command
//! console    --console-socket                  relay           the foreground: signals and the terminal
//! streams    stdin, stdout and stderr of a program without a terminal
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
mod spec;
mod start;
mod state;
mod streams;
mod update;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{Cli, Verb};
use hull_sys::{reexec, self_exe};
use state::Root;

fn main() -> ExitCode {
    // Before the command line is parsed, because the program executes itself again and would parse it twice.
    let protected = reexec::is_needed(&reexec::HULL_OCI).then(self_exe::protect);
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return report::usage(&error),
    };
    let result = dispatch(&cli, protected);
    ExitCode::from(result.unwrap_or_else(|error| report::failure(&cli.global, &cli.verb, &error)))
}

fn enters_container(verb: &Verb) -> bool {
    matches!(verb, Verb::Create(_) | Verb::Run(_) | Verb::Exec(_))
}

fn dispatch(cli: &Cli, protected: Option<nix::Result<()>>) -> Result<u8> {
    // The file of a program that enters a container must not be writable from inside.
    if enters_container(&cli.verb) {
        protected.unwrap_or_else(self_exe::protect)?;
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_program_is_protected_for_exactly_the_verbs_that_the_entry_knows() {
        for verb in Cli::command().get_subcommands().map(clap::Command::get_name) {
            let mut words = vec!["hull-oci", verb];
            words.extend(match verb {
                "list" | "spec" | "features" => [].as_slice(),
                _ => &["container"],
            });
            let cli = Cli::try_parse_from(&words).unwrap();
            assert_eq!(enters_container(&cli.verb), reexec::HULL_OCI.contains(&verb), "{verb}");
        }
        assert!(reexec::HULL_OCI.iter().all(|verb| Cli::command().find_subcommand(verb).is_some()));
    }
}
