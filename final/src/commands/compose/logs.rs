//! `compose logs`.

use anyhow::Result;

use super::{Session, absent};
use crate::cli::compose::up::Logs;

pub fn logs(_session: &Session<'_>, _args: &Logs) -> Result<u8> {
    Err(absent("logs"))
}
