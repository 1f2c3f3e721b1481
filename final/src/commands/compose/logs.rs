//! `compose logs`: the logs of a project's containers, each line with its container's name.

use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use hull_compose::follow::{self, Follow};
use hull_docker::time;
use hull_engine::options::LogsOptions;
use rustix::event::poll;
use rustix::io::Errno;

use super::Session;
use crate::cli::compose::up::Logs;
use crate::cli::values::{read, read_if_given};
use crate::ui::compose::display::{Display, Settings};

pub fn logs(session: &Session<'_>, args: &Logs) -> Result<u8> {
    let moment = |text: &str| time::parse(text, SystemTime::now());
    let until = read_if_given("--until", args.until.as_deref(), moment)?;
    let logs = LogsOptions {
        follow: args.follow,
        since: read_if_given("--since", args.since.as_deref(), moment)?,
        until,
        tail: read("--tail", &args.tail, time::tail)?,
        timestamps: args.timestamps,
        details: false,
    };
    let index = args.index.filter(|index| *index > 0);
    if index.is_some() && args.services.len() != 1 {
        bail!("--index requires one service to be selected");
    }
    let (project, files) = session.name_and_project(&args.services)?;
    // A service that `up` does not attach to is left out, unless it is named.
    let services = match files {
        Some(files) if args.services.is_empty() => {
            let shown = files.services.into_iter().filter(|(_, service)| service.attach != Some(false));
            shown.map(|(name, _)| name).collect()
        }
        _ => args.services.clone(),
    };
    let engine = session.engine()?;
    let options =
        follow::Options { project, services: services.into_iter().collect(), shown: None, index, logs };
    let mut follow = Follow::begin(&engine, options)?;
    if let Some(index) = index.filter(|_| follow.sources().is_empty()) {
        bail!("service {:?} is not running container #{index}", args.services[0]);
    }
    let settings = Settings {
        style: session.style()?,
        no_color: args.no_color,
        no_prefix: args.no_log_prefix,
        is_split: false,
    };
    let mut display = Display::new(settings, &follow.sources(), None);
    follow.turn(&mut display)?;
    while args.follow && !follow.is_over() && until.is_none_or(|until| until > SystemTime::now()) {
        display.check()?;
        wait(&mut display, &follow, until)?;
        follow.turn(&mut display)?;
    }
    follow.finish(&mut display);
    display.check()?;
    display.outlet.finish()?;
    Ok(0)
}

fn wait(display: &mut Display<'_>, follow: &Follow<'_>, until: Option<SystemTime>) -> Result<()> {
    let mut fds = vec![display.outlet.interest()];
    fds.extend(follow.interests());
    let until = until.map(|until| until.duration_since(SystemTime::now()).unwrap_or_default());
    let timeout = [until, follow.timeout()].into_iter().flatten().min();
    match poll(&mut fds, timeout.and_then(|timeout| timeout.try_into().ok()).as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno).context("cannot wait for the logs"),
    }
    let flags = fds[0].revents();
    drop(fds);
    display.outlet.write(flags)
}
