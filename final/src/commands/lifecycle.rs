//! Verbs that take containers from one state to another.

use anyhow::{Result, bail};
use hull_docker::size;
use hull_docker::time;
use hull_engine::{Engine, StartAttach};
use hull_sys::terminal::window_size;

use super::{Outcome, each, filter, run};
use crate::cli::container::{Kill, Names, Prune, Rename, Rm, Start, Stop};
use crate::cli::request::read_if_given;
use crate::ui::output;
use crate::ui::terminal::{self, DetachKeys, WhenUnread};

pub fn start(engine: &Engine, args: &Start) -> Result<u8> {
    if !args.attach && !args.interactive {
        return each(&args.containers.names, |name| {
            engine.start(name, StartAttach::Detached, window_size())?;
            run::say_what_is_dropped(engine, name);
            Ok(Some(name.into()))
        });
    }
    let [name] = &args.containers.names[..] else {
        bail!("cannot attach to several containers at once");
    };
    let stdio = engine.stdio(name)?;
    let (tty, interactive) = (stdio.tty, args.interactive && stdio.open_stdin);
    terminal::require(tty, interactive)?;
    let options = terminal::Options {
        stdin: interactive,
        tty,
        sig_proxy: !tty,
        detach_keys: DetachKeys::new(args.detach_keys.as_deref())?,
        when_unread: WhenUnread::Detach,
    };
    let Some(stream) = engine.start(name, StartAttach::Attached, window_size())? else { return Ok(0) };
    run::say_what_is_dropped(engine, name);
    terminal::attach(stream, options)
}

/// Does one thing to several containers at once.
fn together(
    names: &[String],
    action: impl FnOnce(&[String], &mut dyn FnMut(usize, hull_engine::Result<()>)),
) -> Result<u8> {
    let mut outcome = Outcome::default();
    action(names, &mut |index, done| outcome.note(&names[index], done.map_err(anyhow::Error::from)));
    Ok(outcome.code)
}

/// How long to wait before SIGKILL. docker's -1, "without limit", is the largest number of seconds.
fn timeout(args: &Stop) -> Result<Option<u32>> {
    let seconds = read_if_given("--time", args.time.as_deref(), time::stop_timeout)?;
    Ok(seconds.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)))
}

pub fn stop(engine: &Engine, args: &Stop) -> Result<u8> {
    let timeout = timeout(args)?;
    together(&args.containers.names, |names, done| {
        engine.stop(names, args.signal.as_deref(), timeout, done);
    })
}

pub fn restart(engine: &Engine, args: &Stop) -> Result<u8> {
    let timeout = timeout(args)?;
    together(&args.containers.names, |names, done| {
        engine.restart(names, args.signal.as_deref(), timeout, done);
    })
}

pub fn kill(engine: &Engine, args: &Kill) -> Result<u8> {
    together(&args.containers.names, |names, done| engine.kill(names, &args.signal, done))
}

pub fn rm(engine: &Engine, args: &Rm) -> Result<u8> {
    let names = &args.containers.names;
    let mut outcome = Outcome::default();
    engine.remove_all(names, args.force, args.volumes, &mut |index, removed| match removed {
        // As in docker, a container that does not exist is no error with -f.
        Err(error) if args.force && error.is_no_such_container() => {}
        removed => outcome.note(&names[index], removed.map_err(anyhow::Error::from)),
    });
    Ok(outcome.code)
}

pub fn prune(engine: &Engine, args: &Prune) -> Result<u8> {
    let filters = filter::of_prune(&args.filter)?;
    if !args.force && !output::confirm("WARNING! This will remove all stopped containers.")? {
        return Ok(0);
    }
    let pruned = engine.prune_containers(&|one| filters.fit(&one.labels, one.created))?;
    if !pruned.containers.is_empty() {
        output::line("Deleted Containers:")?;
        pruned.containers.iter().try_for_each(output::line)?;
        output::line("")?;
    }
    output::line(format!("Total reclaimed space: {}", size::human(pruned.bytes)))?;
    Ok(super::report_unpruned(pruned.errors))
}

pub fn wait(engine: &Engine, args: &Names) -> Result<u8> {
    each(&args.names, |name| Ok(Some(engine.wait(name)?.to_string())))
}

pub fn pause(engine: &Engine, args: &Names) -> Result<u8> {
    each(&args.names, |name| {
        engine.pause(name)?;
        Ok(Some(name.into()))
    })
}

pub fn unpause(engine: &Engine, args: &Names) -> Result<u8> {
    each(&args.names, |name| {
        engine.unpause(name)?;
        Ok(Some(name.into()))
    })
}

pub fn rename(engine: &Engine, args: &Rename) -> Result<u8> {
    engine.rename(&args.container, &args.name)?;
    Ok(0)
}
