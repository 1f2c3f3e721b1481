//! `update`: other limits for containers.

use anyhow::{Result, bail};
use hull_engine::Engine;

use super::each;
use crate::cli::resources::Update;

pub fn update(engine: &Engine, args: &Update) -> Result<u8> {
    let Some(request) = args.request()? else {
        bail!("you must provide one or more flags when using this command");
    };
    each(&args.names, |name| {
        engine.update(name, &request)?;
        Ok(Some(name.into()))
    })
}
