//! Runs the graph of steps: stages side by side, one process each.
//!
//! ```text
//! job          what all processes of a build share      base     the images that stages stand on
//! processes    forked processes, and what they say      pull     missing base images
//! coordinator  starts the workers, and tells them all   worker   the process of one stage
//! dispatch/    one instruction                          state    a stage's image so far
//! trees        where a stage takes files from           wire     what processes send each other
//! history      the image's history, as BuildKit's       checks   mistakes in the Dockerfile
//! foreign      programs of other platforms              internal steps that are not in the Dockerfile
//! describe     what the Dockerfile offers               definition the Dockerfile and its contexts
//! narration    what clients of the classic builder are told
//! ```

mod base;
mod checks;
mod coordinator;
mod definition;
mod describe;
mod dispatch;
mod foreign;
mod history;
mod internal;
mod job;
mod narration;
mod processes;
mod pull;
mod state;
mod trees;
mod wire;
mod worker;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use hull_engine::Engine;
use hull_image::platform::Platform;
use hull_storage::layers::LayerStore;

pub use checks::{Checked, check};
pub use describe::{outline, targets};

use crate::Result;
use crate::cache::Cache;
use crate::cache::remote::Imports;
use crate::dockerfile::{Dockerfile, Kind};
use crate::error::IoContext;
use crate::output::{Built, BuiltLayer, Keeps, StageLayers};
use crate::plan::{Globals, Stages};
use crate::progress::Reporter;
use crate::request::{Request, Secret};

/// Builds what the request asks for, once for each platform. The results are in the store and have no names yet.
/// `stdin` is read for `-` as context or as Dockerfile.
///
/// # Errors
///
/// [`crate::Error::At`] with the lines of the instruction that failed. Nothing but the cache is left of a failed build.
pub fn build(
    engine: &Engine,
    request: &Request,
    stdin: &mut dyn Read,
    reporter: &mut dyn Reporter,
) -> Result<Vec<Built>> {
    check_files(request)?;
    let cache = Cache::open(engine.root())?;
    let running = Arc::new(cache.begin_build()?);
    LayerStore::new(engine.root()).collect()?;
    engine.collect_steps()?;
    crate::context::collect(engine.root())?;
    let definition = definition::load(engine, request, stdin, reporter)?;
    let host = [Platform::host()];
    let platforms = if request.platforms.is_empty() { &host[..] } else { &request.platforms };
    let imports = definition::import_caches(request, reporter)?;
    let build = |platform| one_platform(engine, request, (&cache, &imports), &definition, platform, reporter);
    let mut built: Vec<Built> = platforms.iter().map(build).collect::<Result<_>>()?;
    built.iter_mut().for_each(|one| one.keeps.running = Some(running.clone()));
    Ok(built)
}

/// Secrets and keys that cannot be read are errors, whether a step asks for them or not.
fn check_files(request: &Request) -> Result<()> {
    let exists = |path: &std::path::Path, what: String| {
        std::fs::metadata(path).map(drop).context(|| format!("read {} for {what}", path.display()))
    };
    for (id, secret) in &request.secrets {
        if let Secret::File(path) = secret {
            exists(path, format!("the secret {id:?}"))?;
        }
    }
    for (id, paths) in &request.ssh {
        paths.iter().try_for_each(|path| exists(path, format!("--ssh {id}")))?;
    }
    Ok(())
}

fn check_rights(request: &Request, file: &Dockerfile, stages: &Stages, needed: &[usize]) -> Result<()> {
    for instruction in needed.iter().flat_map(|number| stages.stages[*number].all()) {
        if let Kind::Run(run) = &instruction.kind {
            crate::run::check(request, run).map_err(|error| error.at(&file.name, instruction.span))?;
        }
    }
    Ok(())
}

fn one_platform(
    engine: &Engine,
    request: &Request,
    (cache, imports): (&Cache, &Imports),
    definition: &definition::Definition,
    platform: &Platform,
    reporter: &mut dyn Reporter,
) -> Result<Built> {
    let file: &Dockerfile = &definition.file;
    let globals = Globals::new(file, &request.args, platform, request.target.as_deref().unwrap_or_default())?;
    let is_context = |name: &str| definition.named_contexts.contains_key(name);
    let mut stages = Stages::of(file, &globals, &is_context, request.target.as_deref(), platform)?;
    let is_context: &dyn Fn(&str) -> bool = &is_context;
    if request.narrates {
        let needed: Vec<usize> = stages.needed(is_context).into_iter().collect();
        narration::Numbering { file, stages: &stages, needed: &needed }.begin(reporter);
    }
    let mut resolver = base::Resolver { engine, request, definition, is_context, next_step: internal::FIRST };
    let (needed, images) = resolver.resolve(&mut stages, reporter)?;
    check_rights(request, file, &stages, &needed)?;
    if request.platforms.first().is_none_or(|first| first == platform) {
        checks::report(request, definition, platform, &images.images, reporter)?;
    }
    let mut first_steps = BTreeMap::new();
    let mut next = resolver.next_step;
    for stage in &needed {
        first_steps.insert(*stage, next);
        next += job::count(&stages.stages[*stage]);
    }
    let job = job::Job {
        engine,
        request,
        cache: cache.clone(),
        imports,
        file,
        stages,
        globals,
        needed,
        first_steps,
        images: images.images,
        definition,
    };
    job.announce(reporter);
    let (result, others) = coordinator::run(&job, reporter)?;
    let mut config = result.config;
    config.created.get_or_insert_with(|| job.created());
    if !request.labels.is_empty() {
        let labels = &mut config.config.get_or_insert_default().labels;
        labels.get_or_insert_default().extend(request.labels.clone());
    }
    let store = LayerStore::new(engine.root());
    let layer = |layer: &wire::Layer| BuiltLayer {
        descriptor: layer.descriptor.clone(),
        step_blob: layer.step.as_ref().map(|_| store.step_blob(layer.directory.hex())),
        step: layer.step.clone(),
    };
    let layers = result.layers.iter().map(layer).collect();
    let others = others.values().map(|other| StageLayers {
        diff_ids: other.config.rootfs.diff_ids.clone(),
        layers: other.layers.iter().map(layer).collect(),
    });
    let others = others.collect();
    let keeps = Keeps { running: None, base_images: Arc::new(images._held) };
    Ok(Built { platform: platform.clone(), config, layers, base: result.base, others, keeps })
}
