//! The sources of COPY and ADD.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::program::Program;
use super::{beneath_root, clean};
use crate::Result;

/// A source of COPY or ADD: a path, or a pattern that stands for several.
#[derive(Debug, Clone, PartialEq)]
pub struct Glob {
    /// The path up to the first name with a wildcard, relative to the tree.
    base: PathBuf,
    /// The names from there on.
    program: Option<Program>,
}

impl Glob {
    /// A source as docker reads it: relative to the root of the tree, and `..` does not lead out.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Invalid`] if a class is malformed.
    pub fn new(pattern: &str) -> Result<Self> {
        Self::parse(pattern, false)
    }

    /// The same with `**` for any number of directories: a source of `COPY --parents`.
    pub fn deep(pattern: &str) -> Result<Self> {
        Self::parse(pattern, true)
    }

    /// A path without wildcards: the source of a bind mount.
    pub fn literal(path: &str) -> Self {
        Self { base: beneath_root(path.as_bytes()), program: None }
    }

    fn parse(pattern: &str, deep: bool) -> Result<Self> {
        let rooted = clean(&[b"/", pattern.as_bytes()].concat());
        let names: Vec<&[u8]> = rooted.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
        let literal = names.iter().take_while(|name| !has_wildcards(name)).count();
        let base = OsString::from_vec(names[..literal].join(&b'/')).into();
        let program = match &names[literal..] {
            [] => None,
            names => Some(Program::parse(&names.join(&b'/'), deep)?),
        };
        Ok(Self { base, program })
    }

    /// Where the paths are: itself if the pattern has no wildcard.
    pub fn base(&self) -> &Path {
        &self.base
    }

    pub fn has_wildcards(&self) -> bool {
        self.program.is_some()
    }

    /// Whether a path relative to [`Self::base`] matches.
    pub fn matches(&self, path: &Path) -> bool {
        self.program.as_ref().is_some_and(|program| program.matches(path.as_os_str().as_bytes()))
    }

    /// Whether something beneath a directory, relative to [`Self::base`], may match.
    pub fn may_match_beneath(&self, directory: &Path) -> bool {
        let directory = directory.as_os_str().as_bytes();
        self.program.as_ref().is_some_and(|program| program.may_match_beneath(directory))
    }
}

/// Whether a name stands for several: it has `*`, `?` or `[`, and no backslash before it.
pub fn has_wildcards(name: &[u8]) -> bool {
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'*' | b'?' | b'[' => return true,
            _ => {}
        }
    }
    false
}
