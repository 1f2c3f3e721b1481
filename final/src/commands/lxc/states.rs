//! `lxc-stop`, `lxc-wait` and `lxc-console`.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use hull_engine::{Condition, Engine};

use super::lifecycle;
use crate::cli::lxc::instance as lxd;
use crate::cli::lxc::tools::{Console, Stop, Wait};
use crate::commands::console as console_of;
use crate::ui::errors;
use crate::ui::hints::Code;

/// LXC's, after which it kills.
const STOP_TIMEOUT: u32 = 60;
/// LXC's code for a container that does not run, or does not exist.
const NOT_RUNNING: u8 = 2;
/// The longest time between two looks at a state.
const INTERVAL: Duration = Duration::from_millis(250);
const STATES: &str = "it is STOPPED, RUNNING or FROZEN, or several with | between them";

pub fn stop(engine: &Engine, args: &Stop) -> Result<u8> {
    let name = args.one.name();
    if !engine.list()?.iter().any(|one| one.name == name && one.status.is_active()) {
        errors::report(&anyhow!("{name} is not running"), Code::Plain);
        return Ok(NOT_RUNNING);
    }
    if (args.nowait || args.nokill) && !args.kill {
        match args.reboot {
            true => engine.ask_to_reboot(name)?,
            false => engine.ask_to_stop(name)?,
        }
        return Ok(0);
    }
    let stop = lxd::Stop {
        many: lxd::Many { all: false, names: vec![name.to_owned()] },
        force: args.kill,
        timeout: args.timeout.unwrap_or(STOP_TIMEOUT).into(),
    };
    match args.reboot {
        true => lifecycle::restart(engine, &stop),
        false => lifecycle::stop(engine, &stop),
    }
}

/// Exits with 1 if the time is over before the container is in one of the states.
pub fn wait(engine: &Engine, args: &Wait) -> Result<u8> {
    let conditions = conditions(&args.state)?;
    let name = args.one.name();
    // As in LXC, a container that does not exist is stopped, and stays so.
    if !engine.list()?.iter().any(|one| one.name == name) && conditions.contains(&Condition::Exited) {
        return Ok(0);
    }
    let deadline = match u64::try_from(args.timeout) {
        Ok(seconds) => Instant::now().checked_add(Duration::from_secs(seconds)),
        Err(_) => None,
    };
    Ok(u8::from(engine.wait_until(name, &conditions, INTERVAL, deadline)?.is_none()))
}

fn conditions(text: &str) -> Result<Vec<Condition>> {
    let mut conditions = Vec::new();
    for state in text.split('|') {
        match state.trim() {
            "STOPPED" => conditions.extend([Condition::Exited, Condition::Created]),
            "RUNNING" => conditions.push(Condition::Running),
            "FROZEN" => conditions.push(Condition::Paused),
            // States of a moment, in which hull shows no container.
            "STARTING" | "STOPPING" | "ABORTING" | "FREEZING" | "THAWED" => {
                bail!("no container of hull is ever shown as {}: {STATES}", state.trim());
            }
            other => bail!("invalid argument {other:?} for --state: {STATES}"),
        }
    }
    Ok(conditions)
}

pub fn console(engine: &Engine, args: &Console) -> Result<u8> {
    let letter = args.escape.strip_prefix('^').unwrap_or(&args.escape).to_ascii_lowercase();
    if letter.len() != 1 || !letter.bytes().all(|byte| byte.is_ascii_lowercase()) {
        bail!("invalid argument {:?} for --escape: it is a letter, which is pressed with Ctrl", args.escape);
    }
    console_of::of_running(engine, args.one.name(), &format!("ctrl-{letter},q"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_those_that_a_container_can_be_seen_in() {
        assert_eq!(conditions("RUNNING|FROZEN").unwrap(), [Condition::Running, Condition::Paused]);
        assert_eq!(conditions("STOPPED").unwrap(), [Condition::Exited, Condition::Created]);
        for wrong in ["", "running", "STARTING", "RUNNING|", "RUNNING,STOPPED"] {
            assert!(conditions(wrong).is_err(), "{wrong:?}");
        }
    }
}
