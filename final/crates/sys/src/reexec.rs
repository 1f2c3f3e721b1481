//! The verbs that enter containers, for which a program first executes itself again from a file that cannot be written
//! ([`crate::self_exe`]).
//!
//! The lists are read by the programs' entry (`entry.rs`, in assembly) and by both command lines.

use std::ffi::OsStr;

/// The verbs of `hull`.
pub const HULL: [&str; 11] =
    ["run", "exec", "start", "restart", "stop", "launch", "publish", "restore", "build", "serve", "compose"];

/// The verbs of `hull-oci`.
pub const HULL_OCI: [&str; 3] = ["run", "exec", "create"];

/// True if any argument is one of the verbs. A verb may also be an argument of another verb; then the program executes
/// itself again without need.
pub fn is_needed(verbs: &[&str]) -> bool {
    let is_verb = |word: &OsStr| word.to_str().is_some_and(|word| verbs.contains(&word));
    std::env::args_os().skip(1).any(|word| is_verb(&word))
}

/// A verb with the zero byte behind it, as the first eight bytes of a word that is equal to it. The other bytes are zero.
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
pub(crate) const fn word(verb: &str) -> u64 {
    let (bytes, mut word, mut index) = (verb.as_bytes(), 0, 0);
    assert!(bytes.len() < 8, "the entry compares eight bytes");
    while index < bytes.len() {
        word |= (bytes[index] as u64) << (8 * index);
        index += 1;
    }
    word
}

/// Which of the eight bytes the verb and its zero byte are.
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
pub(crate) const fn mask(verb: &str) -> u64 {
    u64::MAX >> (8 * (7 - verb.len()))
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
    #[test]
    fn a_word_is_recognized_only_as_a_whole() {
        let first_bytes = |word: &[u8]| {
            let mut bytes = [b'x'; 8];
            bytes[..word.len()].copy_from_slice(word);
            u64::from_le_bytes(bytes)
        };
        for verb in super::HULL.iter().chain(&super::HULL_OCI) {
            let matches = |word: &[u8]| first_bytes(word) & super::mask(verb) == super::word(verb);
            let whole = [verb.as_bytes(), b"\0"].concat();
            assert!(matches(&whole), "{verb}");
            assert!(!matches(verb.as_bytes()), "{verb}");
            assert!(!matches(b"ru\0") && !matches(b"runs\0"), "{verb}");
        }
    }
}
