//! docker's rules for the two arguments: what the copy is called, and where it goes. Nothing here looks at files; see
//! <https://docs.docker.com/reference/cli/docker/container/cp/>.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// A path as docker reads it. `Path` would drop the trailing `/` and `/.`, which have a meaning here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split {
    pub parent: PathBuf,
    /// `None` for `/`, `.` and a path that ends in `..`, which name no entry of the parent.
    pub name: Option<OsString>,
    /// It ends in `/` or `/.`, so it has to be a directory.
    pub asserts_directory: bool,
    /// `SRC/.`: the content of the directory is copied, and not the directory.
    pub contents: bool,
}

impl Split {
    pub(super) fn of(path: &Path) -> Self {
        let bytes = path.as_os_str().as_bytes();
        let dotted = bytes == b"." || bytes.ends_with(b"/.");
        let (name, parent) = match path.components().next_back() {
            Some(Component::Normal(name)) => (Some(name.to_owned()), path.parent()),
            _ => (None, None),
        };
        let parent = match parent {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ if bytes.starts_with(b"/") => "/".into(),
            _ => ".".into(),
        };
        Self {
            parent,
            asserts_directory: dotted || bytes.ends_with(b"/") || name.is_none(),
            contents: dotted || name.is_none(),
            name,
        }
    }
}

/// The type of the file at the destination, after symlinks were followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Directory,
    File,
    Nothing,
}

/// The directory and the name of the copy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Landing {
    /// The copy goes into the destination, which is a directory. Otherwise it gets the destination's name.
    pub inside: bool,
    /// The name of the copy. Empty if the content of the source is copied.
    pub name: PathBuf,
}

/// docker's table of cases. The error is docker's text.
pub(super) fn landing(
    source: &Split,
    source_is_directory: bool,
    destination: &Split,
    found: Found,
) -> Result<Landing, &'static str> {
    let called = |name: Option<&OsStr>| PathBuf::from(name.unwrap_or_default());
    match (found, source_is_directory) {
        (Found::Directory, _) => {
            let name = if source.contents { None } else { source.name.as_deref() };
            Ok(Landing { inside: true, name: called(name) })
        }
        (Found::File, true) => Err("cannot copy a directory to a file"),
        (Found::File, false) if destination.asserts_directory => Err("not a directory"),
        (Found::Nothing, false) if destination.asserts_directory => Err("no such directory"),
        (Found::File | Found::Nothing, _) => {
            Ok(Landing { inside: false, name: called(destination.name.as_deref()) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailing_slash_or_dot_is_seen() {
        for (path, parent, name, asserts_directory, contents) in [
            ("/a/b", "/a", Some("b"), false, false),
            ("/a/b/", "/a", Some("b"), true, false),
            ("/a/b//", "/a", Some("b"), true, false),
            ("/a/b/.", "/a", Some("b"), true, true),
            ("b", ".", Some("b"), false, false),
            ("b/", ".", Some("b"), true, false),
            ("/b", "/", Some("b"), false, false),
            ("/", "/", None, true, true),
            (".", ".", None, true, true),
            ("./", ".", None, true, true),
            ("a/..", ".", None, true, true),
            ("/..", "/", None, true, true),
            (".hidden", ".", Some(".hidden"), false, false),
            ("b.", ".", Some("b."), false, false),
        ] {
            let expected =
                Split { parent: parent.into(), name: name.map(Into::into), asserts_directory, contents };
            assert_eq!(Split::of(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn copies_land_where_dockers_documentation_says() {
        use Found::{Directory, File, Nothing};
        let inside = |name: &str| Ok(Landing { inside: true, name: name.into() });
        let beside = |name: &str| Ok(Landing { inside: false, name: name.into() });
        for (source, is_directory, destination, found, expected) in [
            // SRC_PATH specifies a file ...
            ("/s/file", false, "/d/new", Nothing, beside("new")),
            ("/s/file", false, "/d/new/", Nothing, Err("no such directory")),
            ("/s/file", false, "/d/old", File, beside("old")),
            ("/s/file", false, "/d/old/", File, Err("not a directory")),
            ("/s/file", false, "/d", Directory, inside("file")),
            ("/s/file", false, "/d/", Directory, inside("file")),
            // ... or a directory.
            ("/s/dir", true, "/d/new", Nothing, beside("new")),
            ("/s/dir", true, "/d/new/", Nothing, beside("new")),
            ("/s/dir/.", true, "/d/new", Nothing, beside("new")),
            ("/s/dir", true, "/d/old", File, Err("cannot copy a directory to a file")),
            ("/s/dir/.", true, "/d/old", File, Err("cannot copy a directory to a file")),
            ("/s/dir", true, "/d", Directory, inside("dir")),
            ("/s/dir/", true, "/d", Directory, inside("dir")),
            ("/s/dir/.", true, "/d", Directory, inside("")),
            ("/", true, "/d", Directory, inside("")),
            (".", true, "/", Directory, inside("")),
        ] {
            let split = |path: &str| Split::of(Path::new(path));
            let landed = landing(&split(source), is_directory, &split(destination), found);
            assert_eq!(landed, expected, "{source} to {destination}");
        }
    }
}
