//! `compose watch`: brings the project up, and then keeps its containers like the files of the host.

use std::time::Instant;

use anyhow::{Context, Result};
use hull_compose::follow::Audience;
use hull_compose::timeline::Timeline;
use hull_compose::up::UpOptions;
use hull_engine::Stream;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::Session;
use super::watching::{Reaction, Watching};
use super::work::{Ensure, Settings, Work};
use crate::cli::compose::up::Watch;
use crate::ui::compose::display::{self, Display};
use crate::ui::compose::progress::{INTERRUPTED, Said};
use crate::ui::compose::signals::Signals;
use crate::ui::errors;
use crate::ui::hints::Code;

pub fn watch(session: &Session<'_>, args: &Watch) -> Result<u8> {
    let mut opened = session.load(&args.services)?;
    if !args.no_up {
        let services = opened.project.services.values_mut();
        let built = services.filter(|service| service.build.is_some() && service.develop.is_some());
        built.for_each(|service| service.pull_policy = "build".into());
    }
    let work = Work::of_files(session, opened.project, opened.env_files)?;
    let Some(project) = &work.project else { return Ok(1) };
    let report = |error: &anyhow::Error| errors::report(error, Code::Plain);
    let reaction = Reaction { work: &work, project, prune: args.prune, report };
    // Before the images are built, so that no change is missed.
    let mut watching = Watching::begin(reaction, &args.services, true)?;
    if !args.no_up {
        let code = up(session, args, &work)?;
        if code != 0 {
            return Ok(code);
        }
    }
    watching.look_at_present_files()?;
    let signals = Signals::take_over()?;
    let settings =
        display::Settings { style: session.style()?, no_color: true, no_prefix: true, is_split: false };
    let mut display = Display::new(settings, &[], Some(&signals));
    display.say("Watch enabled");
    loop {
        wait(&mut display, &watching, &signals)?;
        if signals.next()? {
            return Ok(INTERRUPTED);
        }
        watching.turn(&mut |said| show(&mut display, said))?;
        display.check()?;
    }
}

/// Shows what is said of the reaction to a change.
pub fn show(display: &mut Display<'_>, said: Said) {
    match said {
        Said::Note(text) => display.say_of_watch(&text),
        Said::Output(source, line) => display.line(&source, Stream::Stdout, &line),
        Said::Event(_) | Said::Failed | Said::Ended(_) => {}
    }
}

fn up(session: &Session<'_>, args: &Watch, work: &Work<'_>) -> Result<u8> {
    let ensure = Ensure { quiet_pull: args.quiet, quiet_build: args.quiet, ..Ensure::default() };
    let code = work.ensure_images(ensure)?;
    if code != 0 {
        return Ok(code);
    }
    let options = UpOptions {
        plan: hull_compose::plan::PlanOptions { services: args.services.clone(), ..Default::default() },
        ..UpOptions::default()
    };
    session.show("Running", |progress| {
        let mut apply = work.apply(Settings::default(), progress);
        let prepared = apply.prepare(&options, &mut super::recreate::confirm(false))?;
        Ok(apply.start_prepared(&prepared, &options, &mut Timeline::new(Instant::now()))?)
    })
}

fn wait(display: &mut Display<'_>, watching: &Watching<'_>, signals: &Signals) -> Result<()> {
    let mut fds = vec![display.outlet.interest(), PollFd::new(signals, PollFlags::IN)];
    fds.extend(watching.interests());
    match poll(&mut fds, watching.timeout().and_then(|timeout| timeout.try_into().ok()).as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno).context("cannot wait for changes"),
    }
    let flags = fds[0].revents();
    drop(fds);
    display.outlet.write(flags)
}
