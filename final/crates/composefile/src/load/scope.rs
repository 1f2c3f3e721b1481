//! What the files of a project have in common, and those of them that are read together.

use hull_yaml::tree::Node;

use super::LoadOptions;
use super::reset::Resets;
use crate::Result;
use crate::budget::Budget;
use crate::dotenv::Notes;
use crate::interpolate::Environment;
use crate::sources::{Sources, Warnings};

/// What all files of a project have in common.
pub(super) struct Common<'a> {
    pub(super) options: &'a LoadOptions,
    pub(super) sources: &'a mut Sources,
    pub(super) warnings: &'a mut Warnings,
    pub(super) budget: Budget,
}

impl<'a> Common<'a> {
    pub(super) fn notes(&mut self) -> Notes<'_> {
        Notes { sources: self.sources, warnings: self.warnings }
    }

    pub(super) fn home(&self) -> Option<&'a str> {
        self.options.environment.get("HOME").map(String::as_str)
    }
}

/// What the files of one list have in common: those of the command line, or those of one `include`.
pub(super) struct Scope<'a> {
    /// Where relative paths of the files begin, as the model shows them. It is relative for an include.
    pub(super) directory: &'a str,
    /// The same directory, absolute: where references to other files begin.
    pub(super) base: &'a str,
    pub(super) environment: &'a Environment,
    /// The files that include these, the outermost one first.
    pub(super) included: &'a [String],
}

/// What a file is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Model,
    /// Its services are extended: they are checked after they are merged into the services that extend them.
    Extended,
}

/// Reads files for the files that name them.
pub(super) trait Reader<'a> {
    fn common(&mut self) -> &mut Common<'a>;

    /// The merged document of some files, in the canonical form and with its paths resolved.
    fn model(&mut self, files: &[String], scope: &Scope<'_>, resolve_paths: bool) -> Result<Node>;

    /// `model` with the documents of a file merged into it, and what the last one resets.
    fn file(
        &mut self,
        file: &str,
        scope: &Scope<'_>,
        purpose: Purpose,
        model: Node,
    ) -> Result<(Node, Resets)>;
}
