//! The trees that a stage takes files from, opened once.

use std::path::PathBuf;

use super::worker::Worker;
use crate::context::Tree;
use crate::plan::stages::Origin;
use crate::{Error, Result};

impl Worker<'_> {
    /// Where a `--from` of this stage leads.
    pub(super) fn origin(&self, from: &str) -> Result<Origin> {
        let contexts = |name: &str| self.job.definition.named_contexts.contains_key(name);
        self.job.stages.origin(self.number, from, &contexts)
    }

    /// Opens a tree before it is used with [`Self::tree`]. A stage's is opened when the stage has ended.
    pub(super) fn open_tree(&mut self, origin: Option<&Origin>) -> Result<()> {
        let Some(origin) = origin.filter(|origin| !self.trees.contains_key(origin)) else { return Ok(()) };
        let Some((directories, name)) = self.layers_of(origin)? else { return Ok(()) };
        let tree = Tree::of_layers(self.engine.root(), &directories, name)?;
        self.trees.insert(origin.clone(), tree);
        Ok(())
    }

    /// The directories of the layers of a stage or an image, lowest first, and what errors call it. `None` for a context.
    /// Waits for the end of a stage.
    pub(super) fn layers_of(&mut self, origin: &Origin) -> Result<Option<(Vec<PathBuf>, String)>> {
        let (layers, name) = match origin {
            Origin::Context(_) => return Ok(None),
            Origin::Stage(number) => {
                let number = *number;
                let layers = self.other(number)?.layers.clone();
                let stage = &self.job.stages.stages[number];
                (layers, format!("stage {:?}", stage.name.clone().unwrap_or_else(|| number.to_string())))
            }
            Origin::Image(image) => {
                let platform = &self.job.stages.stages[self.number].platform;
                let found = self.job.image(image, platform).ok_or_else(|| Error::Invalid {
                    what: format!("--from={image}"),
                    why: "the image was not found".into(),
                })?;
                (found.layers.clone(), format!("image {image:?}"))
            }
        };
        let directories = layers.iter().map(|layer| self.store.path(layer.directory.hex())).collect();
        Ok(Some((directories, name)))
    }

    /// The tree of an origin, or the build context.
    pub(super) fn tree(&self, origin: Option<&Origin>) -> Result<&Tree> {
        match origin {
            None => self.job.definition.context.as_ref().ok_or_else(no_context),
            Some(Origin::Context(name)) => Ok(&self.job.definition.named_contexts[name]),
            Some(origin) => Ok(&self.trees[origin]),
        }
    }
}

fn no_context() -> Error {
    let why =
        "the Dockerfile came from the standard input or from a URL; `-f - DIRECTORY` gives it a context";
    Error::Syntax(format!("there is no build context: {why}"))
}
