//! `push`: sends images to a registry.

use anyhow::{Context, Result, bail};
use hull_docker::size;
use hull_engine::Engine;
use hull_image::progress::Silent;
use hull_image::reference::Reference;

use super::registry;
use crate::cli::registry::Push;
use crate::cli::values::read_if_given;
use crate::ui::output;
use crate::ui::progress::{Layers, PUSH};

pub fn push(engine: &Engine, args: &Push) -> Result<u8> {
    let chunk_size = read_if_given("--chunk-size", args.chunk_size.as_deref(), size::parse)?;
    let access = registry::access_with_chunk(&args.access, chunk_size)?;
    let target = Reference::parse(args.target.as_deref().unwrap_or(&args.name))?;
    let names = match args.all_tags {
        false => vec![(args.name.clone(), target.clone())],
        true if args.target.is_some() => bail!("--all-tags pushes by their own names, and takes no other"),
        true => all_tags(engine, &target)?,
    };
    if !args.quiet {
        let registry = target.registry();
        output::line(format!("The push refers to repository [{registry}/{}]", target.path()))?;
    }
    for (name, target) in names {
        let progress = Layers::new(PUSH);
        let watch: &dyn hull_image::progress::Progress = if args.quiet { &Silent } else { &progress };
        let pushed = engine.push_image(&access, &name, &target, watch)?;
        if let Some(path) = &args.digestfile {
            std::fs::write(path, pushed.digest.to_string())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        match args.quiet {
            true => output::line(pushed.digest)?,
            false => output::line(format!(
                "{}: digest: {} size: {}",
                target.tag().unwrap_or("by digest"),
                pushed.digest,
                pushed.size
            ))?,
        }
    }
    Ok(0)
}

fn all_tags(engine: &Engine, repository: &Reference) -> Result<Vec<(String, Reference)>> {
    let names = engine.images().list()?.into_iter().flat_map(|image| image.names);
    let references = names.filter_map(|name| Some((name.clone(), Reference::parse(&name).ok()?)));
    let same = |reference: &Reference| {
        reference.tag().is_some() && reference.canonical_repository() == repository.canonical_repository()
    };
    let found: Vec<_> = references.filter(|(_, reference)| same(reference)).collect();
    match found.is_empty() {
        true => bail!("No such image: {}", repository.familiar_repository()),
        false => Ok(found),
    }
}
