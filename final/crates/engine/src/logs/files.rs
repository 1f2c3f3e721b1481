//! The files of a log, and their lines. They are read at positions (pread(2)), in blocks.

use std::collections::HashSet;
use std::fs::File;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use crate::error::{IoContext, Result};
use crate::logs::layout::file_name;

const BLOCK: usize = 256 * 1024;
/// The block for reading backwards. It is small, because mostly only a few lines are needed.
const BACKWARD_BLOCK: u64 = 64 * 1024;

/// A file of the log, held by descriptor, which refers to the same file after a rename or a removal.
#[derive(Debug)]
pub(super) struct LogFile {
    file: File,
    pub inode: u64,
    /// Its size when it was opened.
    pub end: u64,
}

/// All files of the log, oldest first.
///
/// Rotation moves files to higher numbers only. They are opened from the newest on, so a file that moves meanwhile may
/// be seen twice, and none is missed.
pub(super) fn open_all(directory: &Path, most: u32) -> Result<Vec<LogFile>> {
    newer_than(directory, most, None)
}

/// The files that are newer than the one with this inode, oldest first; all files if that one was removed.
pub(super) fn newer_than(directory: &Path, most: u32, inode: Option<u64>) -> Result<Vec<LogFile>> {
    let mut files: Vec<LogFile> = Vec::new();
    let mut met = HashSet::new();
    let mut missing = 0;
    for n in 0..=most {
        let Some(file) = LogFile::open(&directory.join(file_name(n)))? else {
            // A rotation in progress leaves one number out; the file is at the next one then.
            missing += 1;
            if missing > 2 {
                break;
            }
            continue;
        };
        if inode == Some(file.inode) {
            break;
        }
        if met.insert(file.inode) {
            files.push(file);
        }
    }
    files.reverse();
    Ok(files)
}

impl LogFile {
    fn open(path: &Path) -> Result<Option<Self>> {
        let file = match hull_storage::file::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.context(|| format!("open {}", path.display()))?,
        };
        let metadata = file.metadata().context(|| format!("look at {}", path.display()))?;
        Ok(Some(Self { file, inode: metadata.ino(), end: metadata.len() }))
    }

    pub(super) fn size(&self) -> Result<u64> {
        Ok(self.file.metadata().context(|| "look at the log".into())?.len())
    }

    /// Reads up to `buffer.len()` bytes; fewer only at the end of the file.
    fn read(&self, mut buffer: &mut [u8], mut at: u64) -> Result<usize> {
        let wanted = buffer.len();
        while !buffer.is_empty() {
            match self.file.read_at(buffer, at) {
                Ok(0) => break,
                Ok(length) => {
                    at += length as u64;
                    buffer = &mut buffer[length..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context(|| "read the log".into()),
            }
        }
        Ok(wanted - buffer.len())
    }

    /// Calls `take` for each line between two positions, of which the first is the beginning of a line. Returns where
    /// the last complete line ends.
    pub(super) fn forwards(
        &self,
        from: u64,
        to: u64,
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<u64> {
        let mut buffer = Vec::new();
        // The position of the buffer's first byte.
        let mut start = from;
        let mut kept = 0;
        loop {
            let left = to.saturating_sub(start + kept as u64);
            let more = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK);
            buffer.resize(kept + more, 0);
            let length = self.read(&mut buffer[kept..], start + kept as u64)?;
            buffer.truncate(kept + length);
            let mut begin = 0;
            for newline in memchr::memchr_iter(b'\n', &buffer[kept..]) {
                let end = kept + newline + 1;
                take(&buffer[begin..end])?;
                begin = end;
            }
            start += begin as u64;
            if length == 0 || length < more || left <= length as u64 {
                return Ok(start);
            }
            buffer.drain(..begin);
            kept = buffer.len();
        }
    }

    /// Calls `take` for each line between two positions, the last one first, with the position where it begins, until
    /// `take` breaks. Text after the last newline is not a line.
    pub(super) fn backwards(
        &self,
        from: u64,
        to: u64,
        mut take: impl FnMut(u64, &[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<ControlFlow<()>> {
        // What has been read and not yet handed out. It begins at `start`, and ends at a line's end once a newline was
        // found.
        let mut buffer: Vec<u8> = Vec::new();
        let mut start = to;
        let mut found_newline = false;
        while start > from {
            let length = BACKWARD_BLOCK.min(start - from);
            start -= length;
            let mut block = vec![0; length as usize];
            let read = self.read(&mut block, start)?;
            block.truncate(read);
            block.append(&mut buffer);
            buffer = block;
            // The newline that ends the last line is no boundary to another one.
            while let Some(end) = buffer.len().checked_sub(usize::from(found_newline)) {
                let Some(newline) = memchr::memrchr(b'\n', &buffer[..end]) else { break };
                if found_newline && take(start + newline as u64 + 1, &buffer[newline + 1..])?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                found_newline = true;
                buffer.truncate(newline + 1);
            }
        }
        match found_newline && !buffer.is_empty() {
            true => take(start, &buffer),
            false => Ok(ControlFlow::Continue(())),
        }
    }

    /// The first complete line that begins after `at`, and where it begins.
    pub(super) fn line_behind(&self, at: u64, to: u64) -> Result<Option<(u64, Vec<u8>)>> {
        let mut found = None;
        let mut buffer = vec![0; BACKWARD_BLOCK as usize];
        let mut length = 0;
        loop {
            let left = usize::try_from(to.saturating_sub(at + length as u64)).unwrap_or(usize::MAX);
            let more = left.min(buffer.len() - length);
            let read = self.read(&mut buffer[length..length + more], at + length as u64)?;
            let begin = length;
            length += read;
            for newline in memchr::memchr_iter(b'\n', &buffer[begin..length]) {
                let end = begin + newline + 1;
                match found {
                    Some(line) => return Ok(Some((at + line as u64, buffer[line..end].to_vec()))),
                    None => found = Some(end),
                }
            }
            if read == 0 {
                return Ok(None);
            }
            if length == buffer.len() {
                buffer.resize(2 * length, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, content: &[u8]) -> LogFile {
        let path = std::env::temp_dir().join(format!("hull-log-{name}-{}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        let file = LogFile::open(&path).unwrap().unwrap();
        std::fs::remove_file(path).unwrap();
        file
    }

    #[test]
    fn lines_are_the_same_forwards_and_backwards_whatever_the_blocks_cut() {
        let mut content = Vec::new();
        let mut expected: Vec<(u64, Vec<u8>)> = Vec::new();
        for n in 0..9000_usize {
            let line = [&vec![b'a' + (n % 26) as u8; n * 7919 % 200][..], b"\n"].concat();
            expected.push((content.len() as u64, line.clone()));
            content.extend(line);
        }
        let whole = content.len() as u64;
        content.extend_from_slice(b"unfinished");
        let file = file("both", &content);
        let mut found = Vec::new();
        let end = file.forwards(0, file.end, |line| {
            found.push(line.to_vec());
            Ok(())
        });
        assert_eq!(end.unwrap(), whole);
        assert!(found.iter().eq(expected.iter().map(|(_, line)| line)));
        let mut found = Vec::new();
        let walked = file.backwards(0, file.end, |at, line| {
            found.push((at, line.to_vec()));
            Ok(ControlFlow::Continue(()))
        });
        assert!(walked.unwrap().is_continue());
        found.reverse();
        assert!(found == expected);
        let (at, line) = file.line_behind(expected[500].0 + 1, file.end).unwrap().unwrap();
        assert_eq!((at, line), expected[501].clone());
        assert!(file.line_behind(whole - 1, file.end).unwrap().is_none());
    }

    #[test]
    fn an_empty_file_and_one_without_a_newline_have_no_lines() {
        for content in [&b""[..], b"cut"] {
            let file = file("none", content);
            assert_eq!(file.forwards(0, file.end, |_| panic!("a line")).unwrap(), 0);
            assert!(file.backwards(0, file.end, |_, _| panic!("a line")).unwrap().is_continue());
        }
    }
}
