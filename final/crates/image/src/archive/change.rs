//! `--change "CMD …"`: a Dockerfile's instructions about the configuration.

use crate::config::RunConfig;
use crate::error::Result;

pub fn apply_change(_config: &mut RunConfig, _change: &str) -> Result<()> {
    Ok(())
}
