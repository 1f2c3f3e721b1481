//! Programs that hull runs, and services that improve containers.

use std::path::Path;
use std::process::Stdio;

use super::reason::text;
use super::{Attempt, Check, Need, Patient, Tried};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "lxcfs",
        need: Need::Nobody,
        purpose: "system containers: free, top and uptime show the container's share and not the machine's",
        fix: "install lxcfs and start its service",
        attempt: Attempt::Plain(|_| {
            let found = std::fs::read("/var/lib/lxcfs/proc/meminfo").map(drop);
            found.map_err(|error| format!("/var/lib/lxcfs/proc/meminfo: {}", text(error)))
        }),
    },
    Check {
        name: "criu",
        need: Need::Nobody,
        purpose: "hull-oci checkpoint and restore",
        fix: "install criu; criu check --all says what a kernel lacks for it",
        attempt: Attempt::Plain(|patient| {
            let mut check = patient.programs.command("criu").map_err(|_| MISSING.to_owned())?;
            let output = check.arg("check").stdin(Stdio::null()).output().map_err(text)?;
            match output.status.success() {
                true => Ok(()),
                false => Err(last_line(&output.stderr).unwrap_or_else(|| "criu check fails".into())),
            }
        }),
    },
    Check {
        name: "slirp4netns or pasta",
        need: Need::User,
        purpose: "the network of containers of unprivileged users",
        fix: "install slirp4netns, or passt",
        attempt: Attempt::Plain(|patient| has(patient, &["slirp4netns", "pasta"])),
    },
    program("ps", "hull top of a container", "install procps"),
    program("mkfs.xfs", "storage pools of the driver image", "install xfsprogs"),
    program(
        "mkfs.btrfs",
        "storage pools of the driver btrfs, and of image with btrfs",
        "install btrfs-progs",
    ),
    program("unsquashfs", "images in LXD's format whose root is a squashfs", "install squashfs-tools"),
    Check {
        name: "systemd",
        need: Need::Nobody,
        purpose: "hull boot enable; other inits run hull boot start and hull boot stop",
        fix: "hull boot enable --print-openrc prints a service for OpenRC",
        attempt: Attempt::Plain(|patient| {
            // The test of sd_booted(3).
            match Path::new("/run/systemd/system").is_dir() {
                true => has(patient, &["systemctl"]),
                false => Err("this machine was not booted with it".into()),
            }
        }),
    },
];

const MISSING: &str = "no directory of PATH has it";

const fn program(name: &'static str, purpose: &'static str, fix: &'static str) -> Check {
    Check { name, need: Need::Nobody, purpose, fix, attempt: Attempt::Program }
}

pub(super) fn has(patient: &Patient, any: &[&str]) -> Tried {
    let found = any.iter().any(|name| patient.programs.has(name));
    found.then_some(()).ok_or_else(|| MISSING.to_owned())
}

/// The last line that a program has printed, which usually says why it failed.
fn last_line(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?.trim();
    Some(line.chars().filter(|c| !c.is_control()).take(200).collect())
}
