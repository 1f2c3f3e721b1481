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
use crate::dockerfile::{Dockerfile, Span};
use crate::plan::stages::Origin;
use crate::plan::{Base, Stages};
use crate::progress::Reporter;
use crate::request::Request;

pub(super) struct BaseImages {
    pub images: BTreeMap<(String, String), StageResult>,
    /// Their layers and blobs, which garbage collection leaves alone while these are open.
    pub _held: Vec<File>,
}

/// Finds all images that the needed stages use, and pulls those that are missing.
#[allow(clippy::too_many_arguments)]
pub(super) fn images(
    engine: &Engine,
    request: &Request,
    file: &Dockerfile,
    stages: &Stages,
    needed: &[usize],
    is_context: &dyn Fn(&str) -> bool,
    reporter: &mut dyn Reporter,
) -> Result<BaseImages> {
    let _ = reporter;
    let mut wanted: BTreeMap<(String, String), Span> = BTreeMap::new();
    for number in needed {
        let stage = &stages.stages[*number];
        let mut names = vec![];
        if let Base::Image(name) = &stage.base {
            names.push(name.clone());
        }
        names.extend(stages.origins(*number, is_context).into_iter().filter_map(|origin| match origin {
            Origin::Image(name) => Some(name),
            _ => None,
        }));
        for name in names {
            wanted.entry((name, stage.platform.to_string())).or_insert(stage.span);
        }
    }
    let mut found = BaseImages { images: BTreeMap::new(), _held: vec![] };
    for (key, span) in wanted {
        let (name, platform) = (&key.0, Platform::parse(&key.1)?);
        let image = image(engine, request, name, &platform);
        let image = image.map_err(|error| error.at(&file.name, span))?;
        found._held.extend(engine.images().hold_image(&image)?);
        let result = result(name, image);
        found.images.insert(key, result);
    }
    Ok(found)
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
