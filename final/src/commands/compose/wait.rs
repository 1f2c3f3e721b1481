//! `compose wait`: until the containers of services have stopped.

use std::os::fd::AsFd;

use anyhow::{Context, Result, bail};
use hull_engine::{EndWait, WaitCondition};

use super::Session;
use super::containers::{Member, OneOff, of_project};
use super::lifecycle;
use crate::cli::compose::lifecycle::{Down, Wait};
use crate::ui::output;

/// The exit code is that of the container that stops last.
pub fn wait(session: &Session<'_>, args: &Wait) -> Result<u8> {
    let name = session.project_name()?;
    let engine = session.engine()?;
    let mut members = of_project(&engine, &name, OneOff::Include)?;
    members.retain(|member: &Member| member.is_active() && member.is_of(&args.services));
    if members.is_empty() {
        bail!("no containers for project {name:?}");
    }
    let waits = members.iter().map(|member| engine.begin_wait(&member.summary.id, WaitCondition::NotRunning));
    let waits = waits.collect::<hull_engine::Result<Vec<EndWait<'_>>>>()?;
    let stdout = std::io::stdout().as_fd().try_clone_to_owned().context("cannot duplicate stdout")?;
    let mut last = 0;
    EndWait::finish_all(waits, stdout.as_fd(), &mut |index, code| {
        last = code;
        let id = &members[index].summary.id;
        // A reader that has gone does not end the wait, whose exit code counts.
        let _ = output::line(format!("container {id:?} exited with status code {code}"));
    })?;
    if args.down_project {
        lifecycle::down(
            session,
            &Down { remove_orphans: Some(true), rmi: None, timeout: None, volumes: false, services: vec![] },
        )?;
    }
    Ok(last)
}
