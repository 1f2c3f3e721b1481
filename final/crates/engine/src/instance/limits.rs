//! `limits.*` and `linux.sysctl.*` as options.

use hull_lxd::cpu::{Allowance, Cpus};
use hull_lxd::{Config, cpu, rlimit, size};

use super::cpus;
use super::difference::Change;
use crate::engine::{Engine, cgroup_layout};
use crate::error::{Error, Result};
use crate::machine;
use crate::records::options::{CreateOptions, ResourceOptions, Ulimit};

/// The kernel's default weight of a cgroup (cpu.shares).
const SHARES: u64 = 1024;
/// The kernel's smallest weight.
const LEAST_SHARES: u64 = 2;
/// The default priority, which is the highest one.
const PRIORITY: u64 = 10;

const MEMORY: [&str; 4] =
    ["limits.memory", "limits.memory.enforce", "limits.memory.swap", "limits.memory.swap.priority"];

/// LXD's keys for the sizes of huge pages, the kernel's names of these sizes for cgroups, and the sizes in KiB.
const HUGEPAGES: [(&str, &str, u64); 4] = [
    ("limits.hugepages.64KB", "64KB", 64),
    ("limits.hugepages.1MB", "1MB", 1 << 10),
    ("limits.hugepages.2MB", "2MB", 2 << 10),
    ("limits.hugepages.1GB", "1GB", 1 << 20),
];

pub(super) fn put(
    engine: &Engine,
    id: Option<&str>,
    change: &Change<'_>,
    options: &mut CreateOptions,
) -> Result<()> {
    let limits = &mut options.resources;
    if change.of(&["limits.cpu"]) {
        limits.cpuset_cpus = match change.get("limits.cpu").map(|text| parse("limits.cpu", text, cpu::cpus)) {
            None => None,
            Some(wanted) => match wanted? {
                Cpus::Set(set) => {
                    crate::spec::check_cpus(&set).map_err(|why| wrong(change, "limits.cpu", why))?;
                    Some(set)
                }
                Cpus::Count(count) => cpus::choose(engine, id, count, limits.cpuset_cpus.as_deref())?,
            },
        };
    }
    if change.of(&["limits.cpu.allowance", "limits.cpu.priority"]) {
        cpu_time(change, limits)?;
    }
    if change.of(&MEMORY) {
        memory(change, limits)?;
    }
    if change.of(&["limits.processes"]) {
        limits.pids_limit = number(change, "limits.processes")?.map(|count| count as i64);
    }
    if change.of(&["limits.disk.priority"]) {
        let priority = number(change, "limits.disk.priority")?;
        // The kernel's weights are 10 to 1000.
        limits.block_io.weight = priority.map(|priority| (priority as u16 * 100).max(10));
    }
    for (key, size, kib) in HUGEPAGES.into_iter().filter(|(key, ..)| change.of(&[key])) {
        limits.hugepages.remove(size);
        if let Some(text) = change.get(key) {
            check_page_size(key, kib)?;
            limits.hugepages.insert(size.into(), parse(key, text, size::bytes)?);
        }
    }
    for (name, value) in change.family("limits.kernel.") {
        options.ulimits.retain(|limit| limit.name != name);
        if let Some(text) = value {
            let limit = parse(&format!("limits.kernel.{name}"), text, rlimit::parse)?;
            // -1 means no limit.
            let [soft, hard] = [limit.soft, limit.hard].map(|limit| limit.map_or(-1, |limit| limit as i64));
            options.ulimits.push(Ulimit { name: name.into(), soft, hard });
        }
    }
    for (name, value) in change.family("linux.sysctl.") {
        match value {
            Some(value) => options.sysctls.insert(name.into(), value.into()),
            None => options.sysctls.remove(name),
        };
    }
    Ok(())
}

/// Refuses to change by docker's flags a limit that a key in force has set: the next change of the key would overwrite
/// it.
pub(crate) fn refuse_flags(keys: &Config, before: &ResourceOptions, after: &ResourceOptions) -> Result<()> {
    let memory =
        |one: &ResourceOptions| (one.memory, one.memory_swap, one.memory_reservation, one.memory_swappiness);
    let time = |one: &ResourceOptions| (one.cpu_shares, one.cpu_quota, one.cpu_period, one.nano_cpus);
    let changed = [
        (memory(before) != memory(after), &MEMORY[..]),
        (time(before) != time(after), &["limits.cpu.allowance", "limits.cpu.priority"]),
        (before.cpuset_cpus != after.cpuset_cpus, &["limits.cpu"]),
        (before.pids_limit != after.pids_limit, &["limits.processes"]),
        (before.block_io.weight != after.block_io.weight, &["limits.disk.priority"]),
    ];
    let is_set = |key: &&&str| keys.contains_key(**key);
    let set = changed.iter().filter(|(differs, _)| *differs).find_map(|(_, names)| names.iter().find(is_set));
    match set {
        None => Ok(()),
        Some(key) => Err(Error::Invalid {
            what: "update".into(),
            why: format!(
                "the key {key} of the container or of a profile sets it: hull container config set changes the key"
            ),
        }),
    }
}

/// The error for a value, which shows the value as it was written.
fn wrong(change: &Change<'_>, key: &str, why: String) -> Error {
    let value = change.get(key).unwrap_or_default().into();
    hull_lxd::Error::Value { name: key.into(), value, why }.into()
}

fn parse<T>(key: &str, text: &str, parse: fn(&str) -> std::result::Result<T, String>) -> Result<T> {
    let error = |why| hull_lxd::Error::Value { name: key.into(), value: text.into(), why };
    Ok(parse(text).map_err(error)?)
}

fn number(change: &Change<'_>, key: &str) -> Result<Option<u64>> {
    let number = |text: &str| text.parse().map_err(|_| "it is a whole number".to_owned());
    change.get(key).map(|text| parse(key, text, number)).transpose()
}

/// Sets the CPU time. A percentage is a weight: while two containers compete for a CPU, it is relative to the time of a
/// container without a setting. The priority only orders containers with the same weight. A time is a quota.
fn cpu_time(change: &Change<'_>, limits: &mut ResourceOptions) -> Result<()> {
    const KEY: &str = "limits.cpu.allowance";
    let priority = number(change, "limits.cpu.priority")?.unwrap_or(PRIORITY);
    let allowance = change.get(KEY).map(|text| parse(KEY, text, cpu::allowance)).transpose()?;
    let (share, time) = match allowance {
        None => (SHARES, None),
        Some(Allowance::Percent(percent)) => (SHARES * percent / 100, None),
        Some(Allowance::Time { quota, period }) => (SHARES, Some((quota, period))),
    };
    let share = share.saturating_sub(PRIORITY - priority).max(LEAST_SHARES);
    limits.cpu_shares = (share != SHARES).then_some(share);
    limits.cpu_quota = time.map(|(quota, _)| quota as i64);
    limits.cpu_period = time.map(|(_, period)| period);
    limits.nano_cpus = None;
    Ok(())
}

/// Sets the limit of memory. A hard limit holds for memory and swap together, so that the container cannot evade it by
/// swapping. To a soft limit the kernel reduces the container when the machine's memory runs short.
fn memory(change: &Change<'_>, limits: &mut ResourceOptions) -> Result<()> {
    let limit = match change.get(MEMORY[0]) {
        Some(text) => {
            let amount = parse(MEMORY[0], text, size::amount)?;
            i64::try_from(amount.of(machine::memory_total())).ok()
        }
        None => None,
    };
    // docker's minimum: no program starts with less.
    if limit.is_some_and(|limit| limit < crate::spec::LEAST_MEMORY) {
        return Err(wrong(change, MEMORY[0], "the minimum memory limit is 6MiB".into()));
    }
    let is_soft = change.get(MEMORY[1]) == Some("soft");
    limits.memory = limit.filter(|_| !is_soft);
    limits.memory_swap = limits.memory;
    limits.memory_reservation = limit.filter(|_| is_soft);
    limits.memory_swappiness = swappiness(change, limits.memory.is_some())?;
    Ok(())
}

/// How readily the kernel swaps the container's memory. cgroup v2 has no such setting; there a hard limit forbids
/// swapping.
fn swappiness(change: &Change<'_>, is_hard: bool) -> Result<Option<u64>> {
    let may_swap = change.get(MEMORY[2]).is_none() || change.flag(MEMORY[2]);
    let priority = number(change, MEMORY[3])?;
    if may_swap && priority.is_none() {
        return Ok(None);
    }
    if matches!(cgroup_layout()?.describe(), "2") {
        return match may_swap || !is_hard {
            true => Err(Error::Unsupported(
                "limits.memory.swap=false needs a hard limits.memory, and limits.memory.swap.priority needs cgroup v1: \
                 v2 has no swappiness of its own"
                    .into(),
            )),
            false => Ok(None),
        };
    }
    // The highest priority gets the kernel's default, 60.
    Ok(Some(if may_swap { 70 - priority.unwrap_or(PRIORITY).min(PRIORITY) } else { 0 }))
}

fn check_page_size(key: &str, kib: u64) -> Result<()> {
    let path = format!("/sys/kernel/mm/hugepages/hugepages-{kib}kB");
    match std::path::Path::new(&path).exists() {
        true => Ok(()),
        false => {
            Err(Error::Unsupported(format!("cannot apply {key}: this kernel has no huge pages of {kib} KiB")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_keys(keys: &[(&str, &str)], limits: &mut ResourceOptions) {
        let after = keys.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let before = hull_lxd::Config::new();
        let change = Change { before: &before, after: &after };
        cpu_time(&change, limits).unwrap();
        memory(&change, limits).unwrap();
    }

    #[test]
    fn a_share_and_a_priority_become_a_weight() {
        let mut limits = ResourceOptions { nano_cpus: Some(1), ..Default::default() };
        put_keys(&[("limits.cpu.allowance", "50%"), ("limits.cpu.priority", "5")], &mut limits);
        assert_eq!((limits.cpu_shares, limits.cpu_quota, limits.nano_cpus), (Some(507), None, None));
        put_keys(&[("limits.cpu.allowance", "0%")], &mut limits);
        assert_eq!(limits.cpu_shares, Some(2));
        put_keys(&[("limits.cpu.allowance", "25ms/100ms")], &mut limits);
        assert_eq!(
            (limits.cpu_shares, limits.cpu_quota, limits.cpu_period),
            (None, Some(25_000), Some(100_000))
        );
        put_keys(&[], &mut limits);
        assert_eq!(limits, ResourceOptions::default());
    }

    #[test]
    fn memory_is_limited_together_with_swap() {
        let mut limits = ResourceOptions::default();
        put_keys(&[("limits.memory", "64MiB")], &mut limits);
        assert_eq!((limits.memory, limits.memory_swap), (Some(64 << 20), Some(64 << 20)));
        put_keys(&[("limits.memory", "64MiB"), ("limits.memory.enforce", "soft")], &mut limits);
        assert_eq!(
            (limits.memory, limits.memory_swap, limits.memory_reservation),
            (None, None, Some(64 << 20))
        );
        put_keys(&[("limits.memory", "50%")], &mut limits);
        assert_eq!(limits.memory, Some((machine::memory_total() / 2) as i64));
    }
}
