//! Patterns of paths: Go's `filepath.Match` with `**`, lists with exceptions, and `.dockerignore`.
//!
//! The rules are those of <https://docs.docker.com/build/concepts/context/#dockerignore-files> and, where the page is
//! silent, what `github.com/moby/patternmatcher` does: `testdata/ignore.tsv` holds its answers.
//!
//! ```text
//! program   one pattern, compiled      glob   the paths of a tree that a pattern of COPY matches
//! ```

mod glob;
mod program;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::{Error, Result};
use program::Program;

pub use glob::{Glob, has_wildcards};

/// The patterns of a `.dockerignore` or of `--exclude`. The last pattern that matches decides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patterns {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq)]
struct Pattern {
    /// `!`: what it matches is included again.
    is_exception: bool,
    text: Vec<u8>,
    kind: Kind,
}

/// docker compares most patterns as text. That is not only faster: `**suffix` matches in the middle of a name only when
/// it has no other wildcard.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Exact,
    /// `text**`
    Prefix(usize),
    /// `**text`
    Suffix,
    Program(Program),
}

/// Which patterns match a directory or a directory above it. A walk keeps one for each directory that it is in: what is
/// beneath needs not be compared with these patterns.
#[derive(Debug, Clone, Default)]
pub struct Matched(Vec<bool>);

impl Patterns {
    /// The lines of a `.dockerignore`.
    pub fn parse_ignore_file(text: &[u8]) -> Result<Self> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#"));
        let patterns = lines.filter_map(|line| {
            let line = trim(line);
            let (is_exception, pattern) = match line.strip_prefix(b"!") {
                Some(pattern) => (true, trim(pattern)),
                None => (false, line),
            };
            if line.is_empty() {
                return None;
            }
            let clean = if pattern.is_empty() { Vec::new() } else { clean(pattern) };
            // A leading slash is the root of the context.
            let relative = clean.strip_prefix(b"/").filter(|rest| !rest.is_empty()).unwrap_or(&clean);
            let mark: &[u8] = if is_exception { b"!" } else { b"" };
            Some([mark, relative].concat())
        });
        Self::parse(patterns)
    }

    pub fn new(patterns: Vec<String>) -> Result<Self> {
        Self::parse(patterns.into_iter().map(String::into_bytes))
    }

    fn parse(patterns: impl IntoIterator<Item = Vec<u8>>) -> Result<Self> {
        let parsed =
            patterns.into_iter().filter(|text| !trim(text).is_empty()).map(|text| Pattern::parse(&text));
        Ok(Self { patterns: parsed.collect::<Result<_>>()? })
    }

    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether the path, or a directory above it, is excluded.
    pub fn excludes(&self, path: &Path) -> bool {
        let path = path.as_os_str().as_bytes();
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let mut above = Matched::default();
        let mut excluded = false;
        for end in ends.chain([path.len()]) {
            (excluded, above) = self.decide(&path[..end], &above);
        }
        excluded
    }

    /// [`Self::excludes`] for a path whose directory has been decided on: `above` is what that returned, or the default
    /// at the root.
    pub fn excludes_in(&self, path: &Path, above: &Matched) -> (bool, Matched) {
        self.decide(path.as_os_str().as_bytes(), above)
    }

    /// docker's rule skips patterns that cannot change the decision, also when the path is a directory and they would
    /// decide about what is in it.
    fn decide(&self, path: &[u8], above: &Matched) -> (bool, Matched) {
        let mut excluded = false;
        let mut matched = vec![false; self.patterns.len()];
        for (n, pattern) in self.patterns.iter().enumerate() {
            let above = above.0.get(n).copied().unwrap_or(false);
            matched[n] = above || (pattern.is_exception == excluded && pattern.matches(path));
            if matched[n] {
                excluded = !pattern.is_exception;
            }
        }
        (excluded, Matched(matched))
    }

    /// Whether something beneath an excluded directory may be included again by an exception.
    pub fn may_include_beneath(&self, directory: &Path) -> bool {
        let directory = directory.as_os_str().as_bytes();
        self.patterns.iter().any(|pattern| pattern.is_exception && pattern.may_match_beneath(directory))
    }
}

impl Pattern {
    fn parse(text: &[u8]) -> Result<Self> {
        let clean = clean(trim(text));
        let (is_exception, text) = match clean.strip_prefix(b"!") {
            Some(b"") => {
                let why = "an exception needs a pattern after its !".into();
                return Err(Error::Invalid { what: "pattern \"!\"".into(), why });
            }
            Some(text) => (true, text),
            None => (false, clean.as_slice()),
        };
        Ok(Self { is_exception, text: text.to_vec(), kind: Kind::of(text)? })
    }

    fn matches(&self, path: &[u8]) -> bool {
        match &self.kind {
            Kind::Exact => path == self.text,
            Kind::Prefix(length) => path.starts_with(&self.text[..*length]),
            Kind::Suffix => {
                let suffix = &self.text[2..];
                path.ends_with(suffix) || suffix.strip_prefix(b"/") == Some(path)
            }
            Kind::Program(program) => program.matches(path),
        }
    }

    /// True too often costs time and nothing else.
    fn may_match_beneath(&self, directory: &[u8]) -> bool {
        let is_beneath =
            |path: &[u8]| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/"));
        match &self.kind {
            Kind::Exact => is_beneath(&self.text),
            Kind::Prefix(length) => {
                let prefix = &self.text[..*length];
                is_beneath(prefix) || [directory, b"/"].concat().starts_with(prefix)
            }
            Kind::Suffix => true,
            Kind::Program(program) => program.may_match_beneath(directory),
        }
    }
}

impl Kind {
    fn of(text: &[u8]) -> Result<Self> {
        let program = Program::parse(text, true)?;
        let is_special = |part: &[u8]| part.iter().any(|byte| b"*?[]\\".contains(byte));
        let inner = text.strip_prefix(b"**");
        Ok(match (inner, text.strip_suffix(b"**")) {
            _ if !is_special(text) => Self::Exact,
            (Some(suffix), _) if !is_special(suffix) => Self::Suffix,
            (None, Some(prefix)) if !is_special(prefix) => Self::Prefix(prefix.len()),
            _ => Self::Program(program),
        })
    }
}

/// Go's `strings.TrimSpace` of ASCII, and of what UTF-8 has.
fn trim(text: &[u8]) -> &[u8] {
    match std::str::from_utf8(text) {
        Ok(text) => text.trim().as_bytes(),
        Err(_) => text.trim_ascii(),
    }
}

/// The path that a process with this root directory means, relative to the root: without `.`, `..` and slashes at its ends.
/// Symlinks are not followed.
pub(crate) fn beneath_root(path: &[u8]) -> PathBuf {
    let rooted = clean(&[b"/", path].concat());
    OsString::from_vec(rooted.strip_prefix(b"/").unwrap_or(&rooted).to_vec()).into()
}

/// Go's `filepath.Clean`: the shortest path with the same meaning, by its text alone.
pub(crate) fn clean(path: &[u8]) -> Vec<u8> {
    let is_rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => drop(parts.pop()),
            b".." if is_rooted => {}
            part => parts.push(part),
        }
    }
    let clean = parts.join(&b'/');
    match (is_rooted, clean.is_empty()) {
        (true, _) => [b"/", clean.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => clean,
    }
}
