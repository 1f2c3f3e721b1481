//! CPU time of real-time processes on v1. A cgroup has no more of it than the one above it has left, and a new cgroup has
//! none (sched-rt-group.rst): those above the container's are given what it needs.

use std::path::Path;

use super::Result;
use super::files::{self, Error};
use crate::spec::Cpu;

const PERIOD: &str = "cpu.rt_period_us";
const RUNTIME: &str = "cpu.rt_runtime_us";

/// A share of 1 in the kernel's fixed point (`BW_SHIFT`).
const WHOLE: u128 = 1 << 20;

/// Gives the cgroups between `root` and `directory` what the limits take. The hierarchy's root has a fixed share, and
/// what it does not have left is refused by the kernel.
pub(super) fn make_room(root: &Path, directory: &Path, cpu: &Cpu) -> Result<()> {
    let Some(runtime) = cpu.realtime_runtime.and_then(|runtime| u128::try_from(runtime).ok()) else {
        return Ok(());
    };
    if !directory.join(RUNTIME).exists() {
        return Err(Error::Unusable(
            "this kernel has no limits of real-time CPU time (CONFIG_RT_GROUP_SCHED)".into(),
        ));
    }
    let period = match cpu.realtime_period {
        Some(period) => period.into(),
        None => number(directory, PERIOD)?,
    };
    let more = share(runtime, period).saturating_sub(current(directory)?);
    directory.parent().map_or(Ok(()), |parent| give(root, parent, more))
}

/// Lets the cgroups in `directory` take `more` together.
fn give(root: &Path, directory: &Path, more: u128) -> Result<()> {
    if directory == root || !directory.starts_with(root) || more == 0 {
        return Ok(());
    }
    let mut taken = more;
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            // One that ends meanwhile takes nothing.
            taken += current(&entry.path()).unwrap_or(0);
        }
    }
    let missing = taken.saturating_sub(current(directory)?);
    if missing == 0 {
        return Ok(());
    }
    directory.parent().map_or(Ok(()), |parent| give(root, parent, missing))?;
    let runtime = (taken * number(directory, PERIOD)?).div_ceil(WHOLE);
    files::write(&directory.join(RUNTIME), &runtime.to_string())
}

fn current(directory: &Path) -> Result<u128> {
    Ok(share(number(directory, RUNTIME)?, number(directory, PERIOD)?))
}

fn share(runtime: u128, period: u128) -> u128 {
    (runtime * WHOLE).div_ceil(period.max(1))
}

/// -1, no limit, is what only a cgroup without a parent can have.
fn number(directory: &Path, file: &str) -> Result<u128> {
    Ok(files::read(&directory.join(file))?.trim().parse().unwrap_or(0))
}
