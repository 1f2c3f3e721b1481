//! One cgroup in each hierarchy that hull always uses.

use std::fs;
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

/// v1 controllers, and where hybrid layouts have v2.
const HIERARCHIES: [&str; 7] = ["memory", "cpu", "cpuacct", "pids", "devices", "freezer", "unified"];

/// Directories of `cgroup` on every hierarchy this machine has; the one of v2 where that is all there is.
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

/// Moves a process into them, in one row: on v1 only the first write after a quiet time is slow.
pub fn join(directories: &[PathBuf], pid: i32) -> Result<()> {
    for directory in directories {
        fs::write(directory.join("cgroup.procs"), pid.to_string())
            .with_context(|| format!("joining {}", directory.display()))?;
    }
    Ok(())
}

pub fn remove(directories: &[PathBuf]) -> Result<()> {
    for directory in directories {
        fs::remove_dir(directory).with_context(|| format!("removing {}", directory.display()))?;
    }
    Ok(())
}
