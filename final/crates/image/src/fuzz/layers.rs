//! A layer's tar, compressed or not, applied to a directory with something precious beside it.

use std::io::BufReader;

use tar::EntryType;

use super::{Random, fuzz, scramble};
use crate::compression::Bounded;
use crate::layer::apply;
use crate::testing::{Arena, fix_checksums, in_memory, is_root};

/// Names that lead somewhere, or mean something.
const NAMES: &[&[u8]] = &[
    b"../outside/secret",
    b"../outside/new",
    b"/etc/hull-fuzz",
    b"..",
    b".",
    b"",
    b"a",
    b"a/b",
    b"a/b/c",
    b"dir",
    b"dir/file",
    b"dir/link",
    b".wh.a",
    b".wh..wh..opq",
    b"dir/.wh..wh..opq",
    b".wh...",
    b".wh.",
    b"a/../../outside/x",
    b"a\nb",
    b"\xff\xfe",
];

const SIZES: &[&[u8]] = &[
    b"00000000000",
    b"00000000001",
    b"00000001000",
    b"77777777777",
    b"-1",
    b"",
    b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
];

const TYPES: &[u8] = b"\x000123456789xgLKSVDMZ";

/// Where a field of a header is, and how long: ustar, POSIX.1-1988, and GNU's sparse map.
const NAME: (usize, usize) = (0, 100);
const MODE: (usize, usize) = (100, 8);
const SIZE: (usize, usize) = (124, 12);
const LINK: (usize, usize) = (157, 100);
const PREFIX: (usize, usize) = (345, 155);
const SPARSE: (usize, usize) = (386, 110);

fn set(block: &mut [u8], (at, length): (usize, usize), value: &[u8]) {
    let field = &mut block[at..at + length];
    field.fill(0);
    let fits = value.len().min(length);
    field[..fits].copy_from_slice(&value[..fits]);
}

/// Changes one block, as a header or as bytes.
fn disturb(random: &mut Random, block: &mut [u8]) {
    match random.below(9) {
        0 => set(block, NAME, random.pick(NAMES)),
        1 => set(block, LINK, random.pick(NAMES)),
        2 => set(block, PREFIX, random.pick(NAMES)),
        3 => set(block, SIZE, random.pick(SIZES)),
        4 | 5 => block[156] = random.pick(TYPES),
        6 => block[MODE.0 + random.below(MODE.1)] = random.next() as u8,
        7 => block[SPARSE.0 + random.below(SPARSE.1)] = random.next() as u8,
        _ => block[random.below(512)] = random.pick(b"\x00 0123456789=/.\n\x7f\x80\xff"),
    }
}

fn changed(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = random.pick(seeds);
    let is_tar = bytes.len() >= 512 && bytes[257..262] == *b"ustar";
    if !is_tar || random.below(8) == 0 {
        scramble(random, &mut bytes);
        return bytes;
    }
    let mut blocks: Vec<[u8; 512]> = bytes.as_chunks().0.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(blocks.len());
        match random.below(10) {
            // Members of two archives, one after the other or one within the other.
            0 => {
                let other = random.pick(seeds);
                let other = other.as_chunks().0;
                if let Some(block) = other.get(random.below(other.len())) {
                    blocks.insert(at, *block);
                }
            }
            1 => drop(blocks.remove(at)),
            2 => blocks.insert(at, blocks[random.below(blocks.len())]),
            _ => disturb(random, &mut blocks[at]),
        }
        if blocks.is_empty() {
            break;
        }
    }
    let mut bytes = blocks.concat();
    // Else hardly anything would get past the checksums.
    if random.below(8) != 0 {
        fix_checksums(&mut bytes);
    }
    bytes
}

fn check(bytes: &[u8]) {
    let arena = Arena::at(in_memory());
    if let Ok(stream) = Bounded::new(bytes) {
        let applied = apply(BufReader::new(stream), &arena.layer());
        if let Some(bytes) = applied.ok().and_then(|applied| applied.bytes) {
            assert_eq!(bytes, hull_storage::tree::disk_usage(&arena.layer()).unwrap(), "what was counted");
        }
    }
    arena.assert_untouched("what lies beside the layer");
    assert!(!std::path::Path::new("/etc/hull-fuzz").exists(), "a file of this machine");
}

#[test]
fn no_layer_makes_it_panic_or_write_elsewhere() {
    fuzz("layers", changed, check);
}

#[test]
fn the_corpus_has_what_a_layer_can_have() {
    if !is_root("the_corpus_has_what_a_layer_can_have") {
        return;
    }
    let mut kinds: Vec<u8> = Vec::new();
    for seed in super::seeds("layers") {
        let arena = Arena::at(in_memory());
        let applied = apply(BufReader::new(Bounded::new(seed.as_slice()).unwrap()), &arena.layer());
        assert!(applied.is_ok() || matches!(applied, Err(crate::Error::Refused { .. })), "{applied:?}");
        let headers = seed.as_chunks::<512>().0.iter().filter(|block| block[257..262] == *b"ustar");
        kinds.extend(headers.map(|header| header[156]));
    }
    for kind in [
        EntryType::Regular,
        EntryType::Link,
        EntryType::Symlink,
        EntryType::Char,
        EntryType::Block,
        EntryType::Directory,
        EntryType::Fifo,
        EntryType::XHeader,
        EntryType::XGlobalHeader,
        EntryType::GNULongName,
        EntryType::GNULongLink,
        EntryType::GNUSparse,
    ] {
        assert!(kinds.contains(&kind.as_byte()), "{kind:?}");
    }
}
