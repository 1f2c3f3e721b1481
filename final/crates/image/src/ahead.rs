//! A reader that is read ahead of, by a thread of its own: while one hashes, the other inflates.

use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::Scope;

use crate::error::{Error, Result};
use crate::members::read;

const PIECE: usize = 128 * 1024;
/// Pieces under way: enough for the two to differ in pace, and little memory.
const AHEAD: usize = 4;

pub(crate) struct Ahead {
    pieces: Receiver<Result<Vec<u8>>>,
    /// Pieces that were read, to be filled again.
    empty: Sender<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    ended: bool,
}

/// Reads what `open` opens in a thread that ends with the stream, with an error, or with the reader.
pub(crate) fn ahead<'scope, R: Read>(
    scope: &'scope Scope<'scope, '_>,
    open: impl FnOnce() -> Result<R> + Send + 'scope,
) -> Ahead {
    let (full, pieces) = sync_channel(AHEAD);
    let (empty, used) = channel();
    scope.spawn(move || {
        if let Err(error) = pump(open, &full, &used) {
            let _ = full.send(Err(error));
        }
    });
    Ahead { pieces, empty, piece: Vec::new(), at: 0, ended: false }
}

fn pump<R: Read>(
    open: impl FnOnce() -> Result<R>,
    full: &SyncSender<Result<Vec<u8>>>,
    used: &Receiver<Vec<u8>>,
) -> Result<()> {
    let mut stream = open()?;
    loop {
        let mut piece = used.try_recv().unwrap_or_default();
        piece.resize(PIECE, 0);
        let mut filled = 0;
        let mut failed = None;
        // Whole pieces, for small ones cost as much to hand over.
        while filled < PIECE && failed.is_none() {
            match read(&mut stream, &mut piece[filled..]) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) => failed = Some(error),
            }
        }
        piece.truncate(filled);
        // Who no longer reads has seen enough.
        if filled > 0 && full.send(Ok(piece)).is_err() {
            return Ok(());
        }
        match failed {
            Some(error) => return Err(error),
            None if filled < PIECE => return Ok(()),
            None => {}
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.piece.len() {
            if self.ended {
                return Ok(0);
            }
            let used = std::mem::take(&mut self.piece);
            if used.capacity() > 0 {
                let _ = self.empty.send(used);
            }
            self.at = 0;
            match self.pieces.recv() {
                Ok(Ok(piece)) => self.piece = piece,
                Ok(Err(error)) => {
                    self.ended = true;
                    return Err(Error::into_io(error));
                }
                Err(_) => self.ended = true,
            }
        }
        let length = buffer.len().min(self.piece.len() - self.at);
        buffer[..length].copy_from_slice(&self.piece[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_come_in_their_order_and_then_the_error() {
        let bytes: Vec<u8> = (0..1_000_000u32).map(|at| (at % 251) as u8).collect();
        std::thread::scope(|scope| {
            let mut whole = Vec::new();
            ahead(scope, || Ok(&bytes[..])).read_to_end(&mut whole).unwrap();
            assert!(whole == bytes);
            let broken = (&bytes[..]).chain(Broken);
            let mut whole = Vec::new();
            let error = ahead(scope, || Ok(broken)).read_to_end(&mut whole).unwrap_err();
            assert!(whole == bytes && error.to_string().contains("fell over"), "{error}");
            let given_up = ahead(scope, || Ok(std::io::repeat(1)));
            drop(given_up);
        });
    }

    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("fell over"))
        }
    }
}
