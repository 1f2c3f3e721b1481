//! Limits that name CPUs and memory nodes, checked against those that this machine has.

use crate::error::{Error, Result};
use crate::records::options::ResourceOptions;

pub(super) fn check(asked: &ResourceOptions) -> Result<()> {
    asked.nano_cpus.map_or(Ok(()), check_nano_cpus)?;
    check_cpuset("--cpuset-cpus", asked.cpuset_cpus.as_deref(), "cpu")?;
    check_cpuset("--cpuset-mems", asked.cpuset_mems.as_deref(), "node")
}

/// Checks that this machine has all CPUs of a list. The error says why not.
pub(crate) fn check_cpus(wanted: &str) -> std::result::Result<(), String> {
    check_list(wanted, "cpu")
}

fn check_cpuset(flag: &str, wanted: Option<&str>, kind: &str) -> Result<()> {
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else { return Ok(()) };
    let invalid = |why| Error::Invalid { what: format!("{flag} {wanted:?}"), why };
    check_list(wanted, kind).map_err(invalid)
}

/// Checks a list of CPUs or memory nodes. The kernel's own error for one that does not exist is a bare ERANGE.
fn check_list(wanted: &str, kind: &str) -> std::result::Result<(), String> {
    let list = cpuset(wanted).ok_or("expected a list such as 0-2,4")?;
    // A kernel without NUMA has no such directory, and one node.
    let path = format!("/sys/devices/system/{kind}/online");
    let text = std::fs::read_to_string(path).unwrap_or_else(|_| "0".into());
    let online = cpuset(text.trim()).unwrap_or_default();
    let is_online = |number: u16| online.iter().any(|(first, last)| (*first..=*last).contains(&number));
    match list.into_iter().flat_map(|(first, last)| first..=last).all(is_online) {
        true => Ok(()),
        false => Err(format!("this machine has {}", text.trim())),
    }
}

/// The ranges of cpuset(7)'s list format.
fn cpuset(text: &str) -> Option<Vec<(u16, u16)>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last).then_some((first, last))
    };
    text.split(',').map(range).collect()
}

/// More CPUs than the machine has would be no limit, and are most likely a mistake. docker refuses them, too.
fn check_nano_cpus(nano_cpus: u64) -> Result<()> {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if nano_cpus <= cpus as u64 * 1_000_000_000 {
        return Ok(());
    }
    Err(Error::Invalid {
        what: format!("--cpus {}", nano_cpus as f64 / 1e9),
        why: format!("there are only {cpus} CPUs here"),
    })
}
