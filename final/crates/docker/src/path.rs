//! Paths on a command line: targets of mounts and copies in a container, and relative paths of the host.

use std::path::{Component, Path, PathBuf};

/// Checks a mount point in the container. The path is absolute and stays below the root.
pub fn target(text: &str) -> Result<PathBuf, String> {
    if !text.starts_with('/') {
        return Err(format!("the target {text:?} must be an absolute path"));
    }
    let clean: PathBuf = Path::new(text).components().collect();
    if clean.components().any(|part| part == Component::ParentDir) {
        return Err(format!("the target {text:?} must not contain .."));
    }
    if clean == Path::new("/") {
        return Err("the target can't be '/'".into());
    }
    Ok(clean)
}

/// The absolute path of a directory or file of the host. A relative path is relative to `here`.
pub fn source(text: &str, here: &Path) -> Result<PathBuf, String> {
    if text.starts_with('~') {
        return Err(format!("{text:?} begins with ~, which only a shell expands"));
    }
    match text.starts_with('/') {
        true => Ok(Path::new(text).components().collect()),
        false => Ok(clean(&here.join(text))),
    }
}

/// Resolves `..` in the text of a path: a symbolic link before it is not followed.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            part => clean.push(part),
        }
    }
    clean
}

/// One end of `cp` (<https://docs.docker.com/reference/cli/docker/container/cp/>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyPath {
    Container {
        name: String,
        path: PathBuf,
    },
    Host(PathBuf),
    /// `-`: a tar, on stdin or stdout.
    Stream,
}

impl CopyPath {
    /// `NAME:path`, unless it begins with `/` or `.`: then a colon is part of a file's name.
    pub fn parse(text: &str) -> Self {
        if text == "-" {
            return Self::Stream;
        }
        match text.split_once(':') {
            Some((name, path)) if !name.is_empty() && !text.starts_with(['/', '.']) => {
                Self::Container { name: name.into(), path: path.into() }
            }
            _ => Self::Host(text.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_absolute_and_below_the_root() {
        assert_eq!(target("/a//b/./c/").unwrap(), Path::new("/a/b/c"));
        for wrong in ["", "a", "/", "/.", "/a/../b"] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_source_may_be_relative() {
        let here = Path::new("/home/me");
        assert_eq!(source("./a", here).unwrap(), Path::new("/home/me/a"));
        assert_eq!(source("../a", here).unwrap(), Path::new("/home/a"));
        assert_eq!(source("/a", here).unwrap(), Path::new("/a"));
        assert!(source("~/a", here).is_err());
    }

    #[test]
    fn a_colon_separates_container_and_path() {
        let inside = |name: &str, path: &str| CopyPath::Container { name: name.into(), path: path.into() };
        for (text, expected) in [
            ("box:/tmp", inside("box", "/tmp")),
            ("box:tmp", inside("box", "tmp")),
            ("box:a:b", inside("box", "a:b")),
            ("box:", inside("box", "")),
            ("-", CopyPath::Stream),
            ("./box:tmp", CopyPath::Host("./box:tmp".into())),
            ("../box:tmp", CopyPath::Host("../box:tmp".into())),
            ("/srv/box:tmp", CopyPath::Host("/srv/box:tmp".into())),
            ("file", CopyPath::Host("file".into())),
            (":file", CopyPath::Host(":file".into())),
        ] {
            assert_eq!(CopyPath::parse(text), expected, "{text}");
        }
    }
}
