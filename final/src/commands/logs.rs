//! `logs`: a container's output, written to the stream that it came from.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

use anyhow::{Context, Result};
use hull_docker::time;
use hull_engine::options::LogsOptions;
use hull_engine::{Engine, LogSink, Stream};

use super::selection;
use crate::cli::container::Logs;
use crate::cli::values::{read, read_if_given};
use crate::ui::reader_gone::Output;

/// How many bytes are written at once.
const BLOCK: usize = 64 * 1024;

pub fn logs(engine: &Engine, args: &Logs) -> Result<u8> {
    let moment = |text: &str| time::parse(text, SystemTime::now());
    let options = LogsOptions {
        follow: args.follow,
        since: read_if_given("--since", args.since.as_deref(), moment)?,
        until: read_if_given("--until", args.until.as_deref(), moment)?,
        tail: read("--tail", &args.tail, time::tail)?,
        timestamps: args.timestamps,
        details: args.details,
    };
    let mut streams = Streams::of_process().context("cannot look at stdout and stderr")?;
    engine.logs(&selection::one(engine, &args.container)?, &options, &mut streams)?;
    Ok(0)
}

/// Prints all of a container's log.
pub fn all(engine: &Engine, container: &str) -> Result<u8> {
    let mut streams = Streams::of_process().context("cannot look at stdout and stderr")?;
    engine.logs(container, &LogsOptions::default(), &mut streams)?;
    Ok(0)
}

/// stdout and stderr, past the buffers of the standard library, which write each line by itself.
struct Streams {
    out: Block,
    /// `None` if both are the same file. One buffer then keeps the order of the lines.
    err: Option<Block>,
}

struct Block {
    to: File,
    bytes: Vec<u8>,
}

impl Streams {
    fn of_process() -> io::Result<Self> {
        let open = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map(File::from);
        let (out, err) = (open(io::stdout().as_fd())?, open(io::stderr().as_fd())?);
        let identity = |file: &File| file.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
        let same = identity(&out)? == identity(&err)?;
        let block = |to| Block { to, bytes: Vec::with_capacity(BLOCK) };
        Ok(Self { out: block(out), err: (!same).then(|| block(err)) })
    }
}

impl Block {
    fn flush(&mut self) -> io::Result<()> {
        Output(&self.to).write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}

impl LogSink for Streams {
    fn buffer(&mut self, stream: Stream) -> io::Result<&mut Vec<u8>> {
        let block = match &mut self.err {
            Some(err) if stream == Stream::Stderr => err,
            _ => &mut self.out,
        };
        if block.bytes.len() >= BLOCK {
            block.flush()?;
        }
        Ok(&mut block.bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.err.as_mut().map_or(Ok(()), Block::flush)
    }

    fn reader(&self) -> BorrowedFd<'_> {
        self.out.to.as_fd()
    }
}
