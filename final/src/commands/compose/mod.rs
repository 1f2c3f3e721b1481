//! `compose`: a file for each verb, or for several similar ones.
//!
//! ```text
//! session     the project and the engine that a verb works on
//! lifecycle   create, start, stop, restart, kill, rm, pause, unpause, scale, down, diff      up, logs, watch
//! ```

mod lifecycle;
mod logs;
mod session;
mod up;
mod version;
mod watch;

use anyhow::Result;

use crate::cli::Global;
use crate::cli::compose::config::Version;
use crate::cli::compose::{Compose, Verb};
use crate::commands::scripts;

pub use session::Session;

pub fn run(global: &Global, args: &Compose) -> Result<u8> {
    let Some(verb) = &args.verb else {
        return match args.project.version {
            true => version::version(&Version { format: "pretty".into(), short: false }),
            false => scripts::help_on(&["compose".to_owned()]),
        };
    };
    dispatch(&Session::new(global, &args.project), verb)
}

fn dispatch(session: &Session<'_>, verb: &Verb) -> Result<u8> {
    match verb {
        Verb::Create(args) => lifecycle::create(session, args),
        Verb::Diff(args) => lifecycle::diff(session, args),
        Verb::Down(args) => lifecycle::down(session, args),
        Verb::Kill(args) => lifecycle::kill(session, args),
        Verb::Logs(args) => logs::logs(session, args),
        Verb::Pause(args) => lifecycle::pause(session, args),
        Verb::Restart(args) => lifecycle::restart(session, args),
        Verb::Rm(args) => lifecycle::rm(session, args),
        Verb::Scale(args) => lifecycle::scale(session, args),
        Verb::Start(args) => lifecycle::start(session, args),
        Verb::Stop(args) => lifecycle::stop(session, args),
        Verb::Unpause(args) => lifecycle::unpause(session, args),
        Verb::Up(args) => up::up(session, args),
        Verb::Version(args) => version::version(args),
        Verb::Watch(args) => watch::watch(session, args),
        _ => Err(absent("this command")),
    }
}

/// The error of a verb that is hidden, because hull cannot do it.
fn absent(verb: &str) -> anyhow::Error {
    anyhow::anyhow!("hull compose does not have {verb}")
}
