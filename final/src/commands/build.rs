//! `build`: makes an image from a Dockerfile.

use anyhow::Result;
use hull_engine::Engine;

use super::registry;
use crate::cli::build::Build;

pub fn build(engine: &Engine, args: &Build) -> Result<u8> {
    let mut request = args.request()?;
    request.registry = registry::options(&args.access, None)?;
    let mut stdin = std::io::stdin();
    let built =
        hull_build::solve::build(engine, &request, &mut stdin, &mut |event: &_| eprintln!("{event:?}"))?;
    let annotations = hull_build::output::Annotations::parse(&request.annotations)?;
    let image = hull_build::output::image(engine.images(), &built, &request.tags, &annotations)?;
    crate::ui::output::line(image.id())?;
    Ok(0)
}
