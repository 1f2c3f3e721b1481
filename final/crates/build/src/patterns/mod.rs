//! Patterns of paths: Go's `filepath.Match` with `**`, lists with exceptions, and `.dockerignore`.

use std::path::Path;

use crate::Result;

/// The patterns of a `.dockerignore` or of `--exclude`. The last pattern that matches decides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patterns {
    patterns: Vec<String>,
}

impl Patterns {
    /// The lines of a `.dockerignore`.
    pub fn parse_ignore_file(text: &str) -> Result<Self> {
        Self::new(text.lines().map(str::to_owned).collect())
    }

    pub fn new(patterns: Vec<String>) -> Result<Self> {
        Ok(Self { patterns })
    }

    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether the path, or a directory above it, is excluded.
    pub fn excludes(&self, path: &Path) -> bool {
        let _ = path;
        false
    }

    /// Whether something beneath an excluded directory may be included again by an exception.
    pub fn may_include_beneath(&self, directory: &Path) -> bool {
        let _ = directory;
        false
    }
}
