//! Other processes of this program, which start containers beside this one.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result};
use hull_engine::{Engine, rootless};
use hull_sys::process::{self, Fork};
use hull_sys::self_exe;
use rustix::fs::{Mode, OFlags};

/// Where the other process reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdio {
    Inherited,
    /// It is in a session of its own, with /dev/null for stdin, stdout and stderr.
    Null,
}

/// Starts `hull args…` on the same roots, from a file that containers cannot write to. Returns its pidfd.
pub fn spawn(engine: &Engine, args: &[&str], stdio: Stdio) -> Result<OwnedFd> {
    let args = command_line(engine, args)?;
    match process::fork().context("cannot fork")? {
        Fork::Parent { pid } => Ok(process::pidfd_open(pid).context("cannot open a child process")?),
        Fork::Child => {
            // The child ends here in every case. Its parent sees by the exit code that it did not execute.
            let _ = execute(engine, &args, stdio);
            process::exit_now(125)
        }
    }
}

fn command_line(engine: &Engine, args: &[&str]) -> Result<Vec<CString>> {
    let root = engine.root();
    let mut words: Vec<&OsStr> = vec!["hull".as_ref(), "--root".as_ref(), root.data().as_os_str()];
    words.extend([OsStr::new("--runroot"), root.run().as_os_str()]);
    words.extend(args.iter().map(OsStr::new));
    let words = words.into_iter().map(|word| CString::new(word.as_bytes()));
    words.collect::<Result<_, _>>().context("a path contains a zero byte")
}

fn execute(engine: &Engine, args: &[CString], stdio: Stdio) -> Result<()> {
    if stdio == Stdio::Null {
        leave_terminal()?;
    }
    let run = engine.root().run();
    // The process keeps its pid and its start time, by which it is known to have entered the user namespace.
    rootless::register_holder(run)?;
    let other = rootless::has_entered().then(|| run.join("program"));
    match self_exe::execute_with(args, other.as_deref())? {}
}

/// Moves a forked process to a session of its own, with /dev/null for stdin, stdout and stderr.
pub fn leave_terminal() -> Result<()> {
    nix::unistd::setsid()?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

/// Waits for its end, and returns its exit code.
pub fn wait(child: &OwnedFd) -> Result<u8> {
    process::reap(child.as_fd()).context("cannot wait for a child process")
}
