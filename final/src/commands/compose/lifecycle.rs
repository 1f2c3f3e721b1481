//! The verbs that make, start, stop and remove containers.

use anyhow::Result;

use super::{Session, absent};
use crate::cli::compose::lifecycle::{Create, Diff, Down, Kill, Restart, Rm, Scale, Services, Stop};

pub fn create(_session: &Session<'_>, _args: &Create) -> Result<u8> {
    Err(absent("create"))
}

pub fn diff(_session: &Session<'_>, _args: &Diff) -> Result<u8> {
    Err(absent("diff"))
}

pub fn down(_session: &Session<'_>, _args: &Down) -> Result<u8> {
    Err(absent("down"))
}

pub fn kill(_session: &Session<'_>, _args: &Kill) -> Result<u8> {
    Err(absent("kill"))
}

pub fn pause(_session: &Session<'_>, _args: &Services) -> Result<u8> {
    Err(absent("pause"))
}

pub fn restart(_session: &Session<'_>, _args: &Restart) -> Result<u8> {
    Err(absent("restart"))
}

pub fn rm(_session: &Session<'_>, _args: &Rm) -> Result<u8> {
    Err(absent("rm"))
}

pub fn scale(_session: &Session<'_>, _args: &Scale) -> Result<u8> {
    Err(absent("scale"))
}

pub fn start(_session: &Session<'_>, _args: &Services) -> Result<u8> {
    Err(absent("start"))
}

pub fn stop(_session: &Session<'_>, _args: &Stop) -> Result<u8> {
    Err(absent("stop"))
}

pub fn unpause(_session: &Session<'_>, _args: &Services) -> Result<u8> {
    Err(absent("unpause"))
}
