//! `boot enable`, `disable` and `status`: the unit that starts and stops containers with the machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::quote::value;
use super::{program_arguments, program_words};
use crate::cli::Global;
use crate::cli::boot::Enable;
use crate::environment;
use crate::ui::errors::{self, Hint};
use crate::ui::output;

const NAME: &str = "hull-boot.service";

/// Exists where systemd is PID 1: sd_booted(3).
const BOOTED: &str = "/run/systemd/system";

const INSTEAD: &str = "hull boot enable --print-openrc prints a service for OpenRC; any other init can run hull boot start, and hull boot stop at the end";

/// Which systemd runs the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manager {
    System,
    User,
}

impl Manager {
    /// root's containers are the machine's, and another user's are started by the user's own systemd.
    pub(super) fn of_this_user() -> Self {
        match rustix::process::geteuid().is_root() {
            true => Self::System,
            false => Self::User,
        }
    }

    fn unit(self) -> Result<PathBuf> {
        Ok(self.directory()?.join(NAME))
    }

    pub(super) fn directory(self) -> Result<PathBuf> {
        match self {
            Self::System => Ok("/etc/systemd/system".into()),
            Self::User => {
                let config = environment::config_home()
                    .context("neither HOME nor XDG_CONFIG_HOME says where your systemd's units are")?;
                Ok(config.join("systemd/user"))
            }
        }
    }

    pub(super) fn systemctl(self, args: &[&str]) -> Command {
        let mut command = Command::new("systemctl");
        command.args((self == Self::User).then_some("--user")).args(args).stdin(Stdio::null());
        command
    }

    /// Runs systemctl, whose messages are shown if it fails.
    pub(super) fn run(self, args: &[&str]) -> Result<()> {
        let done = self.systemctl(args).output().context("cannot run systemctl")?;
        if !done.status.success() {
            let why = String::from_utf8_lossy(&done.stderr);
            bail!("systemctl {} failed: {}", args.join(" "), why.trim());
        }
        Ok(())
    }
}

pub fn enable(global: &Global, args: &Enable) -> Result<u8> {
    let manager = Manager::of_this_user();
    if args.user && manager == Manager::System {
        let error = anyhow::anyhow!("root's containers start with the machine, and not with a user");
        return Err(error.context(Hint("leave out --user".into())));
    }
    if args.print_openrc {
        output::text(&super::openrc::text(&program_arguments(global)?))?;
        return Ok(0);
    }
    let text = text(manager, global)?;
    if args.print {
        output::text(&text)?;
        return Ok(0);
    }
    need_systemd("hull boot", INSTEAD)?;
    let path = manager.unit()?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    hull_storage::file::write_atomic(&path, text.as_bytes(), 0o644)?;
    manager.run(&["daemon-reload"])?;
    manager.run(&["enable", NAME])?;
    output::line(path.display())?;
    if manager == Manager::User && !lingers() {
        errors::warn(
            "your containers start when you log in, and end when you log out",
            "loginctl enable-linger starts them with the machine",
        );
    }
    Ok(0)
}

/// The containers keep running: the unit is not stopped.
pub fn disable() -> Result<u8> {
    need_systemd("hull boot", INSTEAD)?;
    let manager = Manager::of_this_user();
    let path = manager.unit()?;
    if path.exists() {
        manager.run(&["disable", NAME])?;
        std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        manager.run(&["daemon-reload"])?;
    }
    Ok(0)
}

/// Exits with 1 if containers do not start with the machine, as `systemctl is-enabled` does.
pub fn status() -> Result<u8> {
    need_systemd("hull boot", INSTEAD)?;
    let manager = Manager::of_this_user();
    let says = |verb: &str| -> Result<String> {
        let output = manager.systemctl(&[verb, NAME]).output().context("cannot run systemctl")?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let enabled = manager.unit()?.exists() && says("is-enabled")? == "enabled";
    output::line(match (enabled, enabled && says("is-active")? == "active") {
        (true, true) => "enabled, and active: containers are stopped in order when the machine goes down",
        (true, false) => "enabled",
        (false, _) => "disabled",
    })?;
    Ok(u8::from(!enabled))
}

/// Refuses `command` where systemd is not PID 1, and says what to do instead.
pub(super) fn need_systemd(command: &str, instead: &str) -> Result<()> {
    if Path::new(BOOTED).is_dir() {
        return Ok(());
    }
    let error = anyhow::anyhow!("this machine was not booted with systemd, which {command} needs");
    Err(error.context(Hint(instead.into())))
}

fn text(manager: Manager, global: &Global) -> Result<String> {
    let hull = program_words(global)?;
    let (order, target) = match manager {
        Manager::System => {
            let data = global.root.as_deref().unwrap_or(Path::new("/var/lib/hull"));
            let mount = value(&data.to_string_lossy());
            let online = "Wants=network-online.target\nAfter=network-online.target";
            (format!("{online}\nRequiresMountsFor={mount}\n"), "multi-user.target")
        }
        Manager::User => (String::new(), "default.target"),
    };
    // Each container has its own stop timeout, so the limit is only for what hangs. Only the command itself is killed then:
    // the containers' monitors clean up.
    Ok(format!(
        "[Unit]\nDescription=Containers that start with the machine\nDocumentation=man:hull-boot(1)\n{order}\n\
         [Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={hull} boot start\nExecStop={hull} boot stop\n\
         TimeoutStartSec=infinity\nTimeoutStopSec=10min\nKillMode=process\nDelegate=yes\n\n\
         [Install]\nWantedBy={target}\n"
    ))
}

/// Whether the user's systemd runs without a session: loginctl(1), enable-linger.
fn lingers() -> bool {
    let name = environment::variable("USER").unwrap_or_default();
    !name.is_empty() && !name.contains('/') && Path::new("/var/lib/systemd/linger").join(name).exists()
}
