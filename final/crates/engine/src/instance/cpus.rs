//! Which CPUs a container gets if `limits.cpu` is a number.

use std::collections::BTreeMap;

use hull_lxd::cpu::members;

use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::records::record::Record;

const ONLINE: &str = "/sys/devices/system/cpu/online";

/// Chooses `count` CPUs of the machine, as a cpuset: those to which the fewest other containers are pinned. A container
/// that is pinned to this number already keeps its CPUs, so that its processes stay near their caches. `None`: all
/// CPUs.
pub(super) fn choose(
    engine: &Engine,
    id: Option<&str>,
    count: usize,
    present: Option<&str>,
) -> Result<Option<String>> {
    let online = std::fs::read_to_string(ONLINE).context(|| format!("read {ONLINE}"))?;
    let online = members(&online);
    if count >= online.len() {
        return Ok(None);
    }
    if let Some(set) = present.filter(|set| members(set).len() == count)
        && members(set).iter().all(|cpu| online.contains(cpu))
    {
        return Ok(Some(set.to_owned()));
    }
    let mut pinned = BTreeMap::new();
    for other in engine.ids()?.iter().filter(|other| Some(other.as_str()) != id) {
        // A container that is being removed or is damaged counts as not pinned.
        let Ok(record) = Record::load(engine.root(), other) else { continue };
        for cpu in record.options.resources.cpuset_cpus.iter().flat_map(|set| members(set)) {
            *pinned.entry(cpu).or_insert(0) += 1;
        }
    }
    Ok(Some(least_used(online, &pinned, count)))
}

fn least_used(mut online: Vec<usize>, pinned: &BTreeMap<usize, usize>, count: usize) -> String {
    online.sort_by_key(|cpu| (pinned.get(cpu).copied().unwrap_or(0), *cpu));
    online.truncate(count);
    online.sort_unstable();
    online.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_used_are_chosen() {
        let pinned = BTreeMap::from([(0, 2), (1, 1), (3, 1)]);
        assert_eq!(least_used(vec![0, 1, 2, 3], &pinned, 1), "2");
        assert_eq!(least_used(vec![0, 1, 2, 3], &pinned, 3), "1,2,3");
    }
}
