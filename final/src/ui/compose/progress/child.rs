//! Work in a process of its own, which tells what it does over a pipe. The command itself can then draw, print what
//! containers print, and hear signals, while an engine call waits.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result};
use hull_compose::progress::{Event, Progress};
use hull_sys::process::{
    Fork, exit_now, fork, kill_and_reap, pidfd_open, pidfd_send_signal, reap, set_parent_death_signal,
};
use nix::sys::signal::{SigSet, Signal};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// What a child says.
#[derive(Debug, Serialize, Deserialize)]
pub enum Said {
    Event(Event),
    Note(String),
    /// A line that a hook has printed, and its source.
    Output(String, Vec<u8>),
    /// It waits for [`Child::let_it_report`], and prints its error then.
    Failed,
    /// Its exit code. Nothing follows.
    #[serde(skip)]
    Ended(u8),
}

#[derive(Debug)]
pub struct Child {
    process: OwnedFd,
    said: PipeReader,
    consent: Option<PipeWriter>,
    buffer: Vec<u8>,
    is_reaped: bool,
}

impl AsFd for Child {
    /// Readable when [`Child::read`] has something.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.said.as_fd()
    }
}

impl Child {
    /// Forks. The child does the work with an observer that writes to the pipe.
    pub fn start(
        report: fn(&anyhow::Error) -> u8,
        work: impl FnOnce(&mut dyn Progress) -> Result<()>,
    ) -> Result<Self> {
        let (said, writer) = std::io::pipe().context("cannot make a pipe")?;
        let (reader, consent) = std::io::pipe().context("cannot make a pipe")?;
        match fork().context("cannot fork")? {
            Fork::Parent { pid } => {
                let process = pidfd_open(pid).context("cannot watch a process")?;
                rustix::io::ioctl_fionbio(&said, true).context("cannot read from a pipe")?;
                Ok(Self { process, said, consent: Some(consent), buffer: Vec::new(), is_reaped: false })
            }
            Fork::Child => {
                drop((said, consent));
                let _ = set_parent_death_signal(nix::libc::SIGKILL);
                // The terminal's ctrl-c is for the command. It ends its child by SIGTERM.
                let mut own = SigSet::empty();
                own.add(Signal::SIGTERM);
                let _ = own.thread_unblock();
                exit_now(i32::from(live(writer, reader, report, work)))
            }
        }
    }

    /// What has come. To be called when the descriptor is readable.
    pub fn read(&mut self) -> Result<Vec<Said>> {
        let mut block = [0; 16 * 1024];
        let length = match rustix::io::read(&self.said, &mut block) {
            Ok(length) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Vec::new()),
            Err(errno) => return Err(errno).context("cannot read from a child"),
        };
        if length == 0 {
            return Ok(vec![Said::Ended(self.reap())]);
        }
        self.buffer.extend_from_slice(&block[..length]);
        let mut said = Vec::new();
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            said.extend(serde_json::from_slice::<Said>(&line));
        }
        Ok(said)
    }

    pub fn let_it_report(&mut self) {
        self.consent = None;
    }

    /// Asks it to end. What it was doing is finished by the next command.
    pub fn terminate(&self) {
        if !self.is_reaped {
            let _ = pidfd_send_signal(self.process.as_fd(), nix::libc::SIGTERM);
        }
    }

    fn reap(&mut self) -> u8 {
        self.is_reaped = true;
        reap(self.process.as_fd()).unwrap_or(1)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.is_reaped {
            let _ = kill_and_reap(self.process.as_fd());
        }
    }
}

fn live(
    said: PipeWriter,
    mut consent: PipeReader,
    report: fn(&anyhow::Error) -> u8,
    work: impl FnOnce(&mut dyn Progress) -> Result<()>,
) -> u8 {
    let mut told = Told(said);
    let outcome = work(&mut told);
    let _ = std::io::stdout().flush();
    let Err(error) = outcome else { return 0 };
    told.say(&Said::Failed);
    // The end of the pipe is the consent.
    let _ = consent.read(&mut [0]);
    report(&error)
}

struct Told(PipeWriter);

impl Told {
    fn say(&mut self, said: &Said) {
        let Ok(mut line) = serde_json::to_vec(said) else { return };
        line.push(b'\n');
        // If the command is gone, this process is about to be killed.
        let _ = self.0.write_all(&line);
    }
}

impl Progress for Told {
    fn event(&mut self, event: Event) {
        self.say(&Said::Event(event));
    }

    fn output(&mut self, source: &str, line: &[u8]) {
        self.say(&Said::Output(source.to_owned(), line.to_vec()));
    }

    fn note(&mut self, text: &str) {
        self.say(&Said::Note(text.to_owned()));
    }
}
