//! PAX records, `<length> <key>=<value>\n`: pax(1), "pax Extended Header". The length decides where a record ends,
//! because a value may have any bytes.

use std::ffi::CString;

use super::number::decimal;
use crate::error::{Error, Result};

#[derive(Debug, Default)]
pub(super) struct Records(Vec<(Vec<u8>, Vec<u8>)>);

impl Records {
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Self> {
        let malformed = || Error::Damaged("a PAX header is malformed".into());
        let mut records = Vec::new();
        // Some writers pad with zeros.
        while !bytes.is_empty() && bytes[0] != 0 {
            let space = bytes.iter().take(8).position(|byte| *byte == b' ').ok_or_else(malformed)?;
            let length = decimal(&bytes[..space], "length")? as usize;
            let record = bytes.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n"));
            let record = record.ok_or_else(malformed)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
            records.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
            bytes = &bytes[length..];
        }
        Ok(Self(records))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a key. If a key occurs several times, the last one counts.
    pub(super) fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.iter().rev().find(|(name, _)| name == key.as_bytes()).map(|(_, value)| value.as_slice())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    /// Extended attributes, as GNU tar and Go write them.
    pub(super) fn attributes(&self) -> Result<Vec<(CString, Vec<u8>)>> {
        let named = self.all().filter_map(|(key, value)| Some((key.strip_prefix(b"SCHILY.xattr.")?, value)));
        named
            .map(|(name, value)| match CString::new(name) {
                Ok(name) => Ok((name, value.to_vec())),
                Err(_) => Err(Error::Damaged("an attribute's name has a zero byte".into())),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_newlines_and_equal_signs() {
        let records = Records::parse(b"14 key=a\nb=c\0\n9 k=last\n\0\0").unwrap();
        assert_eq!(records.get("key"), Some(&b"a\nb=c\0"[..]));
        assert_eq!(records.get("k"), Some(&b"last"[..]));
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        for bytes in
            [&b"5 k=v\n"[..], b"99 k=v\n", b"0 k=v\n", b"x k=v\n", b"6 kvv\n", b"18446744073709551615 k=v\n"]
        {
            assert!(Records::parse(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
