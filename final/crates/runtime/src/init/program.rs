//! Finding the program and becoming it.

use std::convert::Infallible;
use std::ffi::CString;
use std::path::Path;

use hull_sys::process::{self, Execve};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow};

use crate::error::{Error, Result, Step};
use crate::protocol::{IN_PATH, NO_FILE};
use crate::spec::Process;

/// Changes to the working directory. False without permission.
pub(super) fn enter(directory: &Path) -> Result<bool> {
    match nix::unistd::chdir(directory) {
        Err(Errno::EACCES | Errno::EPERM) => Ok(false),
        done => done.step(|| entering(directory)).map(|()| true),
    }
}

/// The same, but missing permission is an error.
pub(super) fn enter_at_last(directory: &Path) -> Result<()> {
    nix::unistd::chdir(directory).step(|| entering(directory))
}

fn entering(directory: &Path) -> String {
    format!("change to the working directory {}", directory.display())
}

/// The kernel answers "(unreachable)" for a directory outside our root, which a hostile image may have led us to
/// (CVE-2024-21626).
pub(super) fn check_directory() -> Result<()> {
    let reached = nix::unistd::getcwd().step(|| "find out where the working directory is".into())?;
    match reached.is_absolute() {
        true => Ok(()),
        false => Err(Error::Invalid("the working directory is outside the container".into())),
    }
}

/// The path of `args[0]`, by the container's own PATH if it has no slash, from the working directory.
pub(crate) fn find(process: &Process) -> Result<CString> {
    let name = process.args.first().map(String::as_str).unwrap_or_default();
    if name.contains('/') {
        return match std::fs::metadata(name) {
            Ok(_) => c_string(name),
            Err(error) => Err(missing(name, &error)),
        };
    }
    let path = process.env.iter().rev().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or_default();
    let mut denied = false;
    for directory in path.split(':').filter(|_| !name.is_empty()) {
        let candidate = Path::new(if directory.is_empty() { "." } else { directory }).join(name);
        if candidate.is_file() {
            match nix::unistd::access(&candidate, nix::unistd::AccessFlags::X_OK) {
                Ok(()) => return c_string(&candidate.to_string_lossy()),
                Err(_) => denied = true,
            }
        }
    }
    match denied {
        true => Err(Error::NotExecutable { program: name.into(), errno: Errno::EACCES }),
        false => Err(Error::NotFound { program: name.into(), why: IN_PATH }),
    }
}

fn missing(name: &str, error: &std::io::Error) -> Error {
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP => {
            Error::NotFound { program: name.into(), why: NO_FILE }
        }
        errno => Error::NotExecutable { program: name.into(), errno },
    }
}

/// The program with all that execve(2) takes, laid out.
pub(crate) struct Executable {
    call: Execve,
    name: String,
}

impl Executable {
    /// Signals and descriptors as a new program expects them, `preserved` of those from 3 on beside the usual three.
    pub(crate) fn prepare(program: CString, process: &Process, preserved: u32) -> Result<Self> {
        reset_signals()?;
        process::cloexec_from(3 + preserved).step(|| "close inherited descriptors".into())?;
        let call = Execve::new(program, c_strings(&process.args)?, c_strings(&process.env)?);
        Ok(Self { call, name: process.args.first().cloned().unwrap_or_default() })
    }

    /// Becomes the program.
    pub(crate) fn execute(self) -> Result<Infallible> {
        match self.call.call() {
            Errno::ENOENT => Err(Error::NoInterpreter { program: self.name }),
            errno => Err(Error::NotExecutable { program: self.name, errno }),
        }
    }
}

/// Ignored signals and a mask are inherited over execve(2); Rust itself ignores SIGPIPE.
pub(crate) fn reset_signals() -> Result<()> {
    process::default_signals().step(|| "reset the signals".into())?;
    nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
        .step(|| "unblock the signals".into())
}

pub(super) fn c_strings(texts: &[String]) -> Result<Vec<CString>> {
    texts.iter().map(|text| c_string(text)).collect()
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::Invalid(format!("{text:?} has a zero byte")))
}
