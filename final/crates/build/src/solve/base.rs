//! The images that stages stand on, and that files are taken from.

use std::collections::BTreeMap;
use std::fs::File;

use hull_engine::Engine;
use hull_image::Digest;
use hull_image::config::{ImageConfig, RootFs, RunConfig};
use hull_image::platform::Platform;
use hull_image::store::Image;

use super::definition::Definition;
use super::pull::{Missing, pull_all};
use super::state::DEFAULT_PATH;
use super::wire::{Layer, StageResult};
use crate::dockerfile::{Kind, Span};
use crate::plan::stages::{Origin, sources};
use crate::plan::{Base, Stages};
use crate::progress::{Reporter, StepId};
use crate::request::Request;
use crate::{Error, Result};

pub(super) struct BaseImages {
    pub images: BTreeMap<(String, String), StageResult>,
    /// Their layers and blobs, which garbage collection leaves alone while these are open.
    pub _held: Vec<File>,
}

/// Finds all images that the target needs, and pulls those that are missing. A base image may keep instructions for what is
/// built on it, which may need more stages and images.
pub(super) struct Resolver<'a> {
    pub engine: &'a Engine,
    pub request: &'a Request,
    pub definition: &'a Definition,
    pub is_context: &'a dyn Fn(&str) -> bool,
    /// The number of the next step that is announced.
    pub next_step: StepId,
}

impl Resolver<'_> {
    /// Returns the stages that are needed, and the images.
    pub(super) fn resolve(
        &mut self,
        stages: &mut Stages,
        reporter: &mut dyn Reporter,
    ) -> Result<(Vec<usize>, BaseImages)> {
        let mut found = BaseImages { images: BTreeMap::new(), _held: vec![] };
        loop {
            let needed: Vec<usize> = stages.needed(self.is_context).into_iter().collect();
            self.find(stages, &needed, &mut found, reporter)?;
            let new: Vec<usize> =
                needed.iter().copied().filter(|number| stages.stages[*number].triggers.is_none()).collect();
            for number in &new {
                let texts = triggers(stages, *number, &found);
                let stage = &mut stages.stages[*number];
                let span = stage.span;
                stage.set_triggers(&texts).map_err(|error| error.at(&self.definition.file.name, span))?;
            }
            if new.iter().all(|number| stages.stages[*number].triggers.as_ref().is_none_or(Vec::is_empty)) {
                return Ok((needed, found));
            }
        }
    }

    /// Finds the images of these stages that are not found yet.
    fn find(
        &mut self,
        stages: &Stages,
        needed: &[usize],
        found: &mut BaseImages,
        reporter: &mut dyn Reporter,
    ) -> Result<()> {
        let mut wanted: BTreeMap<(String, String), Missing> = BTreeMap::new();
        for number in needed {
            let platform = &stages.stages[*number].platform;
            for (name, span) in names(stages, *number, self.is_context) {
                let key = (name.clone(), platform.to_string());
                if found.images.contains_key(&key) || wanted.contains_key(&key) {
                    continue;
                }
                let near = stages.nearest(&name);
                let missing = Missing { name: self.actual(name), platform: platform.clone(), span, near };
                let local = self.local(&missing.name, platform);
                let local =
                    local.map_err(|error| missing.explain(error).at(&self.definition.file.name, span))?;
                match local {
                    Some(image) => found.add(self.engine, key, image)?,
                    None => drop(wanted.insert(key, missing)),
                }
            }
        }
        let (keys, missing): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
        let (engine, first) = (self.engine, self.next_step);
        self.next_step += missing.len() as StepId;
        let pulled = pull_all(engine, self.request, &self.definition.file.name, &missing, first, reporter)?;
        for (key, name) in keys.into_iter().zip(pulled) {
            found.add(engine, key, engine.images().resolve(&name)?)?;
        }
        Ok(())
    }

    /// The image's own name, if `--build-context` gives it the one that the Dockerfile uses.
    fn actual(&self, name: String) -> String {
        let short = name.strip_suffix(":latest").unwrap_or(&name);
        let short =
            short.strip_prefix("docker.io/library/").or(short.strip_prefix("docker.io/")).unwrap_or(short);
        self.definition.images.get(short).cloned().unwrap_or(name)
    }

    /// The image of the store, if it is there, is for the platform, and the registry need not be asked.
    fn local(&self, name: &str, platform: &Platform) -> Result<Option<Image>> {
        if self.request.pull {
            return Ok(None);
        }
        let never = self.request.never_pull;
        match self.engine.images().resolve(name) {
            Ok(image) if platform.suits(&image.config.platform()).is_some() => Ok(Some(image)),
            Ok(image) if never => Err(Error::Unsupported(format!(
                "{name} in the store is for {} and not for {platform}, and no other may be pulled",
                image.config.platform()
            ))),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == hull_sys::Kind::NotFound && !never => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl BaseImages {
    fn add(&mut self, engine: &Engine, key: (String, String), image: Image) -> Result<()> {
        self._held.extend(engine.images().hold_image(&image)?);
        let result = result(&key.0, image);
        self.images.insert(key, result);
        Ok(())
    }
}

/// The images that a stage stands on and takes files from, with the lines that name them.
fn names(stages: &Stages, number: usize, is_context: &dyn Fn(&str) -> bool) -> Vec<(String, Span)> {
    let stage = &stages.stages[number];
    let base = match &stage.base {
        Base::Image(name) => Some((name.clone(), stage.span)),
        _ => None,
    };
    let sources = stage.all().flat_map(|one| sources(&one.kind).into_iter().map(|from| (from, one.span)));
    let images = sources.filter_map(|(from, span)| match stages.origin(number, &from, is_context) {
        Ok(Origin::Image(name)) => Some((name, span)),
        _ => None,
    });
    base.into_iter().chain(images).collect()
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

fn result(name: &str, image: Image) -> StageResult {
    let chain = hull_image::chain_ids(&image.config);
    let layers = image.manifest.layers.iter().zip(chain).map(|(descriptor, directory)| Layer {
        descriptor: descriptor.clone(),
        directory,
        step: None,
    });
    StageResult {
        layers: layers.collect(),
        key: Digest::of(format!("image {}", image.id).as_bytes()),
        base: Some((name.to_owned(), image.id)),
        arguments: vec![],
        variables: vec![],
        imported: None,
        inherited: 0,
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
        arguments: vec![],
        variables: vec![],
        imported: None,
        inherited: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Globals;

    #[test]
    fn an_image_has_the_line_that_names_it() {
        let text = "FROM a\nCOPY --from=b / /\nRUN --mount=from=c,target=/x true\nCOPY --from=$D / /";
        let file = crate::dockerfile::parse("Dockerfile", text.as_bytes()).unwrap();
        let (none, platform) = (BTreeMap::new(), Platform::host());
        let globals = Globals::new(&file, &none, &platform, "").unwrap();
        let stages = Stages::of(&file, &globals, &|_| false, None, &platform).unwrap();
        let named: Vec<_> =
            names(&stages, 0, &|_| false).into_iter().map(|(name, span)| (name, span.first)).collect();
        assert_eq!(named, [("a".to_owned(), 1), ("b".to_owned(), 2), ("c".to_owned(), 3)]);
    }
}
