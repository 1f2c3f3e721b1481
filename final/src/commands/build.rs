//! `build`: makes an image from a Dockerfile.

use anyhow::Result;
use hull_build::output::Built;
use hull_build::progress::Reporter;
use hull_build::request::Request;
use hull_engine::Engine;

use super::registry;
use crate::cli::build::Build;

pub fn build(engine: &Engine, args: &Build) -> Result<u8> {
    let mut request = args.request()?;
    request.registry = registry::options(&args.access, None)?;
    let built = solve(engine, &request, &mut |_: &_| {})?;
    drop(built);
    Ok(0)
}

fn solve(_: &Engine, request: &Request, _: &mut dyn Reporter) -> hull_build::Result<Vec<Built>> {
    let _ = request;
    Err(hull_build::Error::Unsupported("hull does not run the steps of a Dockerfile".into()))
}
