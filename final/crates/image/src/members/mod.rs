//! Reads the members of a tar one after the other.
//!
//! The header types are the `tar` crate's. The rest is read here, because layers are not trusted: long names and PAX
//! records have a limit, a PAX value may be binary (file capabilities often contain a newline), holes stay holes, and
//! the length of a member's data is determined as Go's archive/tar does, so that all engines see the same files in the
//! same tar.

mod number;
mod pax;
mod sparse;
#[cfg(test)]
mod tests;

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

pub use tar::EntryType;
use tar::Header;

use hull_sys::sparse::HoleWriter;

use crate::error::{Error, Result};
use number::field;
use pax::Records;
use sparse::Sparse;

pub(crate) const BLOCK: u64 = 512;

/// Go's limit for one extension header; a path is 4 KiB at most.
const EXTENSION_LIMIT: u64 = 1 << 20;

/// The limit for the headers of one member: a long name, a long link target, PAX records, and more in a hostile
/// archive.
const EXTENSIONS: usize = 8;

/// The metadata of a member, from its header and the extension headers before it.
#[derive(Debug)]
pub struct Member {
    pub path: PathBuf,
    pub link: PathBuf,
    pub kind: EntryType,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds and nanoseconds since the epoch.
    pub modified: (i64, i64),
    pub device: (u32, u32),
    pub attributes: Vec<(CString, Vec<u8>)>,
    /// Bytes of the file, holes included.
    pub size: u64,
    sparse: Option<Sparse>,
}

impl Member {
    /// The name as messages show it. A name from an archive must not reach a terminal unescaped.
    pub fn shown(&self) -> String {
        shown(&self.path)
    }

    pub fn has_holes(&self) -> bool {
        self.sparse.is_some()
    }

    pub(crate) fn refused(&self, why: impl Into<String>) -> Error {
        Error::Refused { member: self.shown(), why: why.into() }
    }
}

pub fn shown(path: &Path) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    path.to_string_lossy().chars().map(escape).collect()
}

/// Makes a path in an archive relative. `..` is refused. A leading `/` stands for the root of the layer.
pub fn relative(path: &Path) -> Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                return Err(Error::Refused { member: shown(path), why: "its path contains ..".into() });
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(clean)
}

pub struct Members<R> {
    stream: R,
    /// Bytes of the current member's data that have not been read, and of the padding after them.
    data: u64,
    padding: u64,
    global: Records,
    marked: bool,
}

/// Reads the data of the current member, as it is in the archive.
impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.data.min(buffer.len() as u64) as usize;
        let got = self.stream.read(&mut buffer[..size])?;
        if got == 0 && size > 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.data -= got as u64;
        Ok(got)
    }
}

impl<R: BufRead> Members<R> {
    pub fn new(stream: R) -> Self {
        Self { stream, data: 0, padding: 0, global: Records::default(), marked: false }
    }

    /// Skips the rest of the current member and reads the next one. `None` at the end of the archive.
    pub fn next_member(&mut self) -> Result<Option<Member>> {
        let mut extensions = Extensions::default();
        for _ in 0..EXTENSIONS {
            let Some(header) = self.header()? else {
                return match extensions.is_empty() {
                    true => Ok(None),
                    false => Err(Error::Damaged("it ends after the name of a file that is not there".into())),
                };
            };
            match header.entry_type() {
                EntryType::GNULongName => extensions.name = Some(c_string(self.extension()?)),
                EntryType::GNULongLink => extensions.link = Some(c_string(self.extension()?)),
                EntryType::XHeader => extensions.records = Records::parse(&self.extension()?)?,
                EntryType::XGlobalHeader => self.global = Records::parse(&self.extension()?)?,
                _ => {
                    let member = self.member(&header, extensions)?;
                    // A PAX record can contain a zero byte, but the kernel's names end at one.
                    let ends_early = |path: &Path| path.as_os_str().as_bytes().contains(&0);
                    return match ends_early(&member.path) || ends_early(&member.link) {
                        true => Err(member.refused("its name or where it leads has a zero byte")),
                        false => Ok(Some(member)),
                    };
                }
            }
        }
        Err(Error::Damaged("more than one set of extensions for one file".into()))
    }

    /// Whether the archive had its end marker. Without one it may have been truncated between two members.
    pub fn has_end_marker(&self) -> bool {
        self.marked
    }

    /// Reads the padding after the end marker, which is part of the digest.
    pub(crate) fn drain(&mut self) -> Result<()> {
        loop {
            match buffered(&mut self.stream)?.len() {
                0 => return Ok(()),
                length => self.stream.consume(length),
            }
        }
    }

    /// Writes the data of the current member to a new file. Blocks of zeros become holes: a layer cannot record holes
    /// (image-spec, layer.md, "Sparse files"), so this restores those of the original file.
    pub(crate) fn copy_to(&mut self, member: &Member, file: &mut File) -> Result<()> {
        let write = |source| Error::Io { action: format!("write {}", member.shown()), source };
        match &member.sparse {
            None => {
                let mut file = HoleWriter::new(&*file);
                self.copy_all(&mut file, &write)?;
                file.flush().map_err(write)
            }
            Some(sparse) => {
                for (offset, length) in &sparse.chunks {
                    std::io::Seek::seek(file, std::io::SeekFrom::Start(*offset)).map_err(write)?;
                    self.copy_data(*length, file, &write)?;
                }
                file.set_len(sparse.size).map_err(write)
            }
        }
    }

    /// Writes all data of the current member, as it is in the archive.
    pub(crate) fn copy_all(
        &mut self,
        to: &mut impl Write,
        failed: &dyn Fn(std::io::Error) -> Error,
    ) -> Result<()> {
        self.copy_data(self.data, to, failed)
    }

    /// Writes the next `length` bytes of the data. Fails if there are fewer.
    fn copy_data(
        &mut self,
        mut length: u64,
        to: &mut impl Write,
        failed: &dyn Fn(std::io::Error) -> Error,
    ) -> Result<()> {
        while length > 0 {
            let bytes = buffered(&mut self.stream)?;
            let size = length.min(bytes.len() as u64) as usize;
            if size == 0 {
                return Err(Error::Damaged("it is cut short in the middle of a file".into()));
            }
            to.write_all(&bytes[..size]).map_err(failed)?;
            self.stream.consume(size);
            length -= size as u64;
            self.data -= size as u64;
        }
        Ok(())
    }

    fn header(&mut self) -> Result<Option<Header>> {
        self.copy_all(&mut std::io::sink(), &|source| Error::Io { action: "skip".into(), source })?;
        let mut block = [0; BLOCK as usize];
        let padding = std::mem::take(&mut self.padding) as usize;
        match fill(&mut self.stream, &mut block[..padding])? {
            // docker's client ends a context so where it adds files of its own: after the data of the last one.
            0 if padding > 0 => return Ok(None),
            length if length < padding => {
                return Err(Error::Damaged("it is cut short after a file".into()));
            }
            _ => {}
        }
        match fill(&mut self.stream, &mut block)? {
            0 => return Ok(None),
            512 => {}
            _ => return Err(Error::Damaged("it is cut short in a header".into())),
        }
        if block == [0; BLOCK as usize] {
            self.marked = true;
            return Ok(None);
        }
        let mut header = Header::new_old();
        header.as_mut_bytes().copy_from_slice(&block);
        let sum = |value: fn(u8) -> i64| -> i64 {
            block
                .iter()
                .enumerate()
                .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { value(*byte) })
                .sum()
        };
        // Some old tars computed the checksum with signed characters.
        let stated = field(&block[148..156])?;
        if stated != sum(i64::from) && stated != sum(|byte| i64::from(byte as i8)) {
            return Err(Error::NotATar("a header has a wrong checksum"));
        }
        self.announce(unsigned(field(&block[124..136])?, "size")?)?;
        Ok(Some(header))
    }

    fn announce(&mut self, size: u64) -> Result<()> {
        if size > i64::MAX as u64 - BLOCK {
            return Err(Error::Damaged("a file is larger than files can be".into()));
        }
        self.data = size;
        self.padding = size.next_multiple_of(BLOCK) - size;
        Ok(())
    }

    fn extension(&mut self) -> Result<Vec<u8>> {
        if self.data > EXTENSION_LIMIT {
            return Err(Error::Refused {
                member: "a header".into(),
                why: "its extension is larger than 1 MiB".into(),
            });
        }
        let mut bytes = Vec::with_capacity(self.data as usize);
        self.copy_all(&mut bytes, &|source| Error::Io { action: "read a header".into(), source })?;
        Ok(bytes)
    }

    fn member(&mut self, header: &Header, extensions: Extensions) -> Result<Member> {
        let local = &extensions.records;
        let record = |key: &str| local.get(key).or_else(|| self.global.get(key));
        let text = |key: &str| record(key).filter(|value| !value.is_empty());
        let path = extensions.name.or_else(|| text("path").map(Vec::from));
        let path = text("GNU.sparse.name")
            .map(Vec::from)
            .or(path)
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let link = extensions.link.or_else(|| text("linkpath").map(Vec::from));
        let link = link.unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned());
        let number = |key: &str, at: std::ops::Range<usize>| match text(key) {
            Some(value) => number::decimal(value, key),
            None => unsigned(field(&header.as_bytes()[at])?, key),
        };
        let (uid, gid) = (id(number("uid", 108..116)?)?, id(number("gid", 116..124)?)?);
        let modified = match text("mtime") {
            Some(value) => number::time(value)?,
            None => (field(&header.as_bytes()[136..148])?, 0),
        };
        let has_devices = header.as_ustar().is_some() || header.as_gnu().is_some();
        let device = |at: std::ops::Range<usize>| -> Result<u32> {
            match has_devices {
                true => Ok(field(&header.as_bytes()[at])? as u32),
                false => Ok(0),
            }
        };
        let mut member = Member {
            kind: kind(header, &path),
            path: OsString::from_vec(path).into(),
            link: OsString::from_vec(link).into(),
            mode: field(&header.as_bytes()[100..108])? as u32 & 0o7777,
            uid,
            gid,
            modified,
            device: (device(329..337)?, device(337..345)?),
            attributes: local.attributes()?,
            size: number("size", 124..136)?,
            sparse: None,
        };
        let is_file =
            matches!(member.kind, EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse);
        // Go's rule: directories and links have no data, whatever the size in their header is.
        let has_data = is_file || !is_known(member.kind);
        member.size = if has_data { member.size } else { 0 };
        self.announce(member.size)?;
        if is_file && let Some(sparse) = Sparse::find(self, header, local)? {
            member.size = sparse.size;
            member.sparse = Some(sparse);
        }
        Ok(member)
    }
}

#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    records: Records,
}

impl Extensions {
    fn is_empty(&self) -> bool {
        self.name.is_none() && self.link.is_none() && self.records.is_empty()
    }
}

/// In old tars, which have no type for directories, a name that ends with a slash is a directory.
fn kind(header: &Header, path: &[u8]) -> EntryType {
    match header.entry_type() {
        EntryType::Regular if path.ends_with(b"/") => EntryType::Directory,
        kind => kind,
    }
}

fn is_known(kind: EntryType) -> bool {
    use EntryType::*;
    matches!(kind, Directory | Link | Symlink | Char | Block | Fifo)
}

fn unsigned(value: i64, what: &str) -> Result<u64> {
    u64::try_from(value).map_err(|_| Error::Damaged(format!("a negative {what}")))
}

/// `u32::MAX` is not a valid id: to chown(2) it means "do not change".
fn id(value: u64) -> Result<u32> {
    u32::try_from(value)
        .ok()
        .filter(|id| *id != u32::MAX)
        .ok_or_else(|| Error::Damaged(format!("{value} is not a user or group id")))
}

fn c_string(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

pub(crate) fn read(stream: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            result => return result.map_err(failed),
        }
    }
}

/// The next bytes of the stream, of which some have to be consumed. Empty at the end.
fn buffered(stream: &mut impl BufRead) -> Result<&[u8]> {
    // Called twice, because the borrow checker rejects a loop that returns the borrowed buffer.
    loop {
        match stream.fill_buf() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
            Ok(_) => break,
        }
    }
    stream.fill_buf().map_err(failed)
}

/// An error of the kernel is passed on. An error of a decompressor means that the archive is damaged.
fn failed(error: std::io::Error) -> Error {
    match error.raw_os_error() {
        Some(_) => Error::Io { action: "read the archive".into(), source: error },
        None => own(error),
    }
}

/// Takes an error of this crate out of the errors of readers, such as decompressors, that it has passed through.
pub(crate) fn own(error: std::io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::Damaged(error.to_string()),
    }
}

/// Reads until the buffer is full or the stream ends.
pub(crate) fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read(stream, &mut buffer[filled..])? {
            0 => break,
            got => filled += got,
        }
    }
    Ok(filled)
}
