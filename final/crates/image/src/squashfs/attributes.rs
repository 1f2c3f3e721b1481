//! Extended attributes, which many inodes may share.

use std::ffi::CString;

use super::metadata::Cursor;
use super::{Squashfs, damaged};
use crate::error::Result;

/// The flag of a name whose value is stored elsewhere.
const ELSEWHERE: u16 = 0x100;

/// The kernel's limits, XATTR_NAME_MAX and XATTR_SIZE_MAX.
const NAME: u16 = 255;
const VALUE: u32 = 64 << 10;

/// The most bytes of all values of a file. File systems store the values in a block or a few.
const TOTAL: usize = 256 << 10;

/// The most attributes of a file. The kernel lists at most XATTR_LIST_MAX bytes of names, which is about as many short
/// names.
const COUNT: u32 = 8192;

impl Squashfs {
    pub(super) fn attributes(&mut self, index: u32) -> Result<Vec<(CString, Vec<u8>)>> {
        let table = self.superblock.attribute_table.ok_or_else(|| damaged("it has no attributes"))?;
        let header = self.read_at(table, 12)?;
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let (values, count) = (number(&header[..8]), number(&header[8..]));
        if u64::from(index) >= count {
            return Err(damaged("attributes are not in their table"));
        }
        let mut at = self.indexed(table + 16, index as usize, 16)?;
        let (reference, count) = (at.u64()?, at.u32()?);
        if count > COUNT {
            return Err(damaged("a file has too many attributes"));
        }
        let mut at = self.cursor_of(values, reference)?;
        let stored: Vec<Stored> = (0..count).map(|_| Stored::read(&mut at)).collect::<Result<_>>()?;
        let mut total = 0;
        let mut found = Vec::new();
        for Stored { name, value } in stored {
            let value = match value {
                Value::Here(value) => value,
                Value::At(reference) => value_at(&mut self.cursor_of(values, reference)?)?,
            };
            total += value.len();
            if total > TOTAL {
                return Err(damaged("a file's attributes are too large"));
            }
            found.push((name, value));
        }
        Ok(found)
    }
}

/// An attribute as the table has it.
struct Stored {
    name: CString,
    value: Value,
}

enum Value {
    Here(Vec<u8>),
    /// The reference of the value, which is stored with another attribute.
    At(u64),
}

impl Stored {
    fn read(at: &mut Cursor<'_>) -> Result<Self> {
        let (kind, length) = (at.u16()?, at.u16()?);
        let prefix: &[u8] = match kind & 0xff {
            0 => b"user.",
            1 => b"trusted.",
            2 => b"security.",
            _ => return Err(damaged("an attribute is of an unknown kind")),
        };
        if length > NAME {
            return Err(damaged("an attribute's name is too long"));
        }
        let name = [prefix, &at.bytes(usize::from(length))?].concat();
        let name = CString::new(name).map_err(|_| damaged("an attribute's name has a zero byte"))?;
        let value = value_at(at)?;
        if kind & ELSEWHERE == 0 {
            return Ok(Self { name, value: Value::Here(value) });
        }
        let reference = <[u8; 8]>::try_from(value).map_err(|_| damaged("an attribute's value is nowhere"))?;
        Ok(Self { name, value: Value::At(u64::from_le_bytes(reference)) })
    }
}

fn value_at(at: &mut Cursor<'_>) -> Result<Vec<u8>> {
    let size = at.u32()?;
    if size > VALUE {
        return Err(damaged("an attribute's value is too large"));
    }
    at.bytes(size as usize)
}
