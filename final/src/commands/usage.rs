//! `top` without a container: what all containers use, again and again, as lxc-top shows it.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Result;
use hull_docker::size;
use hull_docker::wire::stats::StatsResponse;
use hull_engine::{Engine, StatsReader};

use crate::ui::live::Live;
use crate::ui::{list, output};

/// How the list is shown.
#[derive(Debug, Clone, Copy)]
pub struct Watch<'a> {
    /// name, cpu, memory, kernel, blockio or network. The greatest value comes first, and names are in alphabetical order.
    pub sort: &'a str,
    pub reverse: bool,
    /// Seconds.
    pub delay: u64,
    /// Show the list once, which is also done where stdout is no terminal.
    pub once: bool,
}

/// The time between the two readings from which the CPU share follows, if the list is shown once.
const SECOND: Duration = Duration::from_secs(1);

pub fn show(engine: &Engine, watch: &Watch<'_>) -> Result<u8> {
    let live = Live::start()?;
    let mut reader = engine.stats_reader()?;
    let is_drawn = !watch.once && std::io::stdout().is_terminal();
    let ids = reader.ids(false)?;
    match is_drawn {
        true => live.show(&text(&mut reader, &ids, watch))?,
        false => reader.prime(&ids),
    }
    let pause = if is_drawn { Duration::from_secs(watch.delay) } else { SECOND };
    while live.wait(pause)? {
        if !is_drawn {
            output::text(&text(&mut reader, &ids, watch))?;
            return Ok(0);
        }
        let ids = reader.ids(false)?;
        live.show(&text(&mut reader, &ids, watch))?;
    }
    Ok(0)
}

fn text(reader: &mut StatsReader, ids: &[String], watch: &Watch<'_>) -> String {
    // A container that has ended meanwhile is left out.
    let read: Vec<StatsResponse> = reader.read(ids).into_iter().flatten().collect();
    let used = |stats: StatsResponse| Used { kernel: reader.kernel_memory(&stats.id), stats };
    let mut all: Vec<Used> = read.into_iter().map(used).collect();
    sort(&mut all, watch);
    let titles =
        ["CONTAINER", "CPU USED", "CPU %", "BLKIO READ", "BLKIO WRITE", "MEMORY", "KMEM", "NET RX", "NET TX"];
    let mut lines = vec![titles.map(str::to_owned).to_vec()];
    lines.extend(all.iter().map(|one| row(one.name(), one.stats.cpu_percent(), &[one])));
    // The sum of no floats is -0.
    let cpu = all.iter().fold(0.0, |sum, one| sum + one.stats.cpu_percent());
    let all: Vec<&Used> = all.iter().collect();
    lines.push(row(&format!("TOTAL {} of {}", all.len(), ids.len()), cpu, &all));
    list::align(&lines)
}

/// What a container uses, and how much of its memory is the kernel's own.
struct Used {
    stats: StatsResponse,
    kernel: u64,
}

impl Used {
    fn name(&self) -> &str {
        self.stats.name.trim_start_matches('/')
    }

    /// The value by which the list is sorted. CPU shares are shown and compared in hundredths of a percent.
    fn key(&self, sort: &str) -> u64 {
        let both = |(one, other): (u64, u64)| one.saturating_add(other);
        match sort {
            "cpu" => (self.stats.cpu_percent() * 100.0) as u64,
            "memory" => self.stats.memory_used(),
            "kernel" => self.kernel,
            "blockio" => both(self.stats.block_bytes()),
            "network" => both(self.stats.network_bytes()),
            _ => 0,
        }
    }
}

fn row(name: &str, cpu: f64, of: &[&Used]) -> Vec<String> {
    let sum = |value: &dyn Fn(&StatsResponse) -> u64| of.iter().map(|one| value(&one.stats)).sum::<u64>();
    let seconds = sum(&|one| one.cpu_stats.cpu_usage.total_usage) as f64 / 1e9;
    vec![
        name.to_owned(),
        format!("{seconds:.2}"),
        format!("{cpu:.2}"),
        size::human(sum(&|one| one.block_bytes().0)),
        size::human(sum(&|one| one.block_bytes().1)),
        size::binary(sum(&StatsResponse::memory_used)),
        size::binary(of.iter().map(|one| one.kernel).sum()),
        size::human(sum(&|one| one.network_bytes().0)),
        size::human(sum(&|one| one.network_bytes().1)),
    ]
}

fn sort(all: &mut [Used], watch: &Watch<'_>) {
    all.sort_by(|a, b| b.key(watch.sort).cmp(&a.key(watch.sort)).then_with(|| a.name().cmp(b.name())));
    if watch.reverse {
        all.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_comes_first_and_names_from_a_on() {
        let one = |name: &str, usage: u64| {
            let mut stats = StatsResponse { name: format!("/{name}"), ..StatsResponse::default() };
            stats.memory_stats.usage = usage;
            Used { stats, kernel: 0 }
        };
        let order = |sort: &str, reverse| {
            let mut all = [one("b", 5), one("a", 5), one("c", 9)];
            super::sort(&mut all, &Watch { sort, reverse, delay: 3, once: true });
            all.map(|one| one.name().to_owned())
        };
        assert_eq!(order("memory", false), ["c", "a", "b"]);
        assert_eq!(order("name", false), ["a", "b", "c"]);
        assert_eq!(order("name", true), ["c", "b", "a"]);
    }
}
