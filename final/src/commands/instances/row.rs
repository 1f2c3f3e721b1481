//! A container of the list, with what is measured of it.

use anyhow::Result;
use hull_engine::{Engine, Status, Summary};

/// What has to be looked up beyond the list itself, because a column shows it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measure {
    pub usage: bool,
    pub disk: bool,
    pub snapshots: bool,
}

#[derive(Debug)]
pub struct Row<'a> {
    pub summary: &'a Summary,
    /// Nanoseconds.
    pub cpu: Option<u64>,
    /// In bytes.
    pub memory: Option<u64>,
    /// Percent of the memory that the container may use.
    pub memory_share: Option<f64>,
    pub processes: Option<u64>,
    /// Bytes that the container has written.
    pub disk: Option<u64>,
    pub snapshots: Option<u64>,
}

/// LXD's word for a container's state.
pub fn state(one: &Summary) -> &'static str {
    match one.status {
        Status::Running | Status::Restarting => "Running",
        Status::Paused => "Frozen",
        Status::Dead => "Error",
        Status::Created | Status::Exited => "Stopped",
    }
}

impl Row<'_> {
    /// A key of the container, or of its profiles.
    pub fn key(&self, key: &str) -> Option<String> {
        self.summary.instance().expanded.config.get(key).cloned()
    }

    pub fn device(&self, device: &str, key: &str) -> Option<String> {
        self.summary.instance().expanded.devices.get(device)?.get(key).cloned()
    }

    pub fn description(&self) -> &str {
        &self.summary.instance().description
    }
}

pub fn measured<'a>(engine: &Engine, all: &[&'a Summary], measure: Measure) -> Result<Vec<Row<'a>>> {
    let mut rows = Vec::new();
    for summary in all {
        let disk = measure.disk.then(|| engine.size_of(summary)).transpose()?.map(|(written, _)| written);
        let snapshots = measure.snapshots.then(|| engine.count_snapshots(summary)).transpose()?;
        let snapshots = snapshots.and_then(|count| u64::try_from(count).ok());
        let (cpu, memory, memory_share, processes) = (None, None, None, None);
        rows.push(Row { summary, cpu, memory, memory_share, processes, disk, snapshots });
    }
    if measure.usage {
        use_of(engine, &mut rows)?;
    }
    Ok(rows)
}

/// Measures what the running containers use. A container that has ended meanwhile has no values.
fn use_of(engine: &Engine, rows: &mut [Row<'_>]) -> Result<()> {
    let mut running: Vec<&mut Row<'_>> = rows.iter_mut().filter(|row| row.summary.init().is_some()).collect();
    let ids: Vec<String> = running.iter().map(|row| row.summary.id.clone()).collect();
    let read = engine.stats_reader()?.read(&ids);
    for (row, stats) in running.iter_mut().zip(read) {
        let Ok(stats) = stats else { continue };
        row.cpu = Some(stats.cpu_stats.cpu_usage.total_usage);
        row.memory = Some(stats.memory_used());
        row.memory_share = Some(stats.memory_percent());
        row.processes = Some(stats.pids_stats.current);
    }
    Ok(())
}
