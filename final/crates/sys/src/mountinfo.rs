//! The mounts that a process sees: `/proc/PID/mountinfo` (proc(5)).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// The same number as `stx_mnt_id` of statx(2).
    pub id: u64,
    /// `MAJOR:MINOR` of the file system. For some file systems stat(2) says another one.
    pub device: String,
    /// The path of what is mounted, in its file system. One that has been removed ends in `//deleted`.
    pub root: PathBuf,
    /// Where it is mounted, as the process sees it.
    pub at: PathBuf,
    /// The type of the file system.
    pub kind: String,
}

/// The lines that are whole.
pub fn parse(text: &[u8]) -> Vec<Mounted> {
    text.split(|byte| *byte == b'\n').filter_map(line).collect()
}

fn line(line: &[u8]) -> Option<Mounted> {
    let mut words = line.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let device = String::from_utf8_lossy(words.nth(1)?).into_owned();
    let [root, at] = [words.next()?, words.next()?].map(|word| OsString::from_vec(unescape(word)).into());
    let kind = words.skip_while(|word| *word != b"-").nth(1)?;
    Some(Mounted { id, device, root, at, kind: String::from_utf8_lossy(kind).into_owned() })
}

/// Decodes the octal escapes: a space is `\040`.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = text;
    while let [first, others @ ..] = rest {
        let digits = others.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match escaped.filter(|_| *first == b'\\') {
            Some(byte) => {
                plain.push(byte);
                rest = &others[3..];
            }
            None => {
                plain.push(*first);
                rest = others;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whole() {
        let text = b"55 42 0:5 /null /proc/a\\040b rw,relatime master:1 - devtmpfs none rw,size=9k\n\n7 cut";
        let expected = Mounted {
            id: 55,
            device: "0:5".into(),
            root: "/null".into(),
            at: "/proc/a b".into(),
            kind: "devtmpfs".into(),
        };
        assert_eq!(parse(text), [expected]);
        assert_eq!(unescape(b"\\04"), b"\\04");
        assert_eq!(unescape(b"a\\134b\\"), b"a\\b\\");
    }
}
