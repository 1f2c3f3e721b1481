//! What each forked process of hull does first: it leaves its command behind.

use std::os::fd::BorrowedFd;

use hull_sys::process;

use super::stdio;
use crate::attach::{Connection, Message};
use crate::error::{IoContext, Report, Result};

pub(crate) fn fail(command: &Connection, error: &crate::Error) {
    // If the command has ended, there is nobody to send this to.
    let _ = command.send(&Message::Failed(&Report::encode(error)));
}

/// Leaves the command's session, working directory and descriptors. A descriptor that stayed open here would stay open for
/// as long as the container runs, and a directory among them would be a way around pivot_root(2).
pub(crate) fn detach(kept: &[BorrowedFd<'_>]) -> Result<()> {
    nix::unistd::setsid().context(|| "start a session".into())?;
    process::set_child_subreaper().context(|| "become a subreaper".into())?;
    nix::unistd::chdir("/").context(|| "change to /".into())?;
    let null = stdio::null()?;
    rustix::stdio::dup2_stdin(&null)
        .and_then(|()| rustix::stdio::dup2_stdout(&null))
        .and_then(|()| rustix::stdio::dup2_stderr(&null))
        .context(|| "redirect to /dev/null".into())?;
    drop(null);
    process::close_all_but(3, kept).context(|| "close inherited descriptors".into())
}
