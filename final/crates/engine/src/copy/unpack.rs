//! Members of a tar as entries. Anybody may have made the tar: a name is a list of names below the destination, and what
//! it leads to is the sink's to check.

use std::ffi::CString;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Timespec, makedev};
use tar::EntryType;

use super::entry::{Content, Entry, Kind, Sink, shown, travels};
use super::members::{Member, Members, Records};
use crate::error::{Error, IoContext, Result};

/// Puts all members into the sink. Numbers are the owners, whatever the names beside them say.
pub(super) fn unpack(stream: impl Read, sink: &mut dyn Sink) -> Result<()> {
    let mut stream = BufReader::with_capacity(128 * 1024, stream);
    let start = stream.fill_buf().context(|| "read the tar".into())?;
    refuse_compressed(start)?;
    if start.is_empty() {
        return Err(invalid("it is empty"));
    }
    let mut members = Members::new(stream);
    while let Some(member) = members.next().map_err(damaged)? {
        let entry = entry(&member)?;
        match entry.kind {
            Kind::File { .. } => sink.put(&entry, Content::Stream(&mut members))?,
            _ => sink.put(&entry, Content::None)?,
        }
    }
    Ok(())
}

fn refuse_compressed(start: &[u8]) -> Result<()> {
    let (name, program) = match start {
        [0x1f, 0x8b, ..] => ("gzip", "gunzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("zstd", "unzstd"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => ("xz", "unxz"),
        [b'B', b'Z', b'h', ..] => ("bzip2", "bunzip2"),
        _ => return Ok(()),
    };
    Err(invalid(&format!("it is compressed with {name}: put {program} before hull")))
}

fn entry(member: &Member) -> Result<Entry> {
    let (header, shown) = (&member.header, shown(&member.path));
    let kind = match header.entry_type() {
        EntryType::Directory => Kind::Directory,
        // Before POSIX a directory was a file whose name ended in a slash.
        EntryType::Regular if member.path.as_os_str().as_encoded_bytes().ends_with(b"/") => Kind::Directory,
        EntryType::Regular | EntryType::Continuous => Kind::File { size: member.size },
        EntryType::Symlink => Kind::Symlink(member.link.clone()),
        EntryType::Link => Kind::HardLink(relative(&member.link)?),
        EntryType::Fifo => Kind::Node { kind: FileType::Fifo, device: 0 },
        EntryType::Char => Kind::Node { kind: FileType::CharacterDevice, device: device(member)? },
        EntryType::Block => Kind::Node { kind: FileType::BlockDevice, device: device(member)? },
        other => return Err(invalid(&format!("{shown} is of an unknown type, {:#x}", other.as_byte()))),
    };
    let path = relative(&member.path)?;
    if path.as_os_str().is_empty() && !matches!(kind, Kind::Directory) {
        return Err(invalid(&format!("{shown:?} is no name for a file")));
    }
    let id = |id: u64| u32::try_from(id).map_err(|_| invalid(&format!("{shown} has the owner {id}")));
    Ok(Entry {
        uid: id(member.uid)?,
        gid: id(member.gid)?,
        mode: header.mode().map_err(damaged)? & 0o7777,
        modified: Timespec { tv_sec: member.modified, tv_nsec: 0 },
        path,
        kind,
        attributes: attributes(&member.records)?,
    })
}

fn device(member: &Member) -> Result<u64> {
    let number = |value: io::Result<Option<u32>>| value.map_err(damaged).map(Option::unwrap_or_default);
    Ok(makedev(number(member.header.device_major())?, number(member.header.device_minor())?))
}

/// A leading `/` is the destination, as in docker and tar(1); `..` is refused.
fn relative(path: &Path) -> Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                return Err(invalid(&format!("the path {} in it contains ..", shown(path))));
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(clean)
}

/// `SCHILY.xattr.NAME`, as star(1), GNU tar and docker write them.
fn attributes(records: &Records) -> Result<Vec<(CString, Vec<u8>)>> {
    let mut attributes = Vec::new();
    for (key, value) in records {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.")
            && travels(name)
        {
            let name =
                CString::new(name).map_err(|_| invalid("the name of an attribute has a zero byte in it"))?;
            attributes.push((name, value.clone()));
        }
    }
    Ok(attributes)
}

fn damaged(error: io::Error) -> Error {
    invalid(&format!("it is damaged, or not a tar: {error}"))
}

fn invalid(why: &str) -> Error {
    Error::Invalid { what: "archive on stdin".into(), why: why.into() }
}
