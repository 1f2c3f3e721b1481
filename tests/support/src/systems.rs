//! Roots of whole systems, each with an init, like the images that distributions make for containers.
//!
//! They are archives in the test cache. [`Scenario::with_systems`] imports them as images:
//!
//! ```text
//! let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
//! t.ok(&["run", "-d", "--system", "--name", "box", System::Busybox.image()]);
//! ```

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::{Scenario, fixtures, program, skip};

/// A root, by its init.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Busybox as init: boots in some milliseconds, and has nothing but a shell on its console.
    Busybox,
    /// Debian with systemd, D-Bus, logind and sshd.
    Systemd,
    /// Debian with OpenRC, started by sysvinit. `/sbin/openrc-init` is there, too.
    OpenRc,
    /// Debian with runit as init.
    Runit,
}

/// What a person who logs in needs, whatever the init.
const TOOLS: [&str; 3] = ["openssh-server", "iproute2", "procps"];

/// Starts nothing but a shell. A reboot and a halt run the `shutdown` line first, as on a machine.
const INITTAB: &str = "\
::sysinit:/bin/hostname -F /etc/hostname
::sysinit:/bin/touch /run/booted
::shutdown:/bin/touch /has-shut-down
::ctrlaltdel:/sbin/reboot
console::respawn:-/bin/sh
";

impl System {
    /// The name of the image that [`Scenario::with_systems`] makes.
    pub const fn image(self) -> &'static str {
        match self {
            Self::Busybox => "system-busybox",
            Self::Systemd => "system-debian",
            Self::OpenRc => "system-openrc",
            Self::Runit => "system-runit",
        }
    }

    /// The root as a tar, without any change by hull.
    pub fn archive(self) -> Result<PathBuf, String> {
        match self {
            Self::Busybox => busybox(),
            Self::Systemd => debian(self.image(), &["systemd-sysv", "dbus", "libpam-systemd", "adduser"]),
            Self::OpenRc => debian(self.image(), &["openrc", "sysvinit-core"]),
            Self::Runit => debian(self.image(), &["runit-init", "runit"]),
        }
    }
}

impl Scenario {
    /// [`Scenario::start`] with systems as images. Skips the test where a root cannot be made.
    pub fn with_systems(systems: &[System]) -> Option<Self> {
        let mut archives = Vec::new();
        // The archives are made first, because packages come from a mirror, which a scenario's network does not reach.
        for system in systems {
            match system.archive() {
                Ok(archive) => archives.push((archive, system.image())),
                Err(why) => {
                    skip::skip(&format!("{} cannot be made: {why}", system.image()));
                    return None;
                }
            }
        }
        let scenario = Self::start()?;
        for (archive, image) in archives {
            import(&scenario, &archive, image);
        }
        Some(scenario)
    }
}

/// Imports an archive without the time limit of a test's commands, because an emulated machine takes long for a whole
/// Debian.
#[track_caller]
fn import(scenario: &Scenario, archive: &Path, image: &str) {
    let mut command = scenario.command(&["import", archive.to_str().expect("a plain path"), image]);
    let said = command.output().expect("hull runs");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

/// The busybox image with the parts of an init.
fn busybox() -> Result<PathBuf, String> {
    let plain = fixtures::busybox();
    fixtures::cached("system-busybox.tar", |to| {
        let tree = tempfile::tempdir().map_err(|e| e.to_string())?;
        fixtures::unpack(&plain, tree.path())?;
        let root = tree.path();
        let made = || {
            fs::create_dir_all(root.join("sbin"))?;
            fs::create_dir_all(root.join("run"))?;
            symlink("../bin/busybox", root.join("sbin/init"))?;
            for applet in ["reboot", "poweroff", "halt"] {
                symlink("../bin/busybox", root.join("sbin").join(applet))?;
            }
            fs::write(root.join("etc/inittab"), INITTAB)
        };
        made().map_err(|e| e.to_string())?;
        fixtures::tar(root, to)
    })
}

/// Debian with an init and [`TOOLS`], as its installer leaves it, but without accounts.
fn debian(name: &str, init: &[&str]) -> Result<PathBuf, String> {
    let file = format!("{name}.tar");
    let made = program::cache().join(&file);
    if made.exists() {
        return Ok(made);
    }
    let base = fixtures::debian()?;
    fixtures::cached(&file, |to| {
        let tree = tempfile::tempdir().map_err(|e| e.to_string())?;
        fixtures::unpack(&base, tree.path())?;
        fixtures::install(tree.path(), &[init, &TOOLS].concat())?;
        as_installed(tree.path()).map_err(|e| e.to_string())?;
        fixtures::tar(tree.path(), to)
    })
}

/// Removes what was needed only to make the tree: a container starts its services, and resolves names in its own network.
fn as_installed(root: &Path) -> std::io::Result<()> {
    fs::remove_file(root.join("usr/sbin/policy-rc.d"))?;
    fs::remove_file(root.join("etc/resolv.conf"))
}
