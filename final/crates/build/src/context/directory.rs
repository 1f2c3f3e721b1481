//! A build context that is a directory of this machine.

use std::ffi::OsString;
use std::path::Path;

use super::Tree;
use crate::Result;
use crate::patterns::Patterns;

/// Bytes. Each file of the context is compared with each pattern.
pub(super) const LONGEST_IGNORE_FILE: u64 = 1 << 20;

/// Opens a directory as the build context. `dockerfile` is the path of the Dockerfile if it is a file of this machine: beside
/// it, `<its name>.dockerignore` comes before the context's `.dockerignore`
/// (<https://docs.docker.com/build/concepts/context/#filename-and-location>).
pub fn open_directory(path: &Path, dockerfile: Option<&Path>) -> Result<Tree> {
    open_named(path, dockerfile, "the build context")
}

/// The same for another context, which errors call `name`.
pub(super) fn open_named(path: &Path, dockerfile: Option<&Path>, name: &str) -> Result<Tree> {
    let mut tree = Tree::open(path, name)?;
    tree.has_local_owners = true;
    let own = dockerfile.map(beside).transpose()?.flatten();
    let text = match own {
        Some(text) => Some(text),
        None => tree.read_file(Path::new(".dockerignore"), LONGEST_IGNORE_FILE)?,
    };
    tree.ignore = Patterns::parse_ignore_file(&text.unwrap_or_default())?;
    Ok(tree)
}

/// The ignore file of one Dockerfile.
fn beside(dockerfile: &Path) -> Result<Option<Vec<u8>>> {
    let Some(name) = dockerfile.file_name() else { return Ok(None) };
    let directory = dockerfile.parent().filter(|parent| !parent.as_os_str().is_empty());
    // If the directory is missing, so is the Dockerfile, and its reader says so.
    let Ok(directory) = Tree::open(directory.unwrap_or(Path::new(".")), "the directory of the Dockerfile")
    else {
        return Ok(None);
    };
    let mut ignore = OsString::from(name);
    ignore.push(".dockerignore");
    directory.read_file(Path::new(&ignore), LONGEST_IGNORE_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_ignore_file_of_the_dockerfile_comes_first() {
        let scratch = tempfile::tempdir().unwrap();
        let context = scratch.path();
        fs::write(context.join(".dockerignore"), "a\n").unwrap();
        fs::write(context.join("Dockerfile.dockerignore"), "b\n").unwrap();
        fs::create_dir(context.join("x")).unwrap();
        fs::write(context.join("x/Other.dockerignore"), "c\n").unwrap();
        let ignored = |dockerfile: &str| {
            let tree = open_directory(context, Some(&context.join(dockerfile))).unwrap();
            let names = ["a", "b", "c"];
            names.into_iter().filter(|name| tree.ignore.excludes(Path::new(name))).collect::<String>()
        };
        assert_eq!(ignored("Dockerfile"), "b");
        assert_eq!(ignored("x/Other"), "c");
        assert_eq!(ignored("Plain"), "a");
        assert_eq!(ignored("missing/Plain"), "a");
    }

    #[test]
    fn an_ignore_file_outside_of_the_context_is_not_read() {
        let scratch = tempfile::tempdir().unwrap();
        let context = scratch.path().join("context");
        fs::create_dir(&context).unwrap();
        fs::write(scratch.path().join("outside"), "a\n").unwrap();
        std::os::unix::fs::symlink("../outside", context.join(".dockerignore")).unwrap();
        assert!(open_directory(&context, None).unwrap().ignore.is_empty());
        fs::write(context.join("outside"), "b\n").unwrap();
        let tree = open_directory(&context, None).unwrap();
        assert!(tree.ignore.excludes(Path::new("b")) && !tree.ignore.excludes(Path::new("a")));
    }

    #[test]
    fn an_ignore_file_that_is_none_is_an_error() {
        let scratch = tempfile::tempdir().unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            scratch.path().join(".dockerignore"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let error = open_directory(scratch.path(), None).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }
}
