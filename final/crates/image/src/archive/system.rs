//! The tars of LXD's images: tells a whole image from its metadata alone, and makes a layer of the root.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hull_sys::tree::describes_content;
use rustix::fs::{FileType, Timespec, makedev};
use tar::EntryType;

use crate::error::{Error, IoContext, Result};
use crate::lxd::{MOST_TEMPLATES, MOST_TEXT, Metadata};
use crate::members::{Member, Members, own, relative};
use crate::packing::{Content, Entry, Kind, Packer};
use crate::squashfs::Squashfs;
use crate::staging::{Staged, Staging, not_stored};

/// The paths of a distribution's init. `/sbin` may be a link to `/usr/sbin`.
const INITS: [&str; 2] = ["sbin/init", "usr/sbin/init"];

/// The parts of LXD's images that a tar has.
#[derive(Debug, Default)]
pub(super) struct Outline {
    metadata: Option<String>,
    templates: BTreeMap<String, String>,
    has_root: bool,
    /// The tar has a member of another name, so it is no image of LXD's.
    is_other: bool,
}

/// What a tar is.
pub(super) enum Form {
    /// An ordinary root file system, or anything else.
    Other,
    /// The half of an image without the files.
    Metadata(Metadata),
    /// A whole image: the files lie in `rootfs/`.
    Unified(Metadata),
}

impl Outline {
    /// Reads a tar up to the first member that no image of LXD's has.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut members = Members::new(open(path)?);
        let mut outline = Self::default();
        while let Some(member) = members.next_member()? {
            outline.note(&member, &mut members)?;
            if outline.is_other {
                break;
            }
        }
        Ok(outline)
    }

    fn note(&mut self, member: &Member, members: &mut Members<impl BufRead>) -> Result<()> {
        // A path with `..` is refused where the layer is unpacked.
        let Ok(path) = relative(&member.path) else {
            self.is_other = true;
            return Ok(());
        };
        let mut names = path.iter();
        let is_file =
            matches!(member.kind, EntryType::Regular | EntryType::Continuous) && !member.has_holes();
        match (names.next().map(OsStr::as_bytes), names.as_path()) {
            (None, _) => {}
            (Some(b"metadata.yaml"), rest) if is_file && rest.as_os_str().is_empty() => {
                self.metadata = Some(text(member, members)?);
            }
            (Some(b"templates"), rest) => {
                if is_file && let Some(name) = rest.to_str() {
                    if self.templates.len() == MOST_TEMPLATES {
                        return Err(member.refused("an image has fewer templates"));
                    }
                    self.templates.insert(name.to_owned(), text(member, members)?);
                }
            }
            (Some(b"rootfs"), _) => self.has_root = true,
            _ => self.is_other = true,
        }
        Ok(())
    }

    pub(super) fn form(self) -> Result<Form> {
        let Some(metadata) = self.metadata.filter(|_| !self.is_other) else { return Ok(Form::Other) };
        let metadata = Metadata::parse(&metadata, &self.templates)?;
        Ok(if self.has_root { Form::Unified(metadata) } else { Form::Metadata(metadata) })
    }
}

fn open(path: &Path) -> Result<BufReader<File>> {
    let file = File::open(path).context(|| format!("open {}", path.display()))?;
    Ok(BufReader::with_capacity(128 * 1024, file))
}

fn text(member: &Member, members: &mut Members<impl BufRead>) -> Result<String> {
    if member.size > MOST_TEXT {
        return Err(member.refused(format!("it has {} bytes, and may have {MOST_TEXT}", member.size)));
    }
    let mut text = String::new();
    members.read_to_string(&mut text).map_err(own)?;
    Ok(text)
}

/// Whether the root file system in a tar has an init.
pub(super) fn has_init(path: &Path) -> Result<bool> {
    let mut members = Members::new(open(path)?);
    while let Some(member) = members.next_member()? {
        if relative(&member.path).is_ok_and(|path| is_init(&path)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_init(path: &Path) -> bool {
    INITS.iter().any(|init| path == Path::new(init))
}

/// Makes the tar of a layer of what lies in `rootfs/`. Returns whether there is an init, too.
pub(super) fn unified_root(staging: &Staging, path: &Path) -> Result<(Staged, bool)> {
    let mut members = Members::new(open(path)?);
    let mut found = false;
    let staged = staging.add(|file| {
        let mut packer = Packer::new(file);
        while let Some(member) = members.next_member()? {
            let Some(entry) = root_entry(&member)? else { continue };
            found |= is_init(&entry.path);
            if member.has_holes() {
                let mut whole = unpacked(staging, &mut members, &member)?;
                put(&mut packer, &entry, Content::File(&mut whole))?;
            } else if let Kind::File { .. } = entry.kind {
                put(&mut packer, &entry, Content::Stream(&mut members))?;
            } else {
                put(&mut packer, &entry, Content::None)?;
            }
        }
        packer.finish().map_err(not_stored)
    })?;
    Ok((staged, found))
}

/// Writes a file with holes out in full, because a layer's tar has no holes.
fn unpacked(staging: &Staging, members: &mut Members<impl BufRead>, member: &Member) -> Result<File> {
    let path = staging.path().join("file");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
    let mut file = file.context(|| format!("create {}", path.display()))?;
    std::fs::remove_file(&path).context(|| format!("remove {}", path.display()))?;
    members.copy_to(member, &mut file)?;
    file.rewind().map_err(not_stored)?;
    Ok(file)
}

/// The layer's entry for a member below `rootfs/`. `None` for any other member.
fn root_entry(member: &Member) -> Result<Option<Entry>> {
    let below = |path: &Path| relative(path).map(|path| path.strip_prefix("rootfs").map(PathBuf::from).ok());
    let Some(path) = below(&member.path)? else { return Ok(None) };
    let node = |kind| Kind::Node { kind, device: makedev(member.device.0, member.device.1) };
    let kind = match member.kind {
        EntryType::Directory => Kind::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::File { size: member.size },
        EntryType::Symlink => Kind::Symlink(member.link.clone()),
        EntryType::Link => {
            let target = below(&member.link)?;
            Kind::HardLink(
                target.ok_or_else(|| member.refused("it is a hard link to a file outside of rootfs"))?,
            )
        }
        EntryType::Fifo => node(FileType::Fifo),
        EntryType::Char => node(FileType::CharacterDevice),
        EntryType::Block => node(FileType::BlockDevice),
        other => return Err(member.refused(format!("it is of an unknown type, {:#x}", other.as_byte()))),
    };
    if path.as_os_str().is_empty() && !matches!(kind, Kind::Directory) {
        return Err(member.refused("the root of an image is a directory"));
    }
    refuse_whiteout(&path)?;
    let attributes = member.attributes.iter().filter(|(name, _)| describes_content(name.to_bytes()));
    Ok(Some(Entry {
        path,
        kind,
        uid: member.uid,
        gid: member.gid,
        mode: member.mode,
        modified: Timespec { tv_sec: member.modified.0, tv_nsec: member.modified.1 },
        attributes: attributes.cloned().collect(),
    }))
}

/// Makes the tar of a layer of a squashfs file system. Returns whether there is an init, too.
pub(super) fn squashfs_root(staging: &Staging, path: &Path) -> Result<(Staged, bool)> {
    let file = File::open(path).context(|| format!("open {}", path.display()))?;
    let mut source = Squashfs::open(file)?;
    let (mut found, mut bytes, packed) = (false, 0_u64, source.length());
    let staged = staging.add(|file| {
        let mut packer = Packer::new(file);
        source.send(&mut |entry, content| {
            refuse_whiteout(&entry.path)?;
            found |= is_init(&entry.path);
            if let Kind::File { size } = entry.kind {
                bytes = bytes.saturating_add(size);
                if crate::compression::is_bomb(bytes, packed) {
                    let why = format!("{packed} bytes of it become more than {bytes}");
                    return Err(Error::Refused { member: "its content".into(), why });
                }
            }
            put(&mut packer, entry, content)
        })?;
        packer.finish().map_err(not_stored)
    })?;
    Ok((staged, found))
}

/// Refuses the name of a whiteout: in a layer's tar, the member would hide a file instead of adding one.
fn refuse_whiteout(path: &Path) -> Result<()> {
    match path.file_name().is_some_and(|name| name.as_bytes().starts_with(b".wh.")) {
        true => Err(Error::Refused {
            member: crate::members::shown(path),
            why: "in a layer a name that begins with .wh. stands for a deleted file".into(),
        }),
        false => Ok(()),
    }
}

/// Adds an entry. An error of the operating system comes from writing to the disk, and any other error from what is read.
fn put(packer: &mut Packer<impl std::io::Write>, entry: &Entry, content: Content<'_>) -> Result<()> {
    packer.put(entry, content).map_err(|error| match error.raw_os_error() {
        Some(_) => not_stored(error),
        None => own(error),
    })
}
