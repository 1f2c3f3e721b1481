//! `snapshots enable`, `disable` and `status`: the timer by which systemd runs `snapshots run`.

use anyhow::{Context, Result};

use super::boot_unit::{Manager, need_systemd};
use super::program_words;
use crate::cli::Global;
use crate::cli::boot::Enable;
use crate::ui::errors::Hint;
use crate::ui::output;

const TIMER: &str = "hull-snapshots.timer";
const SERVICE: &str = "hull-snapshots.service";

const COMMAND: &str = "hull snapshots enable";
const INSTEAD: &str = "a job of cron that runs hull snapshots run each minute does the same";

pub fn enable(global: &Global, args: &Enable) -> Result<u8> {
    let manager = Manager::of_this_user();
    if args.user && manager == Manager::System {
        let error =
            anyhow::anyhow!("root's snapshots are taken by the machine's systemd, and not by a user's");
        return Err(error.context(Hint("leave out --user".into())));
    }
    let units = [(SERVICE, service(global)?), (TIMER, timer())];
    if args.print {
        for (name, text) in &units {
            output::text(&format!("# {name}\n{text}\n"))?;
        }
        return Ok(0);
    }
    need_systemd(COMMAND, INSTEAD)?;
    let directory = manager.directory()?;
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    for (name, text) in &units {
        hull_storage::file::write_atomic(&directory.join(name), text.as_bytes(), 0o644)?;
    }
    manager.run(&["daemon-reload"])?;
    manager.run(&["enable", "--now", TIMER])?;
    output::line(directory.join(TIMER).display())?;
    Ok(0)
}

pub fn disable() -> Result<u8> {
    need_systemd(COMMAND, INSTEAD)?;
    let manager = Manager::of_this_user();
    let directory = manager.directory()?;
    if directory.join(TIMER).exists() {
        manager.run(&["disable", "--now", TIMER])?;
    }
    for path in [TIMER, SERVICE].map(|name| directory.join(name)) {
        hull_storage::file::remove(&path)?;
    }
    manager.run(&["daemon-reload"])?;
    Ok(0)
}

/// Exits with 1 if the timer is not enabled, as `systemctl is-enabled` does.
pub fn status() -> Result<u8> {
    need_systemd(COMMAND, INSTEAD)?;
    let manager = Manager::of_this_user();
    let is_installed = manager.directory()?.join(TIMER).exists();
    let output = manager.systemctl(&["is-enabled", TIMER]).output().context("cannot run systemctl")?;
    let enabled = is_installed && String::from_utf8_lossy(&output.stdout).trim() == "enabled";
    output::line(if enabled { "enabled" } else { "disabled" })?;
    Ok(u8::from(!enabled))
}

fn service(global: &Global) -> Result<String> {
    let hull = program_words(global)?;
    Ok(format!(
        "[Unit]\nDescription=Scheduled snapshots of containers\nDocumentation=man:hull-snapshots(1)\n\n\
         [Service]\nType=oneshot\nExecStart={hull} snapshots run\n"
    ))
}

/// The timer runs each minute, which is the smallest unit of a schedule.
fn timer() -> String {
    "[Unit]\nDescription=Scheduled snapshots of containers\n\n[Timer]\nOnCalendar=minutely\nAccuracySec=10s\n\n\
     [Install]\nWantedBy=timers.target\n"
        .to_owned()
}
