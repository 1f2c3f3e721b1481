//! Finding a program and executing it.

use std::convert::Infallible;
use std::ffi::CString;
use std::path::Path;

use hull_sys::process::{self, Execve};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow};

use crate::error::{Error, Result, Step};
use crate::spec::Process;

/// The path of the program `args[0]`. A name without a slash is searched in the PATH of the process itself. Relative paths
/// are relative to the working directory.
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
            match rustix::fs::access(&candidate, rustix::fs::Access::EXEC_OK) {
                Ok(()) => return c_string(&candidate.to_string_lossy()),
                Err(_) => denied = true,
            }
        }
    }
    match denied {
        true => Err(Error::ProgramNotExecutable { program: name.into(), errno: Errno::EACCES }),
        false => Err(Error::ProgramNotFound { program: name.into(), in_path: true }),
    }
}

fn missing(name: &str, error: &std::io::Error) -> Error {
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP => {
            Error::ProgramNotFound { program: name.into(), in_path: false }
        }
        errno => Error::ProgramNotExecutable { program: name.into(), errno },
    }
}

/// A program with the arguments of execve(2) in the form that the kernel takes.
pub(crate) struct Executable {
    call: Execve,
    name: String,
}

impl Executable {
    /// Resets the signals, and marks descriptors close-on-exec from 3 + `preserved` on.
    pub(crate) fn prepare(program: CString, process: &Process, preserved: u32) -> Result<Self> {
        reset_signals()?;
        process::cloexec_from(3 + preserved).step(|| "close inherited descriptors".into())?;
        let call = Execve::new(program, c_strings(&process.args)?, c_strings(&process.env)?);
        Ok(Self { call, name: process.args.first().cloned().unwrap_or_default() })
    }

    /// Executes the program. Returns only if that fails.
    pub(crate) fn execute(self) -> Result<Infallible> {
        match self.call.call() {
            Errno::ENOENT => Err(Error::NoInterpreter { program: self.name }),
            errno => Err(Error::ProgramNotExecutable { program: self.name, errno }),
        }
    }
}

/// Resets what a program would inherit over execve(2): ignored signals (Rust's runtime ignores SIGPIPE) and the mask.
pub(crate) fn reset_signals() -> Result<()> {
    process::default_signals().step(|| "reset the signals".into())?;
    nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
        .step(|| "unblock the signals".into())
}

pub(crate) fn c_strings(texts: &[String]) -> Result<Vec<CString>> {
    texts.iter().map(|text| c_string(text)).collect()
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::Invalid(format!("{text:?} has a zero byte")))
}
