//! Lesson 1: a process with a hostname of its own.
//!
//! ```text
//! run    ── clone(2) into new namespaces ──▶ child        a second process, waits on a pipe
//!           write its id maps                             (idmap.rs)
//!           write to the pipe ─────────────▶ execve         this same program again, as `child '{…}'`
//!           wait for it                      sethostname    now on the inside
//!           pass its exit code on            execve         the user's program
//! enter  ── setns(2) into the namespaces of a process that runs, execve
//! ```

mod idmap;
mod namespaces;
mod options;
mod report;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Parser;
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitStatus, waitpid};
use serde_json::{Value, json};

use options::{Options, Run, Verb};

fn main() -> ExitCode {
    let options = Options::parse();
    report::begin(options.verbose);
    let result = match options.verb {
        Verb::Run(run) => outside(&run),
        Verb::Enter { pid, command } => namespaces::enter(pid).and_then(|()| execute(&command)),
        Verb::Child { config } => inside(&config),
    };
    // From main and not by process::exit, which would skip every Drop.
    result.unwrap_or_else(|error| report::failure(&error))
}

/// Makes the container and waits for it.
fn outside(run: &Run) -> Result<ExitCode> {
    let mut flags = CloneFlags::CLONE_NEWUTS;
    if idmap::is_needed() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    // What the inside has to know crosses as one argument, a toy version of the config.json of real runtimes.
    let config = json!({ "hostname": run.hostname, "command": run.command });
    let child = namespaces::spawn(flags, &config)?;
    namespaces::report_changes(child.pid());
    if idmap::is_needed() {
        idmap::write(child.pid())?;
    }
    let pid = child.release()?;
    // ^C and ^\ go to everybody in the terminal's foreground: the program inside has them already, and we stay to see
    // how it ends.
    SigSet::from_iter([Signal::SIGINT, Signal::SIGQUIT]).thread_block().context("sigprocmask")?;
    let status = waitpid(pid, None).with_context(|| format!("waitpid({pid})"))?;
    report::trace(format!("waitpid({pid}) = {status:?}"));
    Ok(match status {
        WaitStatus::Exited(_, code) => ExitCode::from(code as u8),
        // What every shell does with a death by signal n.
        WaitStatus::Signaled(_, signal, _) => ExitCode::from(128 + signal as u8),
        _ => ExitCode::FAILURE,
    })
}

/// The same program after the re-exec, in its new namespaces: sets up what only the inside can, then steps aside.
fn inside(config: &Value) -> Result<ExitCode> {
    report::inside();
    namespaces::set_hostname(config["hostname"].as_str().context("the config has no hostname")?)?;
    // Nothing stands between the kernel and the program: it is the clone itself, with another program in it.
    execute(&options::command(config))
}

/// Becomes `command`: the process stays, with its pid and its namespaces, and the program in it is another.
fn execute(command: &[String]) -> Result<ExitCode> {
    report::trace(format!("execve({command:?})"));
    // Returns only if it failed.
    Ok(report::no_program(&command[0], Command::new(&command[0]).args(&command[1..]).exec()))
}
