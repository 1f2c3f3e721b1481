//! Files with holes: blocks of zeros that take no space.

use std::borrow::Borrow;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

/// The size and alignment of holes, in bytes: the block size of most file systems, or a multiple of it.
const BLOCK: usize = 4096;

static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Writes a new file and leaves holes for blocks of zeros: holes read as zeros. If the file is not empty, or not a
/// regular file, every byte is written.
#[derive(Debug)]
pub struct HoleWriter<F: Borrow<File>> {
    file: F,
    /// The position of the next byte. `None` if every byte has to be written.
    at: Option<u64>,
    /// Whether the file ends before `at`, because the last bytes were left out as a hole.
    ends_in_hole: bool,
}

impl<F: Borrow<File>> HoleWriter<F> {
    pub fn new(file: F) -> Self {
        let metadata = file.borrow().metadata();
        let is_new = metadata.is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0);
        Self { file, at: is_new.then_some(0), ends_in_hole: false }
    }

    /// The file, whose length is right after a flush.
    pub fn file(&self) -> &File {
        self.file.borrow()
    }
}

impl<F: Borrow<File>> Write for HoleWriter<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(at) = &mut self.at else { return self.file.borrow().write(bytes) };
        let mut rest = bytes;
        // Data that has not been written: its start and its length.
        let mut data = (bytes, 0);
        while !rest.is_empty() {
            let in_block = ((*at + data.1 as u64) % BLOCK as u64) as usize;
            let (piece, after) = rest.split_at(rest.len().min(BLOCK - in_block));
            rest = after;
            if *piece != ZEROS[..piece.len()] {
                data.1 += piece.len();
                continue;
            }
            put(self.file.borrow(), at, &data.0[..data.1], &mut self.ends_in_hole)?;
            *at += piece.len() as u64;
            self.ends_in_hole = true;
            data = (rest, 0);
        }
        put(self.file.borrow(), at, &data.0[..data.1], &mut self.ends_in_hole)?;
        Ok(bytes.len())
    }

    /// Sets the file's length if it ends in a hole.
    fn flush(&mut self) -> io::Result<()> {
        match self.at.filter(|_| self.ends_in_hole) {
            Some(length) => self.file.borrow().set_len(length),
            None => Ok(()),
        }
    }
}

fn put(file: &File, at: &mut u64, data: &[u8], ends_in_hole: &mut bool) -> io::Result<()> {
    if !data.is_empty() {
        file.write_all_at(data, *at)?;
        *at += data.len() as u64;
        *ends_in_hole = false;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn written(name: &str, pieces: &[&[u8]]) -> (Vec<u8>, u64) {
        let path = std::env::temp_dir().join(format!("hull-holes-{name}-{}", std::process::id()));
        let mut writer = HoleWriter::new(File::create(&path).unwrap());
        pieces.iter().for_each(|piece| writer.write_all(piece).unwrap());
        writer.flush().unwrap();
        let blocks = std::fs::metadata(&path).unwrap().blocks();
        let content = std::fs::read(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        (content, blocks * 512)
    }

    #[test]
    fn what_is_written_is_read_and_zeros_take_no_space() {
        let zeros = vec![0; 1 << 20];
        for pieces in [
            &[&b"begin"[..], &zeros, b"end"][..],
            &[&zeros, b"end"],
            &[b"begin", &zeros],
            &[&zeros[..10], &zeros[..5000], b"x", &zeros[..4090], b"y\0\0\0"],
            &[b"\0"],
            &[],
        ] {
            let (content, allocated) = written("pieces", pieces);
            assert!(content == pieces.concat());
            assert!(allocated <= 64 * 1024, "{allocated} bytes");
        }
        let data = [7; 10_000];
        assert!(written("data", &[&data[..4097], &data[4097..]]).0 == data);
    }

    #[test]
    fn a_pipe_gets_every_byte() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut writer = HoleWriter::new(File::from(std::os::fd::OwnedFd::from(writer)));
        writer.write_all(&[0; 10_000]).unwrap();
        writer.flush().unwrap();
        drop(writer);
        let mut content = Vec::new();
        io::Read::read_to_end(&mut reader, &mut content).unwrap();
        assert_eq!(content, [0; 10_000]);
    }
}
