//! Limits as properties of a unit (systemd.resource-control(5)).
//!
//! The files of the cgroup are written too, with exactly the limits of the bundle. But systemd writes the files of its
//! properties again, for example when it is reloaded, so they must have the same values.

use std::collections::BTreeMap;

use super::wire::Value;
use super::{Error, Result, Unit};
use crate::spec::{Resources, cpu_weight, pids_limit};

/// A property's name and value.
pub(super) type Property = (String, Value);

/// The prefix of annotations in which engines pass further properties of a unit, as text.
const ANNOTATION: &str = "org.systemd.property.";

/// `infinity`
const UNLIMITED: u64 = u64::MAX;

pub(super) fn of_scope(unit: &Unit, pid: u32, v2: bool) -> Vec<Property> {
    let flag = |name: &str, value| (name.to_owned(), Value::Flag(value));
    vec![
        ("Description".into(), Value::Text("a container of hull-oci".into())),
        ("Slice".into(), Value::Text(unit.slice.clone())),
        ("PIDs".into(), Value::Uints(vec![pid])),
        // The container manages the cgroups below the scope's.
        flag("Delegate", true),
        // The container does not take part in the order of the machine's shutdown.
        flag("DefaultDependencies", false),
        // Otherwise a failed unit keeps its name in use.
        ("CollectMode".into(), Value::Text("inactive-or-failed".into())),
        flag("MemoryAccounting", true),
        flag("CPUAccounting", true),
        flag("TasksAccounting", true),
        flag(if v2 { "IOAccounting" } else { "BlockIOAccounting" }, true),
    ]
}

pub(super) fn of_resources(resources: &Resources, v2: bool) -> Vec<Property> {
    let mut found = Vec::new();
    let mut add = |name: &str, value: Option<u64>| {
        found.extend(value.map(|value| (name.to_owned(), Value::Ulong(value))));
    };
    if let Some(memory) = &resources.memory {
        add(if v2 { "MemoryMax" } else { "MemoryLimit" }, memory.limit.map(bytes));
        if v2 {
            add("MemoryLow", memory.reservation.map(bytes));
            let alone = |swap: i64| match memory.limit {
                Some(limit @ 0..) if swap >= 0 => swap - limit,
                _ => swap,
            };
            add("MemorySwapMax", memory.swap.map(|swap| bytes(alone(swap))));
        }
    }
    if let Some(cpu) = &resources.cpu {
        match v2 {
            true => add("CPUWeight", cpu.shares.map(cpu_weight)),
            false => add("CPUShares", cpu.shares),
        }
        if cpu.quota.is_some() || cpu.period.is_some() {
            let period = cpu.period.unwrap_or(100_000).max(1);
            let per_second = |quota: i64| bytes(quota).saturating_mul(1_000_000) / period;
            let per_second = cpu.quota.filter(|quota| *quota > 0).map_or(UNLIMITED, per_second);
            add("CPUQuotaPerSecUSec", Some(per_second));
            add("CPUQuotaPeriodUSec", Some(period));
        }
    }
    add("TasksMax", resources.pids.as_ref().map(|pids| bytes(pids_limit(pids.limit))));
    if let (true, Some(cpu)) = (v2, &resources.cpu) {
        let lists = [("AllowedCPUs", &cpu.cpus), ("AllowedMemoryNodes", &cpu.mems)];
        let masks = lists.into_iter().filter_map(|(name, list)| Some((name, mask(list.as_deref()?)?)));
        found.extend(masks.map(|(name, mask)| (name.to_owned(), Value::Bytes(mask))));
    }
    found
}

fn bytes(limit: i64) -> u64 {
    u64::try_from(limit).unwrap_or(UNLIMITED)
}

/// `0-2,5` as bits, the lowest first. An invalid list is left out, because the kernel refuses it with an error.
fn mask(list: &str) -> Option<Vec<u8>> {
    /// A limit that is larger than any kernel's number of CPUs.
    const MOST: usize = 1 << 13;
    let mut mask = Vec::new();
    for part in list.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if last >= MOST {
            return None;
        }
        for bit in first..=last {
            mask.resize(mask.len().max(bit / 8 + 1), 0);
            mask[bit / 8] |= 1 << (bit % 8);
        }
    }
    Some(mask)
}

/// The properties in annotations `org.systemd.property.NAME`. Values have GVariant's text format: `true`, `'text'`,
/// `['a', 'b']`, `uint64 5`. A property in seconds is sent as the property in microseconds that systemd has beside it.
pub(super) fn of_annotations(annotations: &BTreeMap<String, String>) -> Result<Vec<Property>> {
    let asked = annotations.iter().filter_map(|(name, value)| Some((name.strip_prefix(ANNOTATION)?, value)));
    asked
        .map(|(name, value)| {
            let refused =
                || Error::NotAProperty { name: format!("{ANNOTATION}{name}"), value: value.clone() };
            let parsed = parse(value.trim()).ok_or_else(refused)?;
            match name.strip_suffix("Sec").filter(|stem| !stem.ends_with('U')) {
                Some(stem) => Ok((format!("{stem}USec"), microseconds(&parsed).ok_or_else(refused)?)),
                None => Ok((name.to_owned(), parsed)),
            }
        })
        .collect()
}

fn microseconds(seconds: &Value) -> Option<Value> {
    let seconds = match *seconds {
        Value::Int(seconds) => u64::try_from(seconds).ok()?,
        Value::Long(seconds) => u64::try_from(seconds).ok()?,
        Value::Uint(seconds) => seconds.into(),
        Value::Ulong(seconds) => seconds,
        _ => return None,
    };
    seconds.checked_mul(1_000_000).map(Value::Ulong)
}

fn parse(text: &str) -> Option<Value> {
    if let Some(list) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let texts: Option<Vec<String>> = list.split(',').map(|one| quoted(one.trim())).collect();
        return texts.map(Value::Texts);
    }
    match text.split_once(' ') {
        Some(("uint32", number)) => number.trim().parse().ok().map(Value::Uint),
        Some(("int32", number)) => number.trim().parse().ok().map(Value::Int),
        Some(("int64", number)) => number.trim().parse().ok().map(Value::Long),
        Some(("uint64", number)) => number.trim().parse().ok().map(Value::Ulong),
        _ if text == "true" || text == "false" => Some(Value::Flag(text == "true")),
        _ => text.parse().ok().map(Value::Int).or_else(|| quoted(text).map(Value::Text)),
    }
}

fn quoted(text: &str) -> Option<String> {
    let inner = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    let inner = inner('\'').or_else(|| inner('"'))?;
    // Escapes are not supported, because no engine writes them.
    (!inner.contains(['\\', '\'', '"'])).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Cpu, Memory, Pids};

    #[test]
    fn limits_are_told_in_the_words_of_each_hierarchy() {
        let resources = Resources {
            memory: Some(Memory { limit: Some(100), swap: Some(150), ..Memory::default() }),
            cpu: Some(Cpu {
                quota: Some(50_000),
                cpus: Some("0-1,9".into()),
                shares: Some(2),
                ..Cpu::default()
            }),
            pids: Some(Pids { limit: -1 }),
            ..Resources::default()
        };
        let named = |v2| BTreeMap::from_iter(of_resources(&resources, v2));
        let (v1, v2) = (named(false), named(true));
        assert_eq!((&v1["MemoryLimit"], &v2["MemoryMax"]), (&Value::Ulong(100), &Value::Ulong(100)));
        assert_eq!((&v1["CPUShares"], &v2["CPUWeight"]), (&Value::Ulong(2), &Value::Ulong(1)));
        assert_eq!(v2["MemorySwapMax"], Value::Ulong(50));
        assert_eq!(v2["CPUQuotaPerSecUSec"], Value::Ulong(500_000));
        assert_eq!((&v1["TasksMax"], &v2["TasksMax"]), (&Value::Ulong(UNLIMITED), &Value::Ulong(UNLIMITED)));
        assert_eq!(v2["AllowedCPUs"], Value::Bytes(vec![0b11, 0b10]));
        assert!(!v1.contains_key("AllowedCPUs") && !v1.contains_key("MemorySwapMax"));
    }

    #[test]
    fn annotations_are_properties() {
        let of = |name: &str, value: &str| {
            let all = BTreeMap::from([(format!("{ANNOTATION}{name}"), value.to_owned())]);
            of_annotations(&all).map(|found| found[0].clone()).ok()
        };
        let found = |name: &str, value| Some((name.to_owned(), value));
        assert_eq!(of("TimeoutStopUSec", "uint64 7"), found("TimeoutStopUSec", Value::Ulong(7)));
        assert_eq!(of("TimeoutStopSec", "7"), found("TimeoutStopUSec", Value::Ulong(7_000_000)));
        assert_eq!(of("KillSignal", "15"), found("KillSignal", Value::Int(15)));
        assert_eq!(of("CollectMode", "'inactive'"), found("CollectMode", Value::Text("inactive".into())));
        assert_eq!(of("After", "['a', 'b']"), found("After", Value::Texts(vec!["a".into(), "b".into()])));
        assert_eq!(of("Delegate", "false"), found("Delegate", Value::Flag(false)));
        assert_eq!((of("X", "what"), of("X", "'"), of("XSec", "true")), (None, None, None));
    }
}
