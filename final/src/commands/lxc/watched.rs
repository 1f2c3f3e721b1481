//! A container, and what it uses at present.

use anyhow::{Result, anyhow};
use hull_docker::wire::stats::StatsResponse;
use hull_engine::{Engine, Summary};

use crate::commands::instances;

pub struct Watched {
    pub summary: Summary,
    /// `None` if it does not run.
    pub usage: Option<StatsResponse>,
}

impl Watched {
    pub fn of(engine: &Engine, name: &str) -> Result<Self> {
        let record = engine.record(name)?;
        let summary = engine.list()?.into_iter().find(|one| one.id == record.id);
        let summary = summary.ok_or_else(|| anyhow!("{name} was removed meanwhile"))?;
        let usage = usage(engine, &summary)?;
        Ok(Self { summary, usage })
    }

    /// LXD's word for its state, as its tables have it.
    pub fn state(&self) -> String {
        instances::state(&self.summary).to_uppercase()
    }
}

/// What a container uses. `None` if it does not run.
pub fn usage(engine: &Engine, summary: &Summary) -> Result<Option<StatsResponse>> {
    if summary.init().is_none() {
        return Ok(None);
    }
    let mut read = engine.stats_reader()?.read(std::slice::from_ref(&summary.id));
    Ok(read.pop().transpose()?)
}
