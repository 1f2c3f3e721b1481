//! `exists`: whether there is an object of this name, by the exit code alone. It is podman's: 0 or 1, and 125 for an error.

use anyhow::{Context, Result};
use hull_engine::Engine;
use hull_sys::Kind;

use crate::ui::errors::Exit;

pub fn container(engine: &Engine, name: &str) -> Result<u8> {
    code(engine.inspect(name).map(drop))
}

pub fn image(engine: &Engine, name: &str) -> Result<u8> {
    code(engine.inspect_image(name).map(drop))
}

pub fn network(engine: &Engine, name: &str) -> Result<u8> {
    code(engine.inspect_network(name).map(drop))
}

pub fn volume(engine: &Engine, name: &str) -> Result<u8> {
    code(engine.inspect_volume(name).map(drop))
}

fn code(found: hull_engine::Result<()>) -> Result<u8> {
    match found {
        Ok(()) => Ok(0),
        // A name that no object can have is not the name of one.
        Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Invalid) => Ok(1),
        Err(error) => Err(error).context(Exit(125)),
    }
}
