//! Verbs that take containers from one state to another.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Result, bail};
use hull_docker::filters::prune::Pruned;
use hull_docker::time;
use hull_engine::{Ended, Engine, SnapshotName, StartAttach, Status};
use hull_sys::terminal::window_size;

use super::{Outcome, each, notify, prune, run, selection};
use crate::cli::container::{Kill, Pause, Prune, Rename, Rm, Start, Stop, Wait};
use crate::cli::values::{read, read_if_given};
use crate::ui::terminal::{self, WhenUnread};
use crate::ui::{errors, output};

pub fn start(engine: &Engine, args: &Start) -> Result<u8> {
    let names = selection::chosen(engine, &args.containers, false, |status| !status.is_active())?;
    if !args.attach && !args.interactive {
        return each(&names, |name| {
            engine.start(name, StartAttach::Detached, window_size())?;
            run::say_what_is_dropped(engine, name);
            Ok(Some(name.into()))
        });
    }
    let [name] = &names[..] else {
        bail!("cannot attach to several containers at once");
    };
    start_attached(engine, name, args.interactive, args.detach_keys.as_deref())
}

/// Starts a container and stays attached to its streams.
pub fn start_attached(
    engine: &Engine,
    name: &str,
    interactive: bool,
    detach_keys: Option<&str>,
) -> Result<u8> {
    let stdio = engine.stdio(name)?;
    let (tty, interactive) = (stdio.tty, interactive && stdio.open_stdin);
    terminal::require(tty, interactive)?;
    let options = terminal::Options {
        stdin: interactive,
        output: [true; 2],
        tty,
        sig_proxy: !tty,
        detach_keys: terminal::detach_keys(detach_keys)?,
        when_unread: WhenUnread::Detach,
        redraw: false,
    };
    let Some(stream) = engine.start(name, StartAttach::Attached, window_size())? else { return Ok(0) };
    notify::ready();
    run::say_what_is_dropped(engine, name);
    terminal::attach(stream, options)
}

/// Does one thing to several containers at once. With `ignore`, one that does not exist is passed over.
fn together(
    names: &[String],
    ignore: bool,
    action: impl FnOnce(&[String], &mut dyn FnMut(usize, hull_engine::Result<()>)),
) -> Result<u8> {
    let mut outcome = Outcome::default();
    action(names, &mut |index, done| match done {
        Err(error) if ignore && error.is_no_such_container() => {}
        done => outcome.note(&names[index], done.map_err(anyhow::Error::from)),
    });
    Ok(outcome.code)
}

/// How long to wait before SIGKILL. docker's -1, "without limit", is the largest number of seconds.
fn timeout(args: &Stop) -> Result<Option<u32>> {
    let seconds = read_if_given("--time", args.time.as_deref(), time::stop_timeout)?;
    Ok(seconds.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)))
}

pub fn stop(engine: &Engine, args: &Stop) -> Result<u8> {
    let timeout = timeout(args)?;
    let names = selection::chosen(engine, &args.containers, args.ignore, Status::is_active)?;
    together(&names, args.ignore, |names, done| {
        engine.stop(names, args.signal.as_deref(), timeout, &mut |index, stopped| {
            let ended = stopped.as_ref().ok().copied();
            done(index, stopped.map(drop));
            if let Some(Ended::Killed { after }) = ended {
                explain_the_wait(&names[index], after);
            }
        });
    })
}

/// Says why the stop took so long. Only a user at a terminal has waited.
fn explain_the_wait(name: &str, after: Duration) {
    let seconds = after.as_secs();
    if seconds == 0 || !std::io::stderr().is_terminal() {
        return;
    }
    errors::warn(
        &format!("{name} did not end within {seconds} s of its stop signal and was killed"),
        "process 1 of a container ignores every signal that it does not handle; with `hull run --init` process 1 is an init that passes the signal on",
    );
}

pub fn restart(engine: &Engine, args: &Stop) -> Result<u8> {
    let timeout = timeout(args)?;
    let names = selection::chosen(engine, &args.containers, args.ignore, |_| true)?;
    together(&names, args.ignore, |names, done| {
        engine.restart(names, args.signal.as_deref(), timeout, done);
    })
}

pub fn kill(engine: &Engine, args: &Kill) -> Result<u8> {
    let names = selection::chosen(engine, &args.containers, false, Status::is_active)?;
    together(&names, false, |names, done| engine.kill(names, &args.signal, done))
}

pub fn rm(engine: &Engine, args: &Rm) -> Result<u8> {
    let names = selection::chosen(engine, &args.containers, args.ignore, |_| true)?;
    let ignore = args.force || args.ignore;
    let mut outcome = Outcome::default();
    // These are LXD's names for snapshots, which no container can have.
    let (snapshots, names): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| SnapshotName::parse(name).is_some());
    for name in &snapshots {
        let removed = SnapshotName::parse(name).map_or(Ok(()), |name| engine.remove_snapshot(&name));
        outcome.note(name, removed.map_err(anyhow::Error::from));
    }
    engine.remove_all(&names, args.force, args.volumes, &mut |index, removed| match removed {
        // As in docker, a container that does not exist is no error with -f.
        Err(error) if ignore && error.is_no_such_container() => {}
        removed => outcome.note(&names[index], removed.map_err(anyhow::Error::from)),
    });
    Ok(outcome.code)
}

pub fn prune_containers(engine: &Engine, args: &Prune) -> Result<u8> {
    let filters = prune::filters(&args.filter, Pruned::Plain)?;
    if !args.force && !output::confirm("WARNING! This will remove all stopped containers.")? {
        return Ok(0);
    }
    let pruned = engine.prune_containers(&|one| filters.fit(&one.labels, Some(one.created)))?;
    prune::print("Deleted Containers:", &pruned.containers)?;
    prune::print_total(pruned.bytes)?;
    Ok(super::report_unpruned(pruned.errors))
}

pub fn wait(engine: &Engine, args: &Wait) -> Result<u8> {
    let interval = read("--interval", &args.interval, time::parse_duration)?;
    let conditions = args.condition.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>()?;
    let wait = |name: &str| match conditions.is_empty() {
        true => engine.wait(name).map(i32::from),
        false => engine.wait_for(name, &conditions, interval),
    };
    each(&selection::names(engine, &args.containers)?, |name| match wait(name) {
        // podman's code for a container that does not exist.
        Err(error) if args.ignore && error.is_no_such_container() => Ok(Some("-1".into())),
        code => Ok(Some(code?.to_string())),
    })
}

pub fn pause(engine: &Engine, args: &Pause) -> Result<u8> {
    let names = selection::chosen(engine, &args.containers, false, |status| status == Status::Running)?;
    each(&names, |name| {
        engine.pause(name)?;
        Ok(Some(name.into()))
    })
}

pub fn unpause(engine: &Engine, args: &Pause) -> Result<u8> {
    let names = selection::chosen(engine, &args.containers, false, |status| status == Status::Paused)?;
    each(&names, |name| {
        engine.unpause(name)?;
        Ok(Some(name.into()))
    })
}

pub fn rename(engine: &Engine, args: &Rename) -> Result<u8> {
    if let Some(snapshot) = SnapshotName::parse(&args.container) {
        return super::snapshot::rename_snapshot(engine, &snapshot, &args.name);
    }
    engine.rename(&args.container, &args.name)?;
    Ok(0)
}
