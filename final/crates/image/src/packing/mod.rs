//! Entries become members of a tar (pax(1), "pax Interchange Format"), as docker writes it.
//!
//! ```text
//! entry  one file on its way into a tar
//! ```

mod entry;

use std::ffi::CString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FileType, major, minor};
use tar::{Builder, EntryType, Header};

pub use entry::{Content, Entry, Kind};

const BLOCK: usize = 512;

/// How many bytes are written at once.
const BUFFER: usize = 256 * 1024;

/// Writes a tar. The same entries give the same bytes.
pub struct Packer<W: Write> {
    archive: Builder<Blocks<W>>,
}

impl<W: Write> Packer<W> {
    /// The writer should have no buffer, because the packer has one.
    pub fn new(writer: W) -> Self {
        Self { archive: Builder::new(Blocks { writer, buffer: vec![0; BUFFER], filled: 0 }) }
    }

    /// Writes the two blocks of zeros that end a tar.
    pub fn finish(self) -> io::Result<()> {
        self.archive.into_inner()?.flush()
    }

    /// Writes a member. A directory comes before its content, and a hard link after the file that it is a link to. A
    /// file whose content is shorter than its entry says is an error, because the tar is useless from there on; of a
    /// longer one the entry's size is written.
    pub fn put(&mut self, entry: &Entry, content: Content<'_>) -> io::Result<()> {
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
        let to = self.archive.get_mut();
        to.write_all(header.as_bytes())?;
        match content {
            Content::File(file) => to.take(file, size)?,
            Content::Stream(stream) => to.take(stream, size)?,
            Content::None => to.take(&mut io::empty(), size)?,
        }
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        to.write_all(&[0; BLOCK][..padding as usize])
    }
}

/// Values that do not fit into the fields of a header.
#[derive(Default)]
struct Records(Vec<(String, Vec<u8>)>);

impl Records {
    /// Writes a path into the header's field of a hundred bytes. A longer path becomes a record as well.
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

/// Headers and contents on their way to the writer. Contents are read straight into the buffer, because a second copy
/// would take as long as the read itself.
struct Blocks<W> {
    writer: W,
    buffer: Vec<u8>,
    filled: usize,
}

impl<W: Write> Blocks<W> {
    /// Copies exactly `size` bytes, as the header promises. Fewer are an error, because the next member would be read
    /// as content.
    fn take(&mut self, from: &mut (impl io::Read + ?Sized), size: u64) -> io::Result<()> {
        let mut left = size;
        while left > 0 {
            let room = self.room()?;
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(room.len());
            match from.read(&mut room[..most]) {
                Ok(0) => return Err(io::Error::other("it became shorter while it was read")),
                Ok(read) => {
                    self.filled += read;
                    left -= read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The free part of the buffer, which is never empty.
    fn room(&mut self) -> io::Result<&mut [u8]> {
        if self.filled == self.buffer.len() {
            self.send()?;
        }
        Ok(&mut self.buffer[self.filled..])
    }

    fn send(&mut self) -> io::Result<()> {
        let filled = std::mem::take(&mut self.filled);
        self.writer.write_all(&self.buffer[..filled])
    }
}

impl<W: Write> Write for Blocks<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room()?;
        let length = bytes.len().min(room.len());
        room[..length].copy_from_slice(&bytes[..length]);
        self.filled += length;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()?;
        self.writer.flush()
    }
}
