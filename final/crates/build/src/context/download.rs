//! Files from web servers: sources of ADD, and contexts.
//!
//! ```text
//! <data>/build/downloads/<SHA-256 of the URL>/content     the file; its mtime is the server's Last-Modified
//!                                             answer.json what the server said about it
//! ```
//!
//! A server that knows its files (ETag, Last-Modified) is asked whether its file is the same still: RFC 9110, 13.1.

use std::fs::{self, File, FileTimes};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hull_image::registry::{Access, fetch};
use hull_image::{Digest, Hasher};
use hull_storage::root::Root;
use hull_storage::staging::{self, Staging};
use serde::{Deserialize, Serialize};

use super::child::in_child;
use super::staged::{DOWNLOADS, Staged};
use super::{Fetched, Remote};
use crate::error::IoContext;
use crate::{Error, Result};

/// Bytes of a file.
const MOST_BYTES: u64 = 64 << 30;
/// A server that sends less than this in each period is not waited for: bytes.
const SLOWEST: u64 = 4096;
const PERIOD: Duration = Duration::from_secs(60);

/// So many files are kept for the next build, and so many bytes.
const MOST_KEPT: usize = 256;
const MOST_KEPT_BYTES: u64 = 4 << 30;

const CONTENT: &str = "content";
const ANSWER: &str = "answer.json";

/// What is known of a file that was fetched.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    url: String,
    digest: Digest,
    etag: Option<String>,
    last_modified: Option<String>,
    /// Seconds since the epoch: 0 if the server does not say.
    modified: u64,
    size: u64,
}

/// A file that was fetched, open.
pub(super) struct Download {
    pub file: File,
    pub digest: Digest,
    pub modified: u64,
}

/// Fetches a file for ADD: a tree with the file, mode 0600, under the name that its URL gives it.
pub(super) fn file(root: &Root, url: &str, checksum: Option<&str>, remote: &Remote) -> Result<Fetched> {
    let checksum = checksum.map(parse_checksum).transpose()?;
    let download = download(root, url, checksum.as_ref(), remote)?;
    let name = file_name(url);
    let staged = Staged::new(root)?;
    let target = staged.make_tree()?.join(&name);
    place(&download, &target)?;
    let identity = format!("{} {name} {}", download.digest, download.modified);
    Ok(Fetched {
        tree: staged.into_tree(url, true)?,
        source: name,
        digest: Digest::of(identity.as_bytes()),
        what: download.digest.to_string(),
    })
}

/// docker's rule: what is behind the last slash of the path.
pub(super) fn file_name(url: &str) -> String {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = path.find('/').map_or("", |at| &path[at..]);
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let decoded = percent_decoded(last);
    match decoded.as_str() {
        "" | "." | ".." => "__unnamed__".into(),
        name if name.contains(['/', '\0']) => "__unnamed__".into(),
        name => name.into(),
    }
}

pub(super) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (byte, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

fn parse_checksum(text: &str) -> Result<Digest> {
    Digest::parse(text).map_err(|_| Error::Invalid {
        what: format!("checksum {text:?}"),
        why: "it must be sha256: and 64 hex digits".into(),
    })
}

/// Fetches a file, unless the server or the checksum says that the one of an earlier build is the same.
pub(super) fn download(
    root: &Root,
    url: &str,
    checksum: Option<&Digest>,
    remote: &Remote,
) -> Result<Download> {
    let directory = root.data().join(DOWNLOADS);
    hull_storage::directory::make_dirs(&directory, 0o700)?;
    let kept = directory.join(Digest::of(url.as_bytes()).hex());
    let known = known(&kept, url);
    if let (Some(record), Some(checksum)) = (&known, checksum)
        && record.digest == *checksum
    {
        let download = opened(&kept, record.clone())?;
        // Nobody else says that the file is whole.
        if is_whole(&download)? {
            return Ok(download);
        }
    }
    let work = || {
        let access = Access::new(remote.registry.clone())?;
        fetch_to(&directory, url, known.as_ref(), &access, remote)
    };
    // A download that is published under its own name is no longer this process's to remove; the child's is.
    let Some((record, staged)) = in_child(&format!("fetch {url}"), work)? else {
        let record = known
            .ok_or_else(|| refused(url, "the server says \"not modified\" of a file that it never sent"))?;
        return checked(opened(&kept, record)?, checksum, url);
    };
    let download = checked(opened(&staged, record)?, checksum, url);
    match &download {
        Ok(_) => {
            let _ = staging::remove_whole(&kept);
            // Another build may have put the same file there meanwhile.
            if fs::rename(&staged, &kept).is_err() {
                let _ = hull_storage::tree::remove_tree(&staged);
            }
            let _ = bound(&directory, MOST_KEPT, MOST_KEPT_BYTES);
        }
        Err(_) => drop(hull_storage::tree::remove_tree(&staged)),
    }
    download
}

fn is_whole(download: &Download) -> Result<bool> {
    let mut hasher = Hasher::new(std::io::sink());
    let mut file = download.file.try_clone().context(|| "read a download".into())?;
    std::io::copy(&mut file, &mut hasher).context(|| "read a download".into())?;
    file.rewind().context(|| "read a download".into())?;
    Ok(hasher.finish() == download.digest)
}

fn checked(download: Download, checksum: Option<&Digest>, url: &str) -> Result<Download> {
    match checksum {
        Some(checksum) if *checksum != download.digest => {
            Err(refused(url, &format!("its digest is {}, and not {checksum}", download.digest)))
        }
        _ => Ok(download),
    }
}

/// Reads what is known of a file. A damaged record counts as missing: the digest of its file is checked when it is used.
fn known(kept: &Path, url: &str) -> Option<Record> {
    let record: Record = hull_storage::file::read_json(&kept.join(ANSWER)).ok()??;
    let size = fs::symlink_metadata(kept.join(CONTENT)).ok()?.len();
    (record.url == url && record.size == size).then_some(record)
}

fn opened(directory: &Path, record: Record) -> Result<Download> {
    let path = directory.join(CONTENT);
    let file = File::open(&path).context(|| format!("open {}", path.display()))?;
    // What is used stays longest.
    let answer = File::options().write(true).open(directory.join(ANSWER));
    let _ = answer.and_then(|answer| answer.set_modified(SystemTime::now()));
    Ok(Download { file, digest: record.digest, modified: record.modified })
}

/// Returns the record and the directory of a new file. `None` if the known one is the same still.
fn fetch_to(
    directory: &Path,
    url: &str,
    known: Option<&Record>,
    access: &Access,
    remote: &Remote,
) -> Result<Option<(Record, PathBuf)>> {
    let mut headers = Vec::new();
    // An archive must arrive as it is, and not compressed once more on the way.
    headers.push(("accept-encoding", "identity".to_owned()));
    if let Some(known) = known {
        headers.extend(known.etag.clone().map(|etag| ("if-none-match", etag)));
        if known.etag.is_none() {
            headers.extend(known.last_modified.clone().map(|time| ("if-modified-since", time)));
        }
    }
    let get = fetch::Get { url, headers: &headers, trusts_redirects: remote.trusts_redirects };
    let answer = fetch::get(access, &get).map_err(|error| explained(url, error))?;
    if answer.is_unmodified() {
        return Ok(None);
    }
    let header = |name| answer.header(name).map(str::to_owned);
    let (etag, last_modified) = (header("etag"), header("last-modified"));
    let length = header("content-length").and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > MOST_BYTES) {
        return Err(refused(url, &format!("it has more than {} GiB", MOST_BYTES >> 30)));
    }
    let modified = answer.last_modified().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified = modified.unwrap_or_default().as_secs();
    let staging = Staging::new(directory)?;
    let path = staging.path().join(CONTENT);
    let (digest, size) = receive(answer.into_reader(), &path, url, MOST_BYTES)?;
    let record = Record { url: url.to_owned(), digest, etag, last_modified, modified, size };
    let time = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(modified));
    let file = File::options().write(true).open(&path);
    file.and_then(|file| file.set_times(time)).context(|| format!("set the time of {}", path.display()))?;
    hull_storage::file::write_json_atomic(&staging.path().join(ANSWER), &record)?;
    // The name says which process makes it, and this one ends now: it needs one of its own.
    let done = directory.join(format!("{}-{}", record.digest.hex(), std::process::id()));
    match staging.publish(&done)? {
        true => Ok(Some((record, done))),
        false => Err(refused(url, "another process has fetched it under the same name")),
    }
}

fn receive(mut body: impl Read, path: &Path, url: &str, most: u64) -> Result<(Digest, u64)> {
    let action = || format!("write {}", path.display());
    let file = File::options().write(true).create_new(true).mode(0o600).open(path).context(action)?;
    let mut to = Hasher::new(file);
    let mut buffer = vec![0; 128 * 1024];
    let (mut since, mut arrived) = (Instant::now(), 0);
    loop {
        let length = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(refused(url, &error.to_string())),
        };
        to.write_all(&buffer[..length]).context(action)?;
        if to.size > most {
            return Err(refused(url, &format!("it has more than {most} bytes")));
        }
        arrived += length as u64;
        if since.elapsed() >= PERIOD {
            if arrived < SLOWEST {
                return Err(refused(url, "the server sends it too slowly"));
            }
            (since, arrived) = (Instant::now(), 0);
        }
    }
    let size = to.size;
    Ok((to.finish(), size))
}

/// Gives the file another name: mode and time are the same already.
fn place(download: &Download, target: &Path) -> Result<()> {
    if hull_sys::fs::link_open_file(&download.file, rustix::fs::CWD, target).is_ok() {
        return Ok(());
    }
    let action = || format!("make {}", target.display());
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(target).context(action)?;
    let mut from = download.file.try_clone().context(action)?;
    hull_sys::fs::copy_content(&mut from, &mut file).context(action)?;
    let time = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(download.modified));
    file.set_times(time).context(action)
}

/// Removes the files that were used the longest ago, until the rest is within the limits.
fn bound(directory: &Path, files: usize, bytes: u64) -> std::io::Result<()> {
    let mut kept: Vec<(SystemTime, u64, PathBuf)> = fs::read_dir(directory)?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let used = fs::metadata(path.join(ANSWER)).ok()?.modified().ok()?;
            Some((used, fs::metadata(path.join(CONTENT)).ok()?.len(), path))
        })
        .collect();
    kept.sort_unstable();
    let mut total: u64 = kept.iter().map(|(_, size, _)| size).sum();
    let mut count = kept.len();
    for (_, size, path) in kept {
        if count <= files && total <= bytes {
            break;
        }
        let _ = staging::remove_whole(&path);
        total -= size;
        count -= 1;
    }
    Ok(())
}

/// A file that is kept for the next build.
#[derive(Debug, Clone)]
pub struct Kept {
    /// A directory, which is removed whole.
    pub path: PathBuf,
    pub url: String,
    pub bytes: u64,
    pub created: SystemTime,
    pub used: SystemTime,
}

/// All files that are kept.
pub fn kept(root: &Root) -> Vec<Kept> {
    let one = |path: PathBuf| {
        let record: Record = hull_storage::file::read_json(&path.join(ANSWER)).ok()??;
        let answer = fs::metadata(path.join(ANSWER)).ok()?;
        let created = fs::metadata(path.join(CONTENT)).and_then(|content| content.created());
        let used = answer.modified().ok()?;
        Some(Kept { path, url: record.url, bytes: record.size, created: created.unwrap_or(used), used })
    };
    let Ok(entries) = fs::read_dir(root.data().join(DOWNLOADS)) else { return vec![] };
    entries.filter_map(|entry| one(entry.ok()?.path())).collect()
}

/// Web servers that are no registries are not called so.
fn explained(url: &str, error: hull_image::Error) -> Error {
    let kind = error.kind();
    match error {
        hull_image::Error::Registry { registry, why, .. } => {
            let why = why.strip_prefix(url).and_then(|why| why.strip_prefix(": ")).unwrap_or(&why);
            Error::Worker { kind, text: format!("cannot fetch {url}: {registry}: {why}") }
        }
        error => error.into(),
    }
}

pub(super) fn refused(url: &str, why: &str) -> Error {
    Error::Invalid { what: format!("file {url}"), why: why.into() }
}
