//! `start`, `stop`, `restart`, `pause`, `delete` and `rename`. As in LXD, they print nothing when they succeed.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};

use anyhow::{Result, anyhow, bail};
use hull_engine::{Engine, SnapshotName, StartAttach, Status};

use crate::cli::lxc::instance::{Delete, Many, Rename, Start, Stop};
use crate::commands::console;
use crate::commands::snapshot::rename_snapshot;
use crate::ui::errors::{self, Hint};
use crate::ui::hints::Code;
use crate::ui::output;

/// LXD's keys that leave a console.
const DETACH_KEYS: &str = "ctrl-a,q";

pub fn start(engine: &Engine, args: &Start) -> Result<u8> {
    let names = chosen(engine, &args.many, |status| status != Status::Running)?;
    if let Some(kind) = args.console.as_deref() {
        if kind != "console" {
            bail!("an instance of hull has no {kind:?}: --console is its text console");
        }
        let [name] = &names[..] else { bail!("--console is for one instance") };
        let code = start_all(engine, &names)?;
        return if code == 0 { console::of_running(engine, name, DETACH_KEYS) } else { Ok(code) };
    }
    start_all(engine, &names)
}

fn start_all(engine: &Engine, names: &[String]) -> Result<u8> {
    each(engine, names, |name, status| match status {
        Status::Running | Status::Restarting => {
            bail!("{name} is running already")
        }
        Status::Paused => Ok(engine.unpause(name)?),
        _ => Ok(engine.start(name, StartAttach::Detached, None).map(drop)?),
    })
}

pub fn pause(engine: &Engine, args: &Many) -> Result<u8> {
    let names = chosen(engine, args, |status| status == Status::Running)?;
    each(engine, &names, |name, _| Ok(engine.pause(name)?))
}

pub fn stop(engine: &Engine, args: &Stop) -> Result<u8> {
    let names = chosen(engine, &args.many, Status::is_active)?;
    let mut code = 0;
    let statuses = statuses(engine)?;
    let is_stopped = |name: &String| statuses.get(name).is_some_and(|status| !status.is_active());
    let (stopped, running): (Vec<String>, Vec<String>) = names.into_iter().partition(is_stopped);
    for name in stopped {
        code = errors::report(&anyhow!("{name} is stopped already"), Code::Plain);
    }
    let mut note = |done: hull_engine::Result<()>| {
        if let Err(error) = done {
            code = errors::report(&error.into(), Code::Plain);
        }
    };
    match args.force {
        true => engine.kill(&running, "KILL", &mut |_, done| note(done)),
        false => {
            engine.stop(&running, None, timeout(args)?, &mut |_, done| note(done.map(drop)));
        }
    }
    Ok(code)
}

pub fn restart(engine: &Engine, args: &Stop) -> Result<u8> {
    let names = chosen(engine, &args.many, Status::is_active)?;
    let timeout = if args.force { Some(0) } else { timeout(args)? };
    let mut code = 0;
    engine.restart(&names, None, timeout, &mut |_, done| {
        if let Err(error) = done {
            code = errors::report(&error.into(), Code::Plain);
        }
    });
    Ok(code)
}

/// The value of `--timeout`. `None`, for LXD's -1, means the timeout that the container has.
fn timeout(args: &Stop) -> Result<Option<u32>> {
    match args.timeout {
        -1 => Ok(None),
        seconds => match u32::try_from(seconds) {
            Ok(seconds) => Ok(Some(seconds)),
            Err(_) => bail!("invalid argument {seconds} for --timeout: seconds, or -1"),
        },
    }
}

pub fn delete(engine: &Engine, args: &Delete) -> Result<u8> {
    let mut code = 0;
    for name in &args.names {
        if args.interactive && !confirmed(name)? {
            continue;
        }
        if let Err(error) = delete_one(engine, name, args.force) {
            code = errors::report(&error, Code::Plain);
        }
    }
    Ok(code)
}

fn delete_one(engine: &Engine, name: &str, force: bool) -> Result<()> {
    if let Some(snapshot) = SnapshotName::parse(name) {
        return Ok(engine.remove_snapshot(&snapshot)?);
    }
    let status = statuses(engine)?.get(name).copied();
    if status.is_some_and(Status::is_active) && !force {
        let hint = Hint(format!("lxc stop {name}; or lxc delete --force {name}"));
        return Err(anyhow!("{name} is running").context(hint));
    }
    Ok(engine.remove(name, force, true)?)
}

/// Asks on the terminal. Without one the answer is no.
fn confirmed(name: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    output::raw(&format!("Remove {} (yes/no): ", hull_printable::cell(name)))?;
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

pub fn rename(engine: &Engine, args: &Rename) -> Result<u8> {
    match SnapshotName::parse(&args.name) {
        // In LXD, both names of the snapshot are written in full.
        Some(snapshot) => rename_snapshot(engine, &snapshot, &args.new),
        None => {
            engine.rename(&args.name, &args.new)?;
            Ok(0)
        }
    }
}

fn statuses(engine: &Engine) -> Result<HashMap<String, Status>> {
    Ok(engine.list()?.into_iter().map(|one| (one.name, one.status)).collect())
}

/// The instances that are named, or with `--all` those in a state to which the verb applies.
fn chosen(engine: &Engine, args: &Many, applies: impl Fn(Status) -> bool) -> Result<Vec<String>> {
    if !args.all {
        return Ok(args.names.clone());
    }
    if !args.names.is_empty() {
        bail!("--all and names of instances cannot be used together");
    }
    Ok(engine.list()?.into_iter().filter(|one| applies(one.status)).map(|one| one.name).collect())
}

/// Does one thing to each instance, and continues after an error.
fn each(engine: &Engine, names: &[String], mut action: impl FnMut(&str, Status) -> Result<()>) -> Result<u8> {
    let statuses = statuses(engine)?;
    let mut code = 0;
    for name in names {
        // If no instance has this name, the action says so.
        let status = statuses.get(name).copied().unwrap_or(Status::Created);
        if let Err(error) = action(name, status) {
            code = errors::report(&error, Code::Plain);
        }
    }
    Ok(code)
}
