//! Files with holes: GNU tar's old format, and its three in PAX (GNU tar manual, "Storing Sparse Files").

use std::io::BufRead;

use tar::{GnuExtSparseHeader, Header};

use super::number::{decimal, field};
use super::pax::Records;
use super::{BLOCK, Members, fill};
use crate::error::{Error, Result};

/// The limit for the number of pieces. Only a hostile archive has more.
const CHUNKS: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Sparse {
    /// Offset and length of each piece of data between the holes.
    pub chunks: Vec<(u64, u64)>,
    pub size: u64,
}

impl Sparse {
    /// The map of the current member, which may be at the beginning of its data.
    pub(super) fn find<R: BufRead>(
        members: &mut Members<R>,
        header: &Header,
        records: &Records,
    ) -> Result<Option<Self>> {
        let number = |key: &str| records.get(key).map(|value| decimal(value, key)).transpose();
        let size = number("GNU.sparse.realsize")?.or(number("GNU.sparse.size")?);
        let sparse = if header.entry_type().is_gnu_sparse() {
            old(members, header)?
        } else if let Some(size) = size {
            let chunks = match (number("GNU.sparse.major")?, records.get("GNU.sparse.map")) {
                (Some(1), _) => in_data(members)?,
                (_, Some(map)) => pairs(map.split(|byte| *byte == b','))?,
                (_, None) => pairs(records.all().filter_map(|(key, value)| {
                    matches!(key, b"GNU.sparse.offset" | b"GNU.sparse.numbytes").then_some(value)
                }))?,
            };
            Self { chunks, size }
        } else {
            return Ok(None);
        };
        sparse.check(members.data).map(Some)
    }

    fn check(self, data: u64) -> Result<Self> {
        let mut end = 0;
        let mut sum = 0_u64;
        for (offset, length) in &self.chunks {
            let after = offset.checked_add(*length).filter(|after| *offset >= end && *after <= self.size);
            end = after.ok_or_else(|| damaged("its pieces overlap or go past its end"))?;
            // Within `end`, so it cannot overflow.
            sum += length;
        }
        if sum != data || self.size > i64::MAX as u64 {
            return Err(damaged("its pieces are not its data"));
        }
        Ok(self)
    }
}

fn damaged(why: &str) -> Error {
    Error::Damaged(format!("a sparse file's map is wrong: {why}"))
}

fn unsigned(bytes: &[u8]) -> Result<u64> {
    u64::try_from(field(bytes)?).map_err(|_| damaged("a number is negative"))
}

/// Four pieces in the header, the others in blocks that follow it and do not count as data.
fn old<R: BufRead>(members: &mut Members<R>, header: &Header) -> Result<Sparse> {
    let gnu = header.as_gnu().ok_or_else(|| damaged("its header is not GNU's"))?;
    let size = unsigned(&gnu.realsize)?;
    let mut chunks = Vec::new();
    let mut add = |pieces: &[tar::GnuSparseHeader]| -> Result<()> {
        for piece in pieces.iter().filter(|piece| piece.offset[0] != 0 && piece.numbytes[0] != 0) {
            chunks.push((unsigned(&piece.offset)?, unsigned(&piece.numbytes)?));
        }
        if chunks.len() > CHUNKS { Err(damaged("it has too many pieces")) } else { Ok(()) }
    };
    add(&gnu.sparse)?;
    let mut more = gnu.is_extended();
    while more {
        let mut block = GnuExtSparseHeader::new();
        if fill(&mut members.stream, block.as_mut_bytes())? < BLOCK as usize {
            return Err(damaged("it is cut short"));
        }
        add(&block.sparse)?;
        more = block.is_extended();
    }
    Ok(Sparse { chunks, size })
}

/// Decimal lines at the beginning of the data, filled up to a block: how many pieces, then offset and length of each.
fn in_data<R: BufRead>(members: &mut Members<R>) -> Result<Vec<(u64, u64)>> {
    let mut text = Vec::new();
    let mut numbers: Option<usize> = None;
    let mut lines = 0;
    loop {
        if members.data < BLOCK || text.len() > CHUNKS * 40 {
            return Err(damaged("it is cut short"));
        }
        let failed = |source| Error::Io { action: "read a sparse file's map".into(), source };
        let start = text.len();
        members.copy_data(BLOCK, &mut text, &failed)?;
        lines += text[start..].iter().filter(|byte| **byte == b'\n').count();
        if numbers.is_none() {
            let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let count = usize::try_from(decimal(first, "count")?).ok().filter(|count| *count <= CHUNKS);
            numbers = Some(2 * count.ok_or_else(|| damaged("it has too many pieces"))?);
        }
        // The first line is the count itself.
        if let Some(numbers) = numbers.filter(|numbers| lines > *numbers) {
            return pairs(text.split(|byte| *byte == b'\n').skip(1).take(numbers));
        }
    }
}

fn pairs<'a>(numbers: impl Iterator<Item = &'a [u8]>) -> Result<Vec<(u64, u64)>> {
    let numbers = numbers.take(2 * CHUNKS + 1).map(|number| decimal(number, "offset in a sparse file"));
    let numbers = numbers.collect::<Result<Vec<u64>>>()?;
    match numbers.len() % 2 == 0 && numbers.len() <= 2 * CHUNKS {
        true => Ok(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()),
        false => Err(damaged("an offset has no length")),
    }
}
