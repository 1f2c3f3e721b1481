mod git;
mod remote;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::{Tree, open_directory};
use crate::patterns::{Glob, Patterns};

/// Makes files, and directories where the path ends with a slash.
fn make(root: &Path, paths: &[&str]) {
    for path in paths {
        let full = root.join(path);
        match path.strip_suffix('/') {
            Some(_) => fs::create_dir_all(full).unwrap(),
            None => {
                fs::create_dir_all(full.parent().unwrap()).unwrap();
                fs::write(full, path).unwrap();
            }
        }
    }
}

fn walked(tree: &Tree, path: &str, exclude: &[&str]) -> crate::Result<Vec<String>> {
    let exclude = Patterns::new(exclude.iter().map(|pattern| (*pattern).to_owned()).collect())?;
    let mut walk = tree.walk(Path::new(path), &exclude)?;
    let mut found = Vec::new();
    while let Some(entry) = walk.next_entry()? {
        let slash = if entry.kind == FileType::Directory { "/" } else { "" };
        found.push(format!("{}{slash}", entry.path.display()));
    }
    Ok(found)
}

fn matched(tree: &Tree, pattern: &str) -> Vec<PathBuf> {
    tree.matches(&Glob::new(pattern).unwrap()).unwrap()
}

#[test]
fn a_walk_is_sorted_and_a_directory_comes_before_what_is_in_it() {
    let scratch = tempfile::tempdir().unwrap();
    make(scratch.path(), &["b", "a/z", "a/b/c", "a-b", "e/"]);
    let tree = open_directory(scratch.path(), None).unwrap();
    assert_eq!(walked(&tree, "", &[]).unwrap(), ["/", "a/", "a/b/", "a/b/c", "a/z", "a-b", "b", "e/"]);
    assert_eq!(walked(&tree, "a", &[]).unwrap(), ["/", "b/", "b/c", "z"]);
    assert_eq!(walked(&tree, "/a/b/../z", &[]).unwrap(), [""]);
    assert_eq!(walked(&tree, "", &["a/b", "b"]).unwrap(), ["/", "a/", "a/z", "a-b", "e/"]);
}

#[test]
fn an_excluded_directory_comes_only_with_what_an_exception_includes() {
    let scratch = tempfile::tempdir().unwrap();
    make(scratch.path(), &["a/b/keep", "a/b/drop", "a/c/drop", "d/keep", ".dockerignore"]);
    fs::write(scratch.path().join(".dockerignore"), "*\n!*/b/keep\n").unwrap();
    let tree = open_directory(scratch.path(), None).unwrap();
    assert_eq!(walked(&tree, "", &[]).unwrap(), ["/", "a/", "a/b/", "a/b/keep"]);
    assert_eq!(walked(&tree, "a/b", &[]).unwrap(), ["/", "keep"]);
    for left_out in ["d", "a/c", "a/b/drop"] {
        let error = walked(&tree, left_out, &[]).unwrap_err().to_string();
        assert!(error.contains("because .dockerignore leaves it out"), "{left_out}: {error}");
    }
    assert_eq!(matched(&tree, "*"), [Path::new("a")]);
    assert!(
        tree.read_file(Path::new("a/c/drop"), 100).unwrap().is_some(),
        "the builder reads what it ignores"
    );
}

#[test]
fn symlinks_are_followed_up_to_the_source_and_never_out_of_the_tree() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("context");
    make(&root, &["real/file", "etc/passwd"]);
    make(scratch.path(), &["outside/file"]);
    symlink("real", root.join("link")).unwrap();
    symlink("/etc", root.join("absolute")).unwrap();
    symlink("../outside", root.join("out")).unwrap();
    symlink("../../../../../etc/passwd", root.join("real/up")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    let tree = open_directory(&root, None).unwrap();
    assert_eq!(walked(&tree, "link", &[]).unwrap(), ["/", "file", "up"]);
    assert_eq!(walked(&tree, "absolute", &[]).unwrap(), ["/", "passwd"]);
    assert_eq!(walked(&tree, "real/up", &[]).unwrap(), [""]);
    assert_eq!(tree.resolve(Path::new("real/up")).unwrap(), Path::new("etc/passwd"));
    assert!(matches!(walked(&tree, "out", &[]), Err(crate::Error::NoSuchFile { .. })));
    assert!(matches!(walked(&tree, "../outside", &[]), Err(crate::Error::NoSuchFile { .. })));
    assert!(walked(&tree, "loop", &[]).unwrap_err().to_string().contains("symbolic links"));
    let all = walked(&tree, "", &[]).unwrap();
    assert!(all.contains(&"link".to_owned()) && !all.contains(&"link/".to_owned()), "{all:?}");
}

#[test]
fn wildcards_match_names_and_not_what_is_in_a_directory_that_matches() {
    let scratch = tempfile::tempdir().unwrap();
    make(scratch.path(), &["a1/x", "a2/x", "b/a3", "a.txt", "sub/a/x.txt", "sub/b/y.txt"]);
    let tree = open_directory(scratch.path(), None).unwrap();
    let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
    assert_eq!(matched(&tree, "a*"), paths(&["a.txt", "a1", "a2"]));
    assert_eq!(matched(&tree, "a?/x"), paths(&["a1/x", "a2/x"]));
    assert_eq!(matched(&tree, "sub/*/*.txt"), paths(&["sub/a/x.txt", "sub/b/y.txt"]));
    assert_eq!(matched(&tree, "none*"), paths(&[]));
    // As in BuildKit, a pattern may match nothing, but the directory before it has to be there.
    assert!(matches!(tree.matches(&Glob::new("none/*").unwrap()), Err(crate::Error::NoSuchFile { .. })));
    let deep = tree.matches(&Glob::deep("**/*.txt").unwrap()).unwrap();
    assert_eq!(deep, paths(&["a.txt", "sub/a/x.txt", "sub/b/y.txt"]));
    assert!(matches!(tree.matches(&Glob::new("none").unwrap()), Err(crate::Error::NoSuchFile { .. })));
}

#[test]
fn a_tree_deeper_than_the_descriptor_table_is_walked() {
    let scratch = tempfile::tempdir().unwrap();
    let mut directory: std::os::fd::OwnedFd = fs::File::open(scratch.path()).unwrap().into();
    for _ in 0..1500 {
        use rustix::fs::{Mode, OFlags};
        rustix::fs::mkdirat(&directory, "d", Mode::RWXU).unwrap();
        directory = rustix::fs::openat(&directory, "d", OFlags::DIRECTORY, Mode::empty()).unwrap();
        rustix::fs::openat(&directory, "e", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
    }
    drop(directory);
    let tree = open_directory(scratch.path(), None).unwrap();
    assert_eq!(walked(&tree, "", &[]).unwrap().len(), 3001);
    hull_storage::tree::remove_tree(&scratch.path().join("d")).unwrap();
}

#[test]
fn files_of_a_context_belong_to_root_and_keep_their_modes() {
    let scratch = tempfile::tempdir().unwrap();
    make(scratch.path(), &["a"]);
    std::os::unix::fs::chown(scratch.path().join("a"), Some(7), Some(8)).unwrap();
    fs::hard_link(scratch.path().join("a"), scratch.path().join("b")).unwrap();
    let owners = |tree: &Tree| {
        let none = Patterns::default();
        let mut walk = tree.walk(Path::new("a"), &none).unwrap();
        let entry = walk.next_entry().unwrap().unwrap();
        assert!(entry.link_identity().is_some());
        (entry.uid, entry.gid)
    };
    assert_eq!(owners(&open_directory(scratch.path(), None).unwrap()), (0, 0));
    assert_eq!(owners(&Tree::open(scratch.path(), "stage 0").unwrap()), (7, 8));
}

#[test]
fn layers_are_a_tree_with_the_owners_of_the_image() {
    if !rustix::process::geteuid().is_root() {
        return hull_sys::testing::skip(
            "layers_are_a_tree_with_the_owners_of_the_image",
            "it mounts an overlay",
        );
    }
    let scratch = tempfile::tempdir().unwrap();
    let root =
        hull_storage::root::Root::open(&scratch.path().join("data"), &scratch.path().join("run")).unwrap();
    let layers = ["low", "high"].map(|name| scratch.path().join(name));
    make(scratch.path(), &["low/a", "low/b/c", "high/b/d"]);
    std::os::unix::fs::chown(layers[0].join("a"), Some(7), Some(8)).unwrap();
    let tree = Tree::of_layers(&root, &layers, "stage \"x\"").unwrap();
    assert_eq!(walked(&tree, "", &[]).unwrap(), ["/", "a", "b/", "b/c", "b/d"]);
    let none = Patterns::default();
    let owned = tree.walk(Path::new("a"), &none).unwrap().next_entry().unwrap().unwrap();
    assert_eq!((owned.uid, owned.gid), (7, 8));
    let error = walked(&tree, "none", &[]).unwrap_err().to_string();
    assert_eq!(error, r#""none" is not in stage "x""#);
}
