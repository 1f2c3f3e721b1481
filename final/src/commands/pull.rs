//! `pull`: fetches images from a registry.

use anyhow::{Result, bail};
use hull_engine::Engine;
use hull_image::platform::Platform;
use hull_image::progress::Silent;
use hull_image::pull::{PullOptions, Pulled};
use hull_image::reference::Reference;
use hull_image::registry::Access;

use super::{each, registry};
use crate::cli::registry::Pull;
use crate::ui::output;
use crate::ui::progress::{Layers, PULL};

pub fn pull(engine: &Engine, args: &Pull) -> Result<u8> {
    let access = registry::access(&args.access)?;
    let platform = args.platform.as_deref().map(Platform::parse).transpose()?;
    each(&args.names, |name| {
        let candidates = access.settings().candidates(name)?;
        if !args.all_tags {
            return one(engine, &access, &candidates, platform.clone(), args.quiet).map(Some);
        }
        if Reference::names_tag(name) {
            bail!("--all-tags takes a repository, and {name} names one image");
        }
        let (repository, tags) = hull_image::remote::tags(&access, &candidates)?;
        if tags.is_empty() {
            bail!("{} has no tags", repository.familiar_repository());
        }
        for tag in tags {
            let reference = repository.with_tag(&tag)?;
            output::line(one(engine, &access, &[reference], platform.clone(), args.quiet)?)?;
        }
        Ok(None)
    })
}

/// Pulls one image and returns what is printed about it.
fn one(
    engine: &Engine,
    access: &Access,
    candidates: &[Reference],
    platform: Option<Platform>,
    quiet: bool,
) -> Result<String> {
    if quiet {
        let options = PullOptions { platform, progress: &Silent };
        return Ok(engine.pull_image(access, candidates, &options)?.reference.canonical());
    }
    let progress = Layers::new(PULL);
    let pulled = engine.pull_image(access, candidates, &PullOptions { platform, progress: &progress })?;
    let Pulled { reference, digest, new, .. } = pulled;
    let status = match new {
        true => "Downloaded newer image for",
        false => "Image is up to date for",
    };
    let familiar = reference.familiar();
    Ok(format!("Digest: {digest}\nStatus: {status} {familiar}\n{}", reference.canonical()))
}
