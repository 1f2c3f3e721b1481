//! COPY and ADD: files of trees become a layer, without a container.

use std::path::PathBuf;

use crate::context::Tree;
use crate::patterns::Patterns;

/// A COPY or ADD, with everything expanded.
#[derive(Debug)]
pub struct Request<'a> {
    pub sources: Vec<Source<'a>>,
    /// As written; a relative one is beneath `working_dir`.
    pub destination: String,
    pub working_dir: String,
    /// The layers below, lowest first. Empty for `--link`: the layer must not depend on them.
    pub below: Vec<PathBuf>,
    pub chown: Option<String>,
    pub chmod: Option<String>,
    pub parents: bool,
    pub exclude: Patterns,
    /// Times are not later: seconds since 1970.
    pub epoch: Option<i64>,
}

#[derive(Debug)]
pub enum Source<'a> {
    /// What a pattern matches in a tree.
    Pattern { tree: &'a Tree, pattern: String, unpack: bool },
    /// A heredoc.
    Content { name: String, bytes: Vec<u8> },
}
