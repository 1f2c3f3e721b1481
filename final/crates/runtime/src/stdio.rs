//! The program's stdin, stdout and stderr.

use std::os::fd::{AsFd, OwnedFd};

use crate::error::{Result, Step};

#[derive(Debug)]
pub enum Stdio {
    /// The caller's own. Without `stdin` the program's stdin is /dev/null.
    Inherit { stdin: bool },
    /// These descriptors; the caller's own for each that is missing.
    Fds { stdin: Option<OwnedFd>, stdout: Option<OwnedFd>, stderr: Option<OwnedFd> },
    /// A terminal of the container's own devpts. The caller gets its master.
    Terminal,
    /// A terminal that does not add a carriage return to each newline, because the caller copies the output to a file, or to
    /// its own terminal, which adds the carriage return.
    PlainTerminal,
}

impl Stdio {
    /// Called in the child: makes them the descriptors 0, 1 and 2.
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
