//! `compose up`.

use anyhow::Result;

use super::{Session, absent};
use crate::cli::compose::up::Up;

pub fn up(_session: &Session<'_>, _args: &Up) -> Result<u8> {
    Err(absent("up"))
}
