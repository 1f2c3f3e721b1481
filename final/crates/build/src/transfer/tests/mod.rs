//! Layers as the two things that they are: a directory and a tar, which have to be the same.

mod archives;
mod hostile;
mod rules;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hull_image::members::Members;

use super::{Request, Source, Written};
use crate::Result;
use crate::context::{Tree, open_directory};
use crate::patterns::Patterns;

/// Times are clamped to it.
const EPOCH: i64 = 1_000_000_000;

/// A build context, a stack of layers, and the layers that are written on it.
struct World {
    scratch: tempfile::TempDir,
    below: Vec<PathBuf>,
    count: usize,
}

/// What an instruction says.
#[derive(Default)]
struct Copy<'a> {
    sources: &'a [&'a str],
    destination: &'a str,
    working_dir: &'a str,
    chown: Option<&'a str>,
    chmod: Option<&'a str>,
    exclude: &'a [&'a str],
    parents: bool,
    link: bool,
}

/// Runs a test as root, because everything in a layer belongs to root.
fn world(name: &str, test: impl FnOnce(&mut World)) {
    if !rustix::process::geteuid().is_root() {
        return hull_sys::testing::skip(name, "needs root");
    }
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir(scratch.path().join("context")).unwrap();
    test(&mut World { scratch, below: vec![], count: 0 });
}

impl World {
    fn context(&self, path: &str) -> PathBuf {
        self.scratch.path().join("context").join(path)
    }

    /// Files of the context: `path=content`, `path/` for a directory, `path->target` for a symlink.
    fn files(&self, files: &[&str]) -> &Self {
        make(&self.scratch.path().join("context"), files);
        self
    }

    /// A new layer on top of the others.
    fn layer(&mut self, files: &[&str]) -> PathBuf {
        let directory = self.directory();
        make(&directory, files);
        self.below.push(directory.clone());
        directory
    }

    fn directory(&mut self) -> PathBuf {
        self.count += 1;
        let directory = self.scratch.path().join(format!("layer-{}", self.count));
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        directory
    }

    fn tree(&self) -> Tree {
        open_directory(&self.scratch.path().join("context"), None).unwrap()
    }

    fn copy(&mut self, copy: &Copy<'_>) -> Result<(PathBuf, Vec<u8>, Written)> {
        let tree = self.tree();
        self.copy_from(&tree, copy)
    }

    fn copy_from(&mut self, tree: &Tree, copy: &Copy<'_>) -> Result<(PathBuf, Vec<u8>, Written)> {
        let pattern = |pattern: &&str| Source::Pattern { tree, pattern: pattern.to_string(), unpack: false };
        self.write(copy.sources.iter().map(pattern).collect(), copy)
    }

    fn write(&mut self, sources: Vec<Source<'_>>, copy: &Copy<'_>) -> Result<(PathBuf, Vec<u8>, Written)> {
        let directory = self.directory();
        let request = Request {
            sources,
            destination: copy.destination.into(),
            working_dir: if copy.working_dir.is_empty() { "/".into() } else { copy.working_dir.into() },
            below: if copy.link { vec![] } else { self.below.clone() },
            chown: copy.chown.map(str::to_owned),
            chmod: copy.chmod.map(str::to_owned),
            parents: copy.parents,
            exclude: Patterns::new(copy.exclude.iter().map(|text| text.to_string()).collect()).unwrap(),
            epoch: Some(EPOCH),
        };
        let mut tar = Vec::new();
        let written = super::write(&request, &directory, &mut tar)?;
        assert_eq!(of_directory(&directory), of_tar(&tar), "the directory and the tar");
        Ok((directory, tar, written))
    }

    /// The layer's entries: `mode uid:gid path`, with the content of files and the targets of links.
    fn copied(&mut self, copy: &Copy<'_>) -> Vec<String> {
        let (directory, ..) = self.copy(copy).unwrap();
        of_directory(&directory)
    }

    fn refused(&mut self, copy: &Copy<'_>) -> String {
        self.copy(copy).unwrap_err().to_string()
    }

    /// The paths only.
    fn paths(&mut self, copy: &Copy<'_>) -> Vec<String> {
        let path = |line: &String| line.split(' ').nth(2).unwrap().to_owned();
        self.copied(copy).iter().map(path).collect()
    }
}

fn make(root: &Path, files: &[&str]) {
    for file in files {
        let (path, content) = file.split_once('=').unwrap_or((file, ""));
        if let Some((path, target)) = file.split_once("->") {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, path).unwrap();
        } else if path.ends_with('/') {
            fs::create_dir_all(root.join(path)).unwrap();
        } else {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
}

fn line(path: &Path, mode: u32, owner: (u32, u32), rest: &str) -> String {
    format!("{:o} {}:{} {}{rest}", mode & 0o7777, owner.0, owner.1, path.display())
}

fn of_directory(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut first: Vec<(u64, PathBuf)> = Vec::new();
    add(root, Path::new(""), &mut lines, &mut first);
    lines.sort();
    lines
}

fn add(root: &Path, below: &Path, lines: &mut Vec<String>, first: &mut Vec<(u64, PathBuf)>) {
    let mut names: Vec<OsString> =
        fs::read_dir(root.join(below)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let is_directory = |name: &OsStr| fs::symlink_metadata(root.join(below).join(name)).unwrap().is_dir();
    names.sort_by_key(|name| is_directory(name));
    for name in names {
        let path = below.join(&name);
        let meta = fs::symlink_metadata(root.join(&path)).unwrap();
        let rest = if meta.is_dir() {
            "/".into()
        } else if meta.is_symlink() {
            format!(" -> {}", fs::read_link(root.join(&path)).unwrap().display())
        } else if !meta.is_file() {
            " special".to_owned()
        } else if let Some((_, link)) = first.iter().find(|(inode, _)| *inode == meta.ino()) {
            format!(" = {}", link.display())
        } else {
            first.push((meta.ino(), path.clone()));
            format!(" {}", String::from_utf8_lossy(&fs::read(root.join(&path)).unwrap()))
        };
        let mode = if meta.is_symlink() { 0o777 } else { meta.mode() };
        assert!(meta.mtime() <= EPOCH, "{}", path.display());
        lines.push(line(&path, mode, (meta.uid(), meta.gid()), &rest));
        if meta.is_dir() {
            add(root, &path, lines, first);
        }
    }
}

fn of_tar(tar: &[u8]) -> Vec<String> {
    let mut members = Members::new(tar);
    let mut lines = Vec::new();
    while let Some(member) = members.next_member().unwrap() {
        let path = PathBuf::from(OsStr::from_bytes(
            member
                .path
                .as_os_str()
                .as_bytes()
                .strip_suffix(b"/")
                .unwrap_or(member.path.as_os_str().as_bytes()),
        ));
        let rest = match member.kind {
            kind if kind.is_dir() => "/".into(),
            kind if kind.is_symlink() => format!(" -> {}", member.link.display()),
            kind if kind.is_hard_link() => format!(" = {}", member.link.display()),
            kind if kind.is_file() => {
                let mut content = vec![0; member.size as usize];
                members.read_exact(&mut content).unwrap();
                format!(" {}", String::from_utf8_lossy(&content))
            }
            _ => " special".to_owned(),
        };
        assert!(member.modified.0 <= EPOCH, "{}", path.display());
        lines.push(line(&path, member.mode, (member.uid, member.gid), &rest));
    }
    lines.sort();
    lines
}
