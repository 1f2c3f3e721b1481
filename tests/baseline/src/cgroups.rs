//! One cgroup in each hierarchy that hull always uses.

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::{Context, Result};

/// docker's device list, in the syntax of the v1 `devices` controller.
const DEVICES: [&str; 11] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:1 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
];

/// The v1 controllers, and the directory where hybrid layouts mount v2.
const HIERARCHIES: [&str; 7] = ["memory", "cpu", "cpuacct", "pids", "devices", "freezer", "unified"];

/// The directory of `cgroup` in every v1 and hybrid hierarchy of this machine, or, if it has only v2, the one there.
pub fn directories(cgroup: &str) -> Vec<PathBuf> {
    let mounted = HIERARCHIES.map(|h| format!("/sys/fs/cgroup/{h}"));
    let found: Vec<_> =
        mounted.iter().filter(|m| PathBuf::from(format!("{m}/cgroup.procs")).exists()).collect();
    match found.is_empty() {
        true => vec![PathBuf::from(format!("/sys/fs/cgroup{cgroup}"))],
        false => found.iter().map(|mount| PathBuf::from(format!("{mount}{cgroup}"))).collect(),
    }
}

/// Makes them and sets the device list.
pub fn create(directories: &[PathBuf]) -> Result<()> {
    for directory in directories {
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        if directory.starts_with("/sys/fs/cgroup/devices") {
            fs::write(directory.join("devices.deny"), "a")?;
            for rule in DEVICES {
                fs::write(directory.join("devices.allow"), rule)?;
            }
        }
    }
    Ok(())
}

/// The cgroup that clone3 puts the child into: the one of v2, if there is one.
pub fn initial_cgroup(directories: &[PathBuf]) -> Result<Option<File>> {
    let v2 = directories.iter().find(|directory| !directory.join("tasks").exists());
    Ok(v2.map(File::open).transpose()?)
}

/// Moves this process into the cgroups of v1. Writing 0 to `tasks` is the one way for which the kernel takes no lock
/// that waits for an RCU grace period.
pub fn enter(directories: &[PathBuf]) -> Result<()> {
    for tasks in directories.iter().map(|directory| directory.join("tasks")).filter(|tasks| tasks.exists()) {
        fs::write(&tasks, "0").with_context(|| format!("writing {}", tasks.display()))?;
    }
    Ok(())
}

pub fn remove(directories: &[PathBuf]) -> Result<()> {
    for directory in directories {
        fs::remove_dir(directory).with_context(|| format!("removing {}", directory.display()))?;
    }
    Ok(())
}
