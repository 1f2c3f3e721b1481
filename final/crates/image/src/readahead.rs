//! Reads ahead in a thread, so that one thread inflates while another one hashes.

use std::collections::VecDeque;
use std::io::{BufRead, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::Scope;

use crate::error::{Error, Result};
use crate::members::read;

const PIECE: usize = 128 * 1024;
/// How many pieces are queued: enough to even out the speed of both threads, and not more than fit into a processor's
/// cache.
const MAX_QUEUED: usize = 8;
/// A waiting thread is woken when so many pieces are ready. On two processors, waking it for each piece takes a tenth
/// of the time.
const WAKE_AT: usize = MAX_QUEUED / 2;

/// The reading end. [`BufRead`] hands out its pieces without copying them.
pub(crate) struct Readahead {
    queue: Arc<Queue>,
    piece: Vec<u8>,
    at: usize,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Vec<u8>>,
    /// Buffers of pieces that were read, to be filled again.
    used: Vec<Vec<u8>>,
    ended: bool,
    /// The error with which the stream ended, returned once.
    failure: Option<Error>,
    /// The reader has been dropped.
    gone: bool,
}

/// Opens a stream with `open` and reads it in a thread. The thread ends with the stream, on an error, or when the
/// reader is dropped.
pub(crate) fn readahead<'scope, R: Read>(
    scope: &'scope Scope<'scope, '_>,
    open: impl FnOnce() -> Result<R> + Send + 'scope,
) -> Readahead {
    let queue = Arc::new(Queue::default());
    let end = End(queue.clone());
    scope.spawn(move || {
        if let Err(error) = pump(open, &end.0) {
            end.0.lock().failure = Some(error);
        }
    });
    Readahead { queue, piece: Vec::new(), at: 0 }
}

fn pump<R: Read>(open: impl FnOnce() -> Result<R>, queue: &Queue) -> Result<()> {
    let mut stream = open()?;
    loop {
        let mut piece = queue.lock().used.pop().unwrap_or_default();
        piece.resize(PIECE, 0);
        let mut filled = 0;
        let mut failed = None;
        // Only whole pieces are queued, because a small one takes as long to hand over.
        while filled < PIECE && failed.is_none() {
            match read(&mut stream, &mut piece[filled..]) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) => failed = Some(error),
            }
        }
        piece.truncate(filled);
        // The reader has been dropped.
        if filled > 0 && !queue.put(piece) {
            return Ok(());
        }
        match failed {
            Some(error) => return Err(error),
            None if filled < PIECE => return Ok(()),
            None => {}
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        goes_on: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_while(state, |state| !goes_on(state));
        waited.unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Queues a piece. Returns `false` if the reader has been dropped.
    fn put(&self, piece: Vec<u8>) -> bool {
        let mut state = self.lock();
        if state.pieces.len() == MAX_QUEUED {
            state = self.wait(state, |state| state.pieces.len() <= WAKE_AT || state.gone);
        }
        state.pieces.push_back(piece);
        if state.pieces.len() == WAKE_AT {
            self.changed.notify_one();
        }
        !state.gone
    }

    /// The next piece. `None` at the end of the stream.
    fn take(&self, used: Vec<u8>) -> Result<Option<Vec<u8>>> {
        let mut state = self.lock();
        if used.capacity() > 0 {
            state.used.push(used);
        }
        if state.pieces.is_empty() {
            state = self.wait(state, |state| state.pieces.len() >= WAKE_AT || state.ended);
        }
        let piece = state.pieces.pop_front();
        if state.pieces.len() == WAKE_AT {
            self.changed.notify_one();
        }
        match (piece, state.failure.take()) {
            (None, Some(failure)) => Err(failure),
            (piece, failure) => {
                state.failure = failure;
                Ok(piece)
            }
        }
    }
}

/// Marks the stream as ended when the reading thread ends, also if it panics.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_one();
    }
}

impl BufRead for Readahead {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.at == self.piece.len() {
            let used = std::mem::take(&mut self.piece);
            self.at = 0;
            self.piece = self.queue.take(used).map_err(Error::into_io)?.unwrap_or_default();
        }
        Ok(&self.piece[self.at..])
    }

    fn consume(&mut self, length: usize) {
        self.at += length;
    }
}

impl Read for Readahead {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let piece = self.fill_buf()?;
        let length = buffer.len().min(piece.len());
        buffer[..length].copy_from_slice(&piece[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl Drop for Readahead {
    fn drop(&mut self) {
        self.queue.lock().gone = true;
        self.queue.changed.notify_one();
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
            readahead(scope, || Ok(&bytes[..])).read_to_end(&mut whole).unwrap();
            assert!(whole == bytes);
            let broken = (&bytes[..]).chain(Broken);
            let mut whole = Vec::new();
            let error = readahead(scope, || Ok(broken)).read_to_end(&mut whole).unwrap_err();
            assert!(whole == bytes && error.to_string().contains("fell over"), "{error}");
            let forgotten = readahead(scope, || Ok(std::io::repeat(1)));
            drop(forgotten);
        });
    }

    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("fell over"))
        }
    }
}
