//! `--chmod`: a number, or chmod(1)'s words: `u=rwX,go=rX`.

use crate::{Error, Result};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Chmod {
    Exactly(u32),
    Changes(Vec<Change>),
}

/// `go+rX`: the part of a clause that begins with its operator, for the users of the clause.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    /// The bits of `u`, `g` and `o` that may change, and their set-ID and sticky bits.
    who: u32,
    operator: u8,
    /// Bits of rwx for each of user, group and others.
    permissions: u32,
    /// `X`: execution for directories, and for files that somebody may execute.
    if_executable: bool,
    /// `u`, `g` or `o` after the operator: the permissions that they have.
    copied: Option<u8>,
}

impl Chmod {
    /// # Errors
    ///
    /// [`Error::Invalid`] with docker's sentence about numbers.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::Invalid { what: format!("--chmod={text}"), why: why.into() };
        if text.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) {
            return match u32::from_str_radix(text, 8) {
                Ok(mode) if mode <= 0o7777 => Ok(Self::Exactly(mode)),
                _ => Err(invalid("it should be an octal number between 0 and 07777")),
            };
        }
        let clauses = text.split(',').map(clause).collect::<Option<Vec<_>>>();
        let why = "it is neither an octal number nor changes as in u=rwX,go=rX";
        Ok(Self::Changes(clauses.ok_or_else(|| invalid(why))?.concat()))
    }

    /// The mode of a file that had the mode `from`.
    pub(super) fn apply(&self, from: u32, is_directory: bool) -> u32 {
        match self {
            Self::Exactly(mode) => *mode,
            Self::Changes(changes) => {
                changes.iter().fold(from & 0o7777, |mode, change| change.apply(mode, is_directory))
            }
        }
    }
}

/// One clause: `[ugoa]*([-+=]([rwxXst]*|[ugo]))+`
fn clause(text: &str) -> Option<Vec<Change>> {
    let bytes = text.as_bytes();
    let whole = bytes.iter().take_while(|byte| b"ugoa".contains(byte)).count();
    let who = bytes[..whole].iter().fold(0, |who, byte| who | bits_of(*byte));
    let who = if whole == 0 { bits_of(b'a') } else { who };
    let mut rest = &bytes[whole..];
    let mut changes = Vec::new();
    while let [operator @ (b'+' | b'-' | b'='), after @ ..] = rest {
        let length = after.iter().take_while(|byte| !b"+-=".contains(byte)).count();
        changes.push(change(who, *operator, &after[..length])?);
        rest = &after[length..];
    }
    (rest.is_empty() && !changes.is_empty()).then_some(changes)
}

fn bits_of(who: u8) -> u32 {
    match who {
        b'u' => 0o4700,
        b'g' => 0o2070,
        b'o' => 0o0007,
        _ => 0o7777,
    }
}

fn change(who: u32, operator: u8, letters: &[u8]) -> Option<Change> {
    let mut change = Change { who, operator, permissions: 0, if_executable: false, copied: None };
    if let [copied @ (b'u' | b'g' | b'o')] = letters {
        change.copied = Some(*copied);
        return Some(change);
    }
    for letter in letters {
        match letter {
            b'r' => change.permissions |= 0o444,
            b'w' => change.permissions |= 0o222,
            b'x' => change.permissions |= 0o111,
            b's' => change.permissions |= 0o6000,
            // The sticky bit has no user: `o+t` and `+t` set it, as in chmod(1).
            b't' => {
                change.permissions |= 0o1000;
                change.who |= 0o1000;
            }
            b'X' => change.if_executable = true,
            _ => return None,
        }
    }
    Some(change)
}

impl Change {
    fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        let mut permissions = self.permissions;
        if self.if_executable && (is_directory || mode & 0o111 != 0) {
            permissions |= 0o111;
        }
        if let Some(copied) = self.copied {
            let shift = match copied {
                b'u' => 6,
                b'g' => 3,
                _ => 0,
            };
            permissions = 0o111 * (mode >> shift & 7);
        }
        let bits = permissions & self.who;
        match self.operator {
            b'+' => mode | bits,
            b'-' => mode & !bits,
            // chmod(1): a directory keeps its set-ID bits unless they are named.
            _ => {
                let kept = if is_directory { mode & 0o6000 & !self.permissions } else { 0 };
                (mode & !(self.who & !0o1000) & !(self.who & self.permissions)) | bits | (kept & self.who)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_mean_what_they_mean_to_chmod() {
        for (chmod, from, is_directory, expected) in [
            ("755", 0o600, false, 0o755),
            ("04755", 0o600, false, 0o4755),
            ("0", 0o777, true, 0),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u=rwX,go=rX", 0o700, true, 0o755),
            ("a+x", 0o644, false, 0o755),
            ("+x", 0o644, false, 0o755),
            ("go-rwx", 0o4755, false, 0o4700),
            ("g=u", 0o750, false, 0o770),
            ("o=g-w", 0o770, false, 0o775),
            ("u+s,g+s,+t", 0o755, false, 0o7755),
            ("=", 0o644, false, 0),
            ("u+rw,g+r,o-r", 0o404, false, 0o640),
        ] {
            assert_eq!(Chmod::parse(chmod).unwrap().apply(from, is_directory), expected, "{chmod} {from:o}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for chmod in ["", "8", "10000", "0755x", "u", "rwx", "u=q", "u=rw,", "z+x", "u+gr", "-1 "] {
            assert!(Chmod::parse(chmod).is_err(), "{chmod}");
        }
    }
}
