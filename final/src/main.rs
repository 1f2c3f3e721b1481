//! `hull`: containers without a daemon, with docker's command line.
//!
//! ```text
//! cli/       what can be typed, and what it means to the engine
//! commands/  one file per verb, or per few that share a shape
//! ui/        the terminal, and what is printed: errors, hints, tables, progress
//! environment  the variables that hull reads
//! persona    the name under which it was started: hull, docker, podman, buildah, lxc…
//! ```

mod cli;
mod commands;
mod environment;
mod persona;
mod ui;

use std::process::ExitCode;

use clap::CommandFactory;

use persona::Persona;

fn main() -> ExitCode {
    hull_runtime::serve_as_init();
    if let Err(code) = commands::protect() {
        return code;
    }
    if Persona::is_lxc() {
        return commands::lxc::main();
    }
    match cli::parse() {
        Ok(cli) => commands::run(&cli),
        Err(error) => ui::errors::usage(&error, cli::Cli::command()),
    }
}
