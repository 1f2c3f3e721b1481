//! `boot`: starts containers with the machine and stops them with it, and installs the unit by which systemd does so.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use anyhow::Result;
use hull_engine::{Due, Engine, Occasion};

use super::own_process::{Stdio, spawn, wait};
use super::systemd::boot_unit;
use super::{each, open};
use crate::cli::Global;
use crate::cli::boot::{Boot, Start};
use crate::ui::errors;
use crate::ui::hints::Code;

/// How many containers start at the same time. A start keeps one processor busy for most of its time.
const AT_ONCE: usize = 8;

pub fn run(global: &Global, verb: &Boot) -> Result<u8> {
    match verb {
        Boot::Enable(args) => boot_unit::enable(global, args),
        Boot::Disable(_) => boot_unit::disable(),
        Boot::Status(_) => boot_unit::status(),
        Boot::Start(args) => start(&open(global)?, args),
        Boot::Stop(_) => stop(&open(global)?),
    }
}

fn start(engine: &Engine, args: &Start) -> Result<u8> {
    let code = match args.names.is_empty() {
        true => start_all(engine),
        false => {
            let occasion = if args.killed { Occasion::KilledMonitor } else { Occasion::Boot };
            each(&args.names, |name| Ok(engine.start_by_policy(name, occasion)?.then(|| name.to_owned())))
        }
    };
    // They were just started, or cannot be.
    engine.comebacks().take();
    code
}

/// Starts each container in a process of its own, because a process that starts one has no threads. A container that does not
/// start keeps no other from starting: those that need it fail with an error of their own.
fn start_all(engine: &Engine) -> Result<u8> {
    let mut code = 0;
    for group in engine.due_at_boot()? {
        let mut running: VecDeque<OwnedFd> = VecDeque::new();
        for Due { id, delay } in &group {
            if running.len() == AT_ONCE
                && let Some(child) = running.pop_front()
            {
                code = wait(&child)?.max(code);
            }
            let child = spawn(engine, &["boot", "start", id], Stdio::Inherited)?;
            match delay.is_zero() {
                true => running.push_back(child),
                // The delay begins when the container has started.
                false => {
                    code = wait(&child)?.max(code);
                    std::thread::sleep(*delay);
                }
            }
        }
        for child in running {
            code = wait(&child)?.max(code);
        }
    }
    Ok(code)
}

fn stop(engine: &Engine) -> Result<u8> {
    let mut code = 0;
    engine.stop_for_shutdown(&mut |_, error| {
        code = errors::report(&anyhow::Error::from(error), Code::Plain).max(code);
    })?;
    engine.comebacks().take();
    Ok(code)
}
