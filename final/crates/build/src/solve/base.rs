//! The images that stages stand on, and that files are taken from.

use std::collections::BTreeMap;
use std::fs::File;

use hull_engine::{Engine, Pull, PullPolicy};
use hull_image::Digest;
use hull_image::config::{ImageConfig, RootFs, RunConfig};
use hull_image::platform::Platform;
use hull_image::store::Image;

use super::state::DEFAULT_PATH;
use super::wire::{Layer, StageResult};
use crate::Result;
use crate::dockerfile::{Dockerfile, Kind};
use crate::plan::stages::Origin;
use crate::plan::{Base, Stages};
use crate::request::Request;

pub(super) struct BaseImages {
    pub images: BTreeMap<(String, String), StageResult>,
    /// Their layers and blobs, which garbage collection leaves alone while these are open.
    pub _held: Vec<File>,
}

/// Finds all images that the target needs, and pulls those that are missing. A base image may keep instructions for what is
/// built on it, which may need more stages and images. Returns the stages that are needed.
pub(super) fn resolve(
    engine: &Engine,
    request: &Request,
    file: &Dockerfile,
    stages: &mut Stages,
    is_context: &dyn Fn(&str) -> bool,
) -> Result<(Vec<usize>, BaseImages)> {
    let mut found = BaseImages { images: BTreeMap::new(), _held: vec![] };
    loop {
        let needed: Vec<usize> = stages.needed(is_context).into_iter().collect();
        for number in &needed {
            let span = stages.stages[*number].span;
            for (name, platform) in names(stages, *number, is_context) {
                let key = (name, platform.to_string());
                if !found.images.contains_key(&key) {
                    let image = image(engine, request, &key.0, &platform);
                    let image = image.map_err(|error| error.at(&file.name, span))?;
                    found._held.extend(engine.images().hold_image(&image)?);
                    found.images.insert(key.clone(), result(&key.0, image));
                }
            }
        }
        let new: Vec<usize> =
            needed.iter().copied().filter(|number| stages.stages[*number].triggers.is_none()).collect();
        for number in &new {
            let texts = triggers(stages, *number, &found);
            let stage = &mut stages.stages[*number];
            let span = stage.span;
            stage.set_triggers(&texts).map_err(|error| error.at(&file.name, span))?;
        }
        if new.iter().all(|number| stages.stages[*number].triggers.as_ref().is_none_or(Vec::is_empty)) {
            return Ok((needed, found));
        }
    }
}

/// The images that a stage stands on and takes files from.
fn names(stages: &Stages, number: usize, is_context: &dyn Fn(&str) -> bool) -> Vec<(String, Platform)> {
    let stage = &stages.stages[number];
    let base = match &stage.base {
        Base::Image(name) => Some(name.clone()),
        _ => None,
    };
    let others = stages.origins(number, is_context).into_iter().filter_map(|origin| match origin {
        Origin::Image(name) => Some(name),
        _ => None,
    });
    base.into_iter().chain(others).map(|name| (name, stage.platform.clone())).collect()
}

/// What the base of a stage keeps for what is built on it.
fn triggers(stages: &Stages, number: usize, found: &BaseImages) -> Vec<String> {
    let stage = &stages.stages[number];
    match &stage.base {
        Base::Image(name) => {
            let image = found.images.get(&(name.clone(), stage.platform.to_string()));
            let config = image.and_then(|image| image.config.config.as_ref());
            config.and_then(|config| config.on_build.clone()).unwrap_or_default()
        }
        // What that stage's own base has kept was run there.
        Base::Stage(other) => {
            let own = stages.stages[*other].instructions.iter().filter_map(|one| match &one.kind {
                Kind::OnBuild(text, _) => Some(text.clone()),
                _ => None,
            });
            own.collect()
        }
        Base::Scratch | Base::Context(_) => vec![],
    }
}

fn image(engine: &Engine, request: &Request, name: &str, platform: &Platform) -> Result<Image> {
    let suits = |image: &Image| platform.suits(&image.config.platform()).is_some();
    if !request.pull {
        match engine.images().resolve(name) {
            Ok(image) if suits(&image) => return Ok(image),
            Err(error) if error.kind() != hull_sys::Kind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    let pull = Pull {
        policy: PullPolicy::Always,
        access: &|| request.registry.clone(),
        progress: &|| Box::new(hull_image::progress::Silent),
    };
    let pulled = engine.ensure_image(name, Some(&platform.to_string()), &pull)?;
    Ok(engine.images().resolve(&pulled)?)
}

fn result(name: &str, image: Image) -> StageResult {
    let chain = hull_image::chain_ids(&image.config);
    let layers = image.manifest.layers.iter().zip(chain).map(|(descriptor, directory)| Layer {
        descriptor: descriptor.clone(),
        directory,
        of_step: false,
    });
    StageResult {
        layers: layers.collect(),
        key: Digest::of(format!("image {}", image.id).as_bytes()),
        base: Some((name.to_owned(), image.id)),
        config: image.config,
    }
}

/// What `FROM scratch` stands on.
pub(super) fn scratch(platform: &Platform) -> StageResult {
    let config = RunConfig {
        env: Some(vec![DEFAULT_PATH.into()]),
        working_dir: Some("/".into()),
        ..RunConfig::default()
    };
    StageResult {
        config: ImageConfig {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            variant: platform.variant.clone(),
            config: Some(config),
            rootfs: RootFs { kind: "layers".into(), diff_ids: vec![] },
            ..ImageConfig::default()
        },
        layers: vec![],
        key: Digest::of(b"scratch"),
        base: None,
    }
}
