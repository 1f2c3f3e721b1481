//! Entries become members of a tar (pax(1), "pax Interchange Format"), as docker writes it.

use std::ffi::CString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FileType, Stat, major, minor};
use tar::{Builder, EntryType, Header};

use super::entry::{Content, Entry, Kind, Sink, shown};
use crate::error::{IoContext, Result};

pub(super) struct Packer<W: Write> {
    archive: Builder<W>,
}

impl<W: Write> Packer<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { archive: Builder::new(writer) }
    }

    /// The two blocks of zeros that end a tar.
    pub(super) fn finish(self) -> Result<W> {
        let finish = || -> io::Result<W> {
            let mut writer = self.archive.into_inner()?;
            writer.flush()?;
            Ok(writer)
        };
        finish().context(|| "write the tar".into())
    }

    fn member(&mut self, entry: &Entry, content: Content<'_>) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_mode(entry.mode);
        header.set_uid(entry.uid.into());
        header.set_gid(entry.gid.into());
        header.set_mtime(u64::try_from(entry.modified.tv_sec).unwrap_or(0));
        header.set_size(0);
        let mut records = Records::default();
        let mut name = entry.path.as_os_str().as_bytes().to_vec();
        match &entry.kind {
            Kind::Directory => {
                header.set_entry_type(EntryType::Directory);
                name = if name.is_empty() { b"./".to_vec() } else { [&name[..], b"/"].concat() };
            }
            Kind::File { size } => {
                header.set_entry_type(EntryType::Regular);
                header.set_size(*size);
            }
            Kind::Symlink(target) => {
                header.set_entry_type(EntryType::Symlink);
                records.put(&mut header.as_old_mut().linkname, "linkpath", target);
            }
            Kind::HardLink(target) => {
                header.set_entry_type(EntryType::Link);
                records.put(&mut header.as_old_mut().linkname, "linkpath", target);
            }
            Kind::Node { kind, device } => {
                header.set_entry_type(match kind {
                    FileType::CharacterDevice => EntryType::Char,
                    FileType::BlockDevice => EntryType::Block,
                    _ => EntryType::Fifo,
                });
                header.set_device_major(major(*device))?;
                header.set_device_minor(minor(*device))?;
            }
        }
        records.put(&mut header.as_old_mut().name, "path", Path::new(std::ffi::OsStr::from_bytes(&name)));
        records.attributes(&entry.attributes)?;
        header.set_cksum();
        if !records.0.is_empty() {
            let records = records.0.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
            self.archive.append_pax_extensions(records)?;
        }
        let Kind::File { size } = entry.kind else { return self.archive.append(&header, io::empty()) };
        match content {
            Content::File(file) => self.archive.append(&header, Exactly { from: file, left: size }),
            Content::Stream(stream) => self.archive.append(&header, Exactly { from: stream, left: size }),
            Content::None => self.archive.append(&header, Exactly { from: io::empty(), left: size }),
        }
    }
}

impl<W: Write> Sink for Packer<W> {
    fn put(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        self.member(entry, content).context(|| format!("write {} to the tar", shown(&entry.path)))
    }

    fn link(&mut self, entry: &Entry, _target: &Path) -> Result<bool> {
        self.put(entry, Content::None).map(|()| true)
    }

    fn is_destination(&self, _stat: &Stat) -> bool {
        false
    }
}

/// What a header's fields cannot hold.
#[derive(Default)]
struct Records(Vec<(String, Vec<u8>)>);

impl Records {
    /// Into the field of a hundred bytes, and all of it into a record when it is longer.
    fn put(&mut self, field: &mut [u8], key: &str, path: &Path) {
        let bytes = path.as_os_str().as_bytes();
        let fits = bytes.len().min(field.len());
        field[..fits].copy_from_slice(&bytes[..fits]);
        if fits < bytes.len() {
            self.0.push((key.into(), bytes.to_vec()));
        }
    }

    fn attributes(&mut self, attributes: &[(CString, Vec<u8>)]) -> io::Result<()> {
        for (name, value) in attributes {
            let name = name.to_str().map_err(|_| {
                io::Error::other(format!("the attribute {name:?} is not text, and a tar's have to be"))
            })?;
            self.0.push((format!("SCHILY.xattr.{name}"), value.clone()));
        }
        Ok(())
    }
}

/// Ends where the header says, and with an error when the file has become shorter: the next member would else be read
/// as its content.
struct Exactly<R> {
    from: R,
    left: u64,
}

impl<R: io::Read> io::Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        match self.from.read(&mut buffer[..most])? {
            0 => Err(io::Error::other("it became shorter while it was read")),
            read => {
                self.left -= read as u64;
                Ok(read)
            }
        }
    }
}
