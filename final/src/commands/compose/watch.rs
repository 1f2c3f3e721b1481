//! `compose watch`.

use anyhow::Result;

use super::{Session, absent};
use crate::cli::compose::up::Watch;

pub fn watch(_session: &Session<'_>, _args: &Watch) -> Result<u8> {
    Err(absent("watch"))
}
