//! The keys that end an attachment and leave the program running.

/// docker's default.
pub const DEFAULT: &str = "ctrl-p,ctrl-q";

/// Finds the detach sequence in what is typed. Keys that may begin the sequence are held back until the next key decides.
#[derive(Debug, Clone)]
pub struct DetachKeys {
    sequence: Vec<u8>,
    matched: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    Forward(Vec<u8>),
    /// The sequence was typed, after this.
    Detach(Vec<u8>),
}

impl DetachKeys {
    /// The value of `--detach-keys`; docker's default without it. An empty text turns detaching off.
    pub fn new(flag: Option<&str>) -> Result<Self, String> {
        let text = flag.unwrap_or(DEFAULT);
        let expected = "expected characters or ctrl-<letter>, separated by commas";
        Self::parse(text).ok_or_else(|| format!("invalid detach keys {text:?}: {expected}"))
    }

    /// docker's notation: `ctrl-<letter or @[\]^_>` or a single character, separated by commas.
    fn parse(text: &str) -> Option<Self> {
        let mut sequence = Vec::new();
        for key in text.split(',').filter(|_| !text.is_empty()) {
            sequence.push(match (key.strip_prefix("ctrl-"), key.as_bytes()) {
                (Some(letter), _) => match letter.as_bytes() {
                    [byte @ (b'a'..=b'z' | b'A'..=b'Z' | b'@' | b'['..=b'_')] => byte & 0x1f,
                    _ => return None,
                },
                (None, [byte]) => *byte,
                _ => return None,
            });
        }
        Some(Self { sequence, matched: 0 })
    }

    /// The bytes of the sequence.
    pub fn sequence(&self) -> &[u8] {
        &self.sequence
    }

    /// Takes what was typed next.
    pub fn feed(&mut self, input: &[u8]) -> Typed {
        let mut forward = Vec::with_capacity(input.len());
        for &byte in input {
            if self.sequence.get(self.matched) == Some(&byte) {
                self.matched += 1;
                if self.matched == self.sequence.len() {
                    self.matched = 0;
                    return Typed::Detach(forward);
                }
                continue;
            }
            forward.extend_from_slice(&self.sequence[..self.matched]);
            self.matched = usize::from(self.sequence.first() == Some(&byte) && self.sequence.len() > 1);
            if self.matched == 0 {
                forward.push(byte);
            }
        }
        Typed::Forward(forward)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_found_across_reads_and_a_broken_one_is_typed() {
        let mut keys = DetachKeys::parse("ctrl-p,ctrl-q").unwrap();
        assert_eq!(keys.feed(b"ab\x10"), Typed::Forward(b"ab".to_vec()));
        assert_eq!(keys.feed(b"c"), Typed::Forward(b"\x10c".to_vec()));
        assert_eq!(keys.feed(b"\x10\x10"), Typed::Forward(b"\x10".to_vec()));
        assert_eq!(keys.feed(b"\x11rest"), Typed::Detach(vec![]));
    }

    #[test]
    fn docker_notation_is_read_and_nonsense_refused() {
        assert_eq!(DetachKeys::parse("ctrl-a,d").unwrap().sequence, vec![1, b'd']);
        assert_eq!(DetachKeys::parse("").unwrap().feed(b"\x10\x11"), Typed::Forward(vec![0x10, 0x11]));
        assert!(DetachKeys::parse("ctrl-").is_none() && DetachKeys::parse("super-x").is_none());
    }
}
