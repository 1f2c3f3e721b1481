//! Members of a tar as entries. The tar may be hostile: a member's path is reduced to names below the destination, and
//! the sink checks each step on the way.

use std::io::{BufRead, Read};

use hull_image::members::{Member, Members, relative};
use hull_sys::tree::describes_content;
use rustix::fs::{FileType, Timespec, makedev};
use tar::EntryType;

use super::entry::{Content, Entry, Kind, Sink};
use crate::error::{Error, IoContext, Result};

/// Sends all members to the sink. Owners are the numbers of a member; its user and group names are ignored.
pub(super) fn unpack(stream: impl Read, sink: &mut dyn Sink) -> Result<()> {
    unpack_members(Members::new(hull_image::decompress(stream)?), u64::MAX, sink)
}

/// [`unpack`] of a tar that is refused if its end marker is missing. A tar from a pipe ends early if its writer is
/// killed.
pub(super) fn unpack_whole(stream: impl Read, sink: &mut dyn Sink) -> Result<()> {
    let mut members = Members::new(hull_image::decompress(stream)?);
    match send_members(&mut members, u64::MAX, sink)? {
        0 => Err(invalid("it is empty, or not a tar")),
        _ if !members.has_end_marker() => Err(invalid("its end is missing")),
        _ => Ok(()),
    }
}

/// [`unpack`] of a tar that may have no members.
pub(super) fn unpack_any(stream: impl Read, sink: &mut dyn Sink) -> Result<()> {
    let mut stream = hull_image::decompress(stream)?;
    let is_empty = stream.fill_buf().context(|| "read the archive".into())?.is_empty();
    if is_empty { Ok(()) } else { send_members(&mut Members::new(stream), u64::MAX, sink).map(drop) }
}

/// [`unpack`] of a plain tar of up to `most` members.
pub(super) fn unpack_members(
    mut members: Members<impl BufRead>,
    most: u64,
    sink: &mut dyn Sink,
) -> Result<()> {
    match send_members(&mut members, most, sink)? {
        0 => Err(invalid("it is empty, or not a tar")),
        _ => Ok(()),
    }
}

/// Returns the number of the members.
fn send_members(members: &mut Members<impl BufRead>, most: u64, sink: &mut dyn Sink) -> Result<u64> {
    let mut count = 0;
    while let Some(member) = members.next_member()? {
        count += 1;
        if count > most {
            return Err(invalid(&format!("it has more than {most} files")));
        }
        let entry = entry(&member)?;
        match entry.kind {
            Kind::File { .. } => sink.put(&entry, Content::Stream(members))?,
            _ => sink.put(&entry, Content::None)?,
        }
    }
    Ok(count)
}

fn entry(member: &Member) -> Result<Entry> {
    let shown = member.shown();
    let node = |kind| Kind::Node { kind, device: makedev(member.device.0, member.device.1) };
    let kind = match member.kind {
        EntryType::Directory => Kind::Directory,
        _ if member.has_holes() => return Err(invalid(&format!("{shown} is a file with holes"))),
        EntryType::Regular | EntryType::Continuous => Kind::File { size: member.size },
        EntryType::Symlink => Kind::Symlink(member.link.clone()),
        EntryType::Link => Kind::HardLink(relative(&member.link)?),
        EntryType::Fifo => node(FileType::Fifo),
        EntryType::Char => node(FileType::CharacterDevice),
        EntryType::Block => node(FileType::BlockDevice),
        other => return Err(invalid(&format!("{shown} is of an unknown type, {:#x}", other.as_byte()))),
    };
    let path = relative(&member.path)?;
    if path.as_os_str().is_empty() && !matches!(kind, Kind::Directory) {
        return Err(invalid(&format!("{shown:?} is no name for a file")));
    }
    let attributes = member.attributes.iter().filter(|(name, _)| describes_content(name.to_bytes())).cloned();
    Ok(Entry {
        uid: member.uid,
        gid: member.gid,
        mode: member.mode & 0o7777,
        modified: Timespec { tv_sec: member.modified.0, tv_nsec: member.modified.1 },
        path,
        kind,
        attributes: attributes.collect(),
    })
}

fn invalid(why: &str) -> Error {
    Error::Invalid { what: "archive".into(), why: why.into() }
}
