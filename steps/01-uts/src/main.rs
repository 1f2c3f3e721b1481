//! Lesson 1: a process with its own hostname.
//!
//! ```text
//! run    ── clone(2) into new namespaces ──▶ child        a second process, waits on a pipe
//!           write its id maps                             (idmap.rs)
//!           write to the pipe ─────────────▶ execve         this same program again, as `child '{…}'`
//!           wait for it                      sethostname    in its namespace
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
    // Return from main: process::exit would skip every Drop.
    result.unwrap_or_else(|error| report::failure(&error))
}

/// Makes the container and waits for it.
fn outside(run: &Run) -> Result<ExitCode> {
    // The child gets its configuration as one argument: a small version of the config.json of an
    // OCI bundle.
    let config = json!({ "hostname": run.hostname, "command": run.command });
    let child = namespaces::spawn(flags(), &config)?;
    namespaces::report_changes(child.pid());
    if idmap::is_needed() {
        idmap::write(child.pid())?;
    }
    let pid = child.release()?;
    // The terminal sends ^C and ^\ to all processes of its foreground group. The program inside
    // gets them too, and this one stays to report its exit code.
    SigSet::from_iter([Signal::SIGINT, Signal::SIGQUIT]).thread_block().context("sigprocmask")?;
    let status = waitpid(pid, None).with_context(|| format!("waitpid({pid})"))?;
    report::trace(format!("waitpid({pid}) = {status:?}"));
    Ok(match status {
        WaitStatus::Exited(_, code) => ExitCode::from(code as u8),
        // Shells report a death by signal n as 128 + n.
        WaitStatus::Signaled(_, signal, _) => ExitCode::from(128 + signal as u8),
        _ => ExitCode::FAILURE,
    })
}

/// The namespaces that the child gets. Everybody but root also needs a user namespace, because
/// creating any other kind takes CAP_SYS_ADMIN.
fn flags() -> CloneFlags {
    let mut flags = CloneFlags::CLONE_NEWUTS;
    if idmap::is_needed() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    flags
}

/// The same program after the re-exec, now in the new namespaces. It does the setup that is
/// possible only there, and then executes the command.
fn inside(config: &Value) -> Result<ExitCode> {
    report::inside();
    namespaces::set_hostname(config["hostname"].as_str().context("the config has no hostname")?)?;
    // No process stands in between: the cloned process itself executes the program.
    execute(&options::command(config))
}

/// Executes `command` in this process, which keeps its pid and its namespaces.
fn execute(command: &[String]) -> Result<ExitCode> {
    report::trace(format!("execve({command:?})"));
    // exec returns only if it failed.
    Ok(report::no_program(&command[0], Command::new(&command[0]).args(&command[1..]).exec()))
}
