//! A stage while it is built: its image so far, and the arguments that its instructions see.

use std::path::PathBuf;

use hull_image::Digest;
use hull_image::config::{History, ImageConfig, RunConfig};
use hull_storage::layers::LayerStore;

use super::history::COMMENT;
use super::wire::{Layer, StageResult};
use crate::cache::remote::import::salted;
use crate::cache::{Key, LayerOfStep};
use crate::output::StepOfLayer;
use crate::variables;
use crate::{Error, Result};

/// docker's PATH, of which RUN and the image have at least this.
pub(super) const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// overlayfs mounts 500 layers (`OVL_MAX_STACK`), of which one is for the mount points of a container. docker's limit is
/// 127, and its error has the same words.
const MOST_LAYERS: usize = 499;

#[derive(Debug, Clone)]
pub(super) struct State {
    pub image: ImageConfig,
    pub layers: Vec<Layer>,
    pub key: Key,
    pub base: Option<(String, Digest)>,
    /// The layers that came from a cache elsewhere.
    pub imported: Option<Digest>,
    /// The arguments that the stage, or one that it stands on, has declared so far, in order.
    arguments: Vec<String>,
    /// What the instructions see of ENV and ARG: of two with the same name, the later one. An ARG after an ENV so has no
    /// effect on the image, but on the build.
    variables: Vec<(String, String)>,
    /// Whether the stage itself has a CMD: an ENTRYPOINT then keeps it.
    pub has_cmd: bool,
    pub escape: char,
    /// When the last layer was made, for the history of instructions without one.
    pub created: Option<String>,
    /// The lines of the base's history.
    inherited: usize,
}

impl State {
    pub(super) fn new(result: StageResult, escape: char) -> Self {
        let created = result.config.history.iter().rev().find_map(|line| line.created.clone());
        let created = created.or_else(|| result.config.created.clone());
        let mut state = Self {
            inherited: result.config.history.len(),
            image: result.config,
            layers: result.layers,
            key: result.key,
            base: result.base,
            imported: result.imported,
            arguments: result.arguments,
            variables: result.variables,
            has_cmd: false,
            escape,
            created,
        };
        for line in state.run_config().env.unwrap_or_default() {
            if let Some((name, value)) = line.split_once('=')
                && state.variable(name).is_none()
            {
                state.set_variable(name, value);
            }
        }
        state
    }

    pub(super) fn config(&mut self) -> &mut RunConfig {
        self.image.config.get_or_insert_default()
    }

    pub(super) fn run_config(&self) -> RunConfig {
        self.image.config.clone().unwrap_or_default()
    }

    /// The key that a step's record is stored under: builds that do not name the cache which a layer below came from do
    /// not look it up.
    pub(super) fn stored_key(&self, key: &Key) -> Key {
        self.imported.as_ref().map_or_else(|| key.clone(), |imported| salted(key, imported))
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        Some(self.variables.iter().find(|(key, _)| key == name)?.1.clone())
    }

    fn set_variable(&mut self, name: &str, value: &str) {
        match self.variables.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value.to_owned(),
            None => self.variables.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Declares an argument. Without a value it is what a variable of that name is already.
    pub(super) fn declare(&mut self, name: &str, value: Option<&str>) {
        self.arguments.retain(|other| other != name);
        self.arguments.push(name.to_owned());
        if let Some(value) = value {
            self.set_variable(name, value);
        }
    }

    /// The arguments that RUN sees, for its history.
    pub(super) fn arguments(&self) -> Vec<(String, Option<String>)> {
        self.arguments.iter().map(|name| (name.clone(), self.variable(name))).collect()
    }

    pub(super) fn expand(&self, text: &str) -> Result<String> {
        variables::word(text, self.escape, &|name| self.variable(name))
    }

    pub(super) fn expand_heredoc(&self, text: &str) -> Result<String> {
        variables::heredoc(text, &|name| self.variable(name))
    }

    pub(super) fn expand_words(&self, texts: &[String]) -> Result<Vec<String>> {
        let mut words = Vec::new();
        for text in texts {
            words.extend(variables::words(text, self.escape, &|name| self.variable(name))?);
        }
        Ok(words)
    }

    pub(super) fn set_env(&mut self, name: &str, value: &str) {
        self.set_variable(name, value);
        let line = format!("{name}={value}");
        let env = self.config().env.get_or_insert_default();
        let is_it = |old: &&mut String| old.split_once('=').is_some_and(|(key, _)| key == name);
        match env.iter_mut().find(is_it) {
            Some(old) => *old = line,
            None => env.push(line),
        }
    }

    /// docker's rule: the image has a PATH, whatever the base image says.
    pub(super) fn ensure_path(&mut self) {
        if self.variable("PATH").is_none()
            && let Some((name, path)) = DEFAULT_PATH.split_once('=')
        {
            self.set_env(name, path);
        }
    }

    /// The variables of RUN.
    pub(super) fn environment(&self) -> Vec<String> {
        self.variables.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// The shell of instructions in shell form.
    pub(super) fn shell(&self) -> Vec<String> {
        let shell = self.image.config.as_ref().and_then(|config| config.shell.clone());
        shell.unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()])
    }

    pub(super) fn working_dir(&self) -> String {
        let dir = self.image.config.as_ref().and_then(|config| config.working_dir.clone());
        dir.filter(|dir| !dir.is_empty()).unwrap_or_else(|| "/".into())
    }

    /// The layer directories, lowest first.
    pub(super) fn directories(&self, store: &LayerStore) -> Vec<PathBuf> {
        self.layers.iter().map(|layer| store.path(layer.directory.hex())).collect()
    }

    /// The chain ID of the layers so far.
    pub(super) fn chain(&self) -> Option<Digest> {
        let diff_ids = self.image.rootfs.diff_ids.iter();
        diff_ids.fold(None, |below, diff_id| Some(Digest::chain(below.as_ref(), diff_id)))
    }

    /// A line of the history for an instruction that adds no layer.
    pub(super) fn note(&mut self, created_by: String) {
        self.image.history.push(History {
            created: self.created.clone(),
            created_by: Some(created_by),
            comment: Some(COMMENT.into()),
            empty_layer: true,
        });
    }

    /// Whether the image may have one more layer.
    pub(super) fn check_depth(&self) -> Result<()> {
        if self.layers.len() < MOST_LAYERS {
            return Ok(());
        }
        let why = format!("max depth exceeded: an image has at most {MOST_LAYERS} layers");
        Err(Error::Invalid { what: "layer".into(), why })
    }

    /// Adds the layer of a step.
    pub(super) fn add(&mut self, layer: &LayerOfStep, created: &str, created_by: String, key: Key) {
        self.image.rootfs.diff_ids.push(layer.diff_id.clone());
        let (descriptor, directory) = (layer.descriptor.clone(), layer.chain_id.clone());
        let step = StepOfLayer { key: key.clone(), created: created.into() };
        self.layers.push(Layer { descriptor, directory, step: Some(step) });
        self.key = key;
        self.created = Some(created.into());
        self.image.history.push(History {
            created: Some(created.into()),
            created_by: Some(created_by),
            comment: Some(COMMENT.into()),
            empty_layer: false,
        });
    }

    /// What the stage is so far.
    pub(super) fn digest(&self) -> Digest {
        let created = self.created.clone().or_else(|| self.image.created.clone());
        let image = ImageConfig { created, ..self.image.clone() };
        Digest::of(&serde_json::to_vec(&image).expect("an image's configuration becomes JSON"))
    }

    pub(super) fn finish(mut self) -> StageResult {
        self.image.created = self.created.clone().or(self.image.created);
        let Self { image: mut config, layers, key, base, imported, arguments, variables, inherited, .. } =
            self;
        config.history.drain(..inherited);
        StageResult { config, layers, key, base, arguments, variables, imported, inherited }
    }
}
