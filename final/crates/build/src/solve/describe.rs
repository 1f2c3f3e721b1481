//! What the Dockerfile of a request offers, without a build.

use std::io::Read;

use hull_engine::Engine;
use hull_image::platform::Platform;

use super::definition;
use crate::Result;
use crate::outline::{self, Outline, Targets};
use crate::progress::Event;
use crate::request::Request;

/// The stages that can be built: `--call targets`.
///
/// # Errors
///
/// A Dockerfile that cannot be read or parsed.
pub fn targets(engine: &Engine, request: &Request, stdin: &mut dyn Read) -> Result<Targets> {
    let definition = definition::load(engine, request, stdin, &mut |_: &Event| {})?;
    Ok(outline::targets(&definition.file))
}

/// What can be given to the request's target: `--call outline`.
///
/// # Errors
///
/// As [`targets`], and what cannot be expanded.
pub fn outline(engine: &Engine, request: &Request, stdin: &mut dyn Read) -> Result<Outline> {
    let definition = definition::load(engine, request, stdin, &mut |_: &Event| {})?;
    let platform = request.platforms.first().cloned().unwrap_or_else(Platform::host);
    outline::outline(&definition.file, &request.args, request.target.as_deref(), &platform)
}
