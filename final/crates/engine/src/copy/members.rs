//! Headers and extensions of a tar: POSIX pax, and GNU's long names.
//!
//! The `tar` crate reads the fields of a header, and not the archive: it takes a line break for the end of a PAX record,
//! and the value of an attribute is binary (a file capability may hold a byte 10). A record says how long it is.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use tar::{EntryType, Header};

const BLOCK: u64 = 512;

/// Of a header's extensions: attributes are at most 64 KiB each (xattr(7)), paths 4 KiB.
const LONGEST_EXTENSION: u64 = 1 << 20;

/// A tar being read, one member after the other.
pub(super) struct Members<R> {
    stream: R,
    /// Bytes of the current member's content that are still to come, and those that fill its last block.
    content: u64,
    padding: u64,
}

/// A member without its content, with what its extensions say in place of what its header does.
pub(super) struct Member {
    pub header: Header,
    pub path: PathBuf,
    pub link: PathBuf,
    pub size: u64,
    pub uid: u64,
    pub gid: u64,
    pub modified: i64,
    /// PAX records.
    pub records: Records,
}

pub(super) type Records = BTreeMap<Vec<u8>, Vec<u8>>;

impl<R: Read> Members<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream, content: 0, padding: 0 }
    }

    /// Passes over what is left of the current member. `None` at the end, up to which the stream is then read: whoever
    /// writes it fills its last record.
    pub(super) fn next(&mut self) -> io::Result<Option<Member>> {
        let (mut records, mut path, mut link) = (Records::new(), None, None);
        loop {
            self.skip()?;
            let Some(header) = self.header()? else {
                if !records.is_empty() || path.is_some() || link.is_some() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                io::copy(&mut self.stream, &mut io::sink())?;
                return Ok(None);
            };
            self.expect(header.entry_size()?);
            match header.entry_type() {
                EntryType::XHeader => records = parse_records(&self.extension()?)?,
                EntryType::GNULongName => path = Some(until_zero(self.extension()?)),
                EntryType::GNULongLink => link = Some(until_zero(self.extension()?)),
                EntryType::XGlobalHeader => {}
                _ => return self.member(header, records, path, link).map(Some),
            }
        }
    }

    fn member(
        &mut self,
        header: Header,
        mut records: Records,
        path: Option<Vec<u8>>,
        link: Option<Vec<u8>>,
    ) -> io::Result<Member> {
        if header.entry_type() == EntryType::GNUSparse
            || records.keys().any(|key| key.starts_with(b"GNU.sparse."))
        {
            return Err(io::Error::other("a member is stored with its holes left out (tar --sparse)"));
        }
        let size = number(&records, "size")?.unwrap_or(header.entry_size()?);
        self.expect(size);
        let path = records.remove(&b"path"[..]).or(path).unwrap_or_else(|| header.path_bytes().into());
        let link = records.remove(&b"linkpath"[..]).or(link);
        let link = link.or_else(|| header.link_name_bytes().map(Into::into)).unwrap_or_default();
        let modified = match number(&records, "mtime")? {
            Some(seconds) => seconds,
            None => i64::try_from(header.mtime()?).unwrap_or(0),
        };
        let uid = number(&records, "uid")?.map_or_else(|| header.uid(), Ok)?;
        let gid = number(&records, "gid")?.map_or_else(|| header.gid(), Ok)?;
        let as_path = |bytes: Vec<u8>| PathBuf::from(OsStr::from_bytes(&bytes));
        Ok(Member { path: as_path(path), link: as_path(link), size, uid, gid, modified, records, header })
    }

    /// Zeros where a header would be are the end, and so is the end of the stream.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        let mut read = 0;
        while read < header.as_bytes().len() {
            match self.stream.read(&mut header.as_mut_bytes()[read..])? {
                0 if read == 0 => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => read += more,
            }
        }
        let bytes = header.as_bytes();
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        // The sum of all bytes, those of the field itself taken for spaces.
        let plain: u32 = bytes.iter().map(|&byte| u32::from(byte)).sum();
        let field: u32 = header.as_old().cksum.iter().map(|&byte| u32::from(byte)).sum();
        if plain - field + 8 * u32::from(b' ') != header.cksum()? {
            return Err(io::Error::other("the checksum of a header is wrong"));
        }
        Ok(Some(header))
    }

    fn expect(&mut self, size: u64) {
        self.content = size;
        self.padding = (BLOCK - size % BLOCK) % BLOCK;
    }

    fn skip(&mut self) -> io::Result<()> {
        let left = self.content.checked_add(self.padding).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.expect(0);
        match io::copy(&mut self.stream.by_ref().take(left), &mut io::sink())? {
            passed if passed == left => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn extension(&mut self) -> io::Result<Vec<u8>> {
        let size = self.content;
        if size > LONGEST_EXTENSION {
            return Err(io::Error::other(format!("the extension of a header is {size} bytes long")));
        }
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        if bytes.len() as u64 == size { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// The current member's content.
impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.by_ref().take(self.content).read(buffer)?;
        self.content -= read as u64;
        Ok(read)
    }
}

/// `LENGTH KEY=VALUE\n`, the length in bytes of all of it; pax(1), "pax Extended Header".
fn parse_records(mut bytes: &[u8]) -> io::Result<Records> {
    let mut records = Records::new();
    while !bytes.is_empty() {
        let (record, rest) =
            split_record(bytes).ok_or_else(|| io::Error::other("a PAX record is damaged"))?;
        records.insert(record.0.to_vec(), record.1.to_vec());
        bytes = rest;
    }
    Ok(records)
}

type Record<'a> = (&'a [u8], &'a [u8]);

fn split_record(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let space = bytes.iter().position(|&byte| byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some(((&record[..equals], &record[equals + 1..]), rest))
}

/// A record's number; of a time its whole seconds.
fn number<N: std::str::FromStr>(records: &Records, key: &str) -> io::Result<Option<N>> {
    let Some(value) = records.get(key.as_bytes()) else { return Ok(None) };
    let text = std::str::from_utf8(value).unwrap_or_default();
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    whole.parse().map(Some).map_err(|_| io::Error::other(format!("the PAX record {key} is no number")))
}

fn until_zero(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_as_long_as_they_say() {
        let records = parse_records(b"10 path=a\n14 x=1\n9 y=\0\n\n6 z=\xff\n").unwrap();
        let expected = [(&b"path"[..], &b"a"[..]), (b"x", b"1\n9 y=\0\n"), (b"z", b"\xff")];
        assert!(records.iter().map(|(key, value)| (&key[..], &value[..])).eq(expected));
        for damaged in ["", "x", "5", "99 a=b\n", "6 a=bc", "5 ab\n", "0 a=b\n", "18446744073709551616 a=b\n"]
        {
            assert_eq!(parse_records(damaged.as_bytes()).is_ok(), damaged.is_empty(), "{damaged:?}");
        }
    }

    #[test]
    fn a_tar_cut_inside_of_a_member_is_an_error() {
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_pax_extensions([("path", &b"renamed"[..])]).unwrap();
        let mut header = Header::new_ustar();
        header.set_size(700);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        archive.append(&header, &[1; 700][..]).unwrap();
        let bytes = archive.into_inner().unwrap();
        let read = |length: usize| -> io::Result<Vec<PathBuf>> {
            let mut members = Members::new(&bytes[..length]);
            let mut paths = Vec::new();
            while let Some(member) = members.next()? {
                paths.push(member.path);
            }
            Ok(paths)
        };
        assert_eq!(read(bytes.len()).unwrap(), [PathBuf::from("renamed")]);
        for length in 1..bytes.len() - 1024 {
            assert!(read(length).is_err(), "{length}");
        }
    }
}
