//! What the caller names as a context becomes a tree.

use std::io::Read;
use std::path::Path;

use hull_image::members::Members;
use hull_storage::root::Root;

use super::git_url::GitUrl;
use super::{Fetched, Remote, Tree, directory, download, git, staged};
use crate::dockerfile::LARGEST;
use crate::error::IoContext;
use crate::patterns::Patterns;
use crate::request::ContextSource;
use crate::{Error, Result};

/// So much of a stream is looked at to see whether it is an archive.
const BEGINNING: usize = 8192;

/// A context that was opened.
#[derive(Debug)]
pub struct Loaded {
    pub tree: Tree,
    /// The stream or the URL was no archive but a Dockerfile; the tree is empty.
    pub dockerfile: Option<Vec<u8>>,
}

/// Opens a context. `name` is its name in errors. `dockerfile` is the path of the Dockerfile if it is a file of this
/// machine or of an archive. `stdin` is read for `-`. As with BuildKit, a `.dockerignore` counts in directories of this machine only.
///
/// # Errors
///
/// [`Error::Unsupported`] for images: they are layers, and no context to be opened here.
pub fn load(
    root: &Root,
    source: &ContextSource,
    name: &str,
    dockerfile: Option<&Path>,
    remote: &Remote,
    stdin: &mut dyn Read,
) -> Result<Loaded> {
    let plain = |tree| Ok(Loaded { tree, dockerfile: None });
    match source {
        ContextSource::Directory(path) => plain(directory::open_named(path, dockerfile, name)?),
        ContextSource::Stdin => stream(root, stdin, name),
        ContextSource::Archive => plain(archive(root, stdin, name, dockerfile)?),
        ContextSource::Empty => plain(staged::empty(root, name)?),
        ContextSource::Url(url) => {
            let mut download = download::download(root, url, None, remote)?;
            stream(root, &mut download.file, name)
        }
        ContextSource::Git(text) => {
            let url = GitUrl::parse(text).unwrap_or_else(|| Err(no_repository(text)))?;
            plain(git::checkout(root, &url, remote, name)?.0)
        }
        ContextSource::Image(image) => {
            Err(Error::Unsupported(format!("the image {image} as a build context")))
        }
        ContextSource::OciLayout(path) => {
            Err(Error::Unsupported(format!("the image layout {path} as a build context")))
        }
    }
}

/// Fetches a source of ADD that is on another machine. `None` if the source is a path.
pub fn fetch(
    root: &Root,
    source: &str,
    checksum: Option<&str>,
    keeps_git_directory: bool,
    remote: &Remote,
) -> Result<Option<Fetched>> {
    if let Some(url) = GitUrl::parse(source) {
        let mut url = url?;
        url.keeps_git_directory |= keeps_git_directory;
        if let Some(checksum) = checksum {
            url.checksum = Some(checksum.to_owned());
        }
        return git::source(root, &url, remote).map(Some);
    }
    if hull_image::registry::fetch::is_url(source) {
        return download::file(root, source, checksum, remote).map(Some);
    }
    match checksum {
        Some(_) => Err(Error::Invalid {
            what: "--checksum".into(),
            why: format!("{source} is neither a URL nor a git repository"),
        }),
        None => Ok(None),
    }
}

/// Whether a source of ADD or a context is on another machine.
pub fn is_remote(source: &str) -> bool {
    hull_image::registry::fetch::is_url(source) || GitUrl::parse(source).is_some()
}

/// The text of a Dockerfile on a web server.
pub fn fetch_dockerfile(root: &Root, url: &str, remote: &Remote) -> Result<Vec<u8>> {
    let mut download = download::download(root, url, None, remote)?;
    read_dockerfile(&mut download.file, url)
}

fn no_repository(text: &str) -> Error {
    Error::Invalid { what: format!("git repository {text}"), why: "it is not an address of git".into() }
}

/// docker's rule: who packs an archive leaves out what `.dockerignore` says, except the Dockerfile and `.dockerignore`, which
/// the builder reads. COPY does not see those two if they were to be left out.
fn archive(root: &Root, stream: &mut dyn Read, name: &str, dockerfile: Option<&Path>) -> Result<Tree> {
    let mut tree = staged::unpack(root, stream, name)?;
    let text = tree.read_file(Path::new(".dockerignore"), directory::LONGEST_IGNORE_FILE)?;
    let ignore = Patterns::parse_ignore_file(&text.unwrap_or_default())?;
    let read = [dockerfile.unwrap_or(Path::new("Dockerfile")), Path::new(".dockerignore")];
    let hidden = read.into_iter().filter(|path| ignore.excludes(path));
    let hidden: Vec<String> = hidden.map(|path| path.display().to_string()).collect();
    tree.ignore = Patterns::parse_ignore_file(hidden.join("\n").as_bytes())?;
    // docker's classic builder gives everything to root.
    tree.has_local_owners = true;
    Ok(tree)
}

/// docker's rule: an archive is a context, and everything else is a Dockerfile without one.
fn stream(root: &Root, stream: &mut dyn Read, name: &str) -> Result<Loaded> {
    let mut beginning = Vec::with_capacity(BEGINNING);
    (&mut *stream).take(BEGINNING as u64).read_to_end(&mut beginning).context(|| format!("read {name}"))?;
    let whole = beginning.as_slice().chain(stream);
    if is_archive(&beginning) {
        return Ok(Loaded { tree: staged::unpack(root, whole, name)?, dockerfile: None });
    }
    let dockerfile = Some(read_dockerfile(whole, name)?);
    Ok(Loaded { tree: staged::empty(root, name)?, dockerfile })
}

/// The text of a Dockerfile. `name` is where it comes from, for errors.
///
/// # Errors
///
/// If it is longer than [`LARGEST`].
pub fn read_dockerfile(stream: impl Read, name: &str) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    stream.take(LARGEST as u64 + 1).read_to_end(&mut text).context(|| format!("read {name}"))?;
    match text.len() > LARGEST {
        true => Err(Error::Invalid { what: name.into(), why: "a Dockerfile has 16 MiB at most".into() }),
        false => Ok(text),
    }
}

fn is_archive(beginning: &[u8]) -> bool {
    hull_image::is_compressed(beginning) || matches!(Members::new(beginning).next_member(), Ok(Some(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hull_image::packing::{Content, Entry, Kind, Packer};

    #[test]
    fn archives_are_told_from_dockerfiles() {
        let mut tar = tar_of("a", b"content");
        assert!(is_archive(&tar));
        tar[0] ^= 1;
        assert!(!is_archive(&tar), "the checksum is wrong");
        let long = tar_of(&"d/".repeat(100), b"");
        assert!(is_archive(&long));
        assert!(is_archive(&[0x1f, 0x8b, 8]) && is_archive(b"BZh9") && is_archive(&[0x28, 0xb5, 0x2f, 0xfd]));
        for text in ["", "FROM scratch\n", &"# a comment\n".repeat(1000), &"\0".repeat(1024)] {
            assert!(!is_archive(text.as_bytes()), "{text:?}");
        }
    }

    fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
        let entry = Entry {
            path: name.into(),
            kind: Kind::File { size: content.len() as u64 },
            mode: 0o644,
            uid: 0,
            gid: 0,
            modified: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
            attributes: vec![],
        };
        let mut bytes = Vec::new();
        let mut packer = Packer::new(&mut bytes);
        packer.put(&entry, Content::Stream(&mut &*content)).unwrap();
        packer.finish().unwrap();
        bytes
    }
}
