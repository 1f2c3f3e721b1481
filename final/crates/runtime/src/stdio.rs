//! Where a container's stdin, stdout and stderr come from.

use std::os::fd::{AsFd, OwnedFd};

use crate::error::{Result, Step};

#[derive(Debug)]
pub enum Stdio {
    /// The caller's own; stdin only if asked, else it is empty.
    Inherit { stdin: bool },
    /// These; `None` is the caller's.
    Fds { stdin: Option<OwnedFd>, stdout: Option<OwnedFd>, stderr: Option<OwnedFd> },
    /// A terminal made in the container's own devpts, whose other end the caller gets.
    Terminal,
    /// The same, but lines end in a newline without a carriage return: the caller copies them to a file, or to its own
    /// terminal, which adds it.
    PlainTerminal,
}

impl Stdio {
    /// In the child: puts them at 0, 1 and 2.
    pub(crate) fn install(&self) -> Result<()> {
        let step = || "set up stdin, stdout and stderr".to_owned();
        match self {
            Self::Terminal | Self::PlainTerminal | Self::Inherit { stdin: true } => Ok(()),
            Self::Inherit { stdin: false } => {
                let null = std::fs::File::open("/dev/null").step(step)?;
                rustix::stdio::dup2_stdin(null).step(step)
            }
            Self::Fds { stdin, stdout, stderr } => {
                let given = |fd: &Option<OwnedFd>, put: fn(&OwnedFd) -> rustix::io::Result<()>| {
                    fd.as_ref().map_or(Ok(()), put).step(step)
                };
                given(stdin, |fd| rustix::stdio::dup2_stdin(fd.as_fd()))?;
                given(stdout, |fd| rustix::stdio::dup2_stdout(fd.as_fd()))?;
                given(stderr, |fd| rustix::stdio::dup2_stderr(fd.as_fd()))
            }
        }
    }
}
