//! `baseline`: the kernel work of hull's hot paths and nothing else. The benches compare hull with it.
//!
//! ```text
//! baseline start DIR CGROUP PROGRAM…     one container: DIR has lower/ merged/ and the files of etc/
//! baseline start-on BRIDGE DIR CGROUP PROGRAM…     the same, with a veth pair to a bridge
//! baseline ask NAME COUNT                the container's resolver, from its network namespace
//! baseline exec PID CGROUP PROGRAM…      one more program in the container of PID
//! baseline read DATA RUN                 the files that `hull ps` must read
//! ```
//!
//! It has no options, no records, no log and no checks, so whatever time hull takes above it is hull's own. It applies
//! docker's defaults in hull's order: `strace -f` of both shows the same calls.

mod cgroups;
mod exec;
mod filter;
mod network;
mod read;
mod rights;
mod rootfs;
mod start;

use std::ffi::CString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["start", dir, cgroup, ref program @ ..] => start::start(Path::new(dir), cgroup, None, program),
        ["start-on", bridge, dir, cgroup, ref program @ ..] => {
            start::start(Path::new(dir), cgroup, Some(bridge), program)
        }
        ["ask", name, count] => count.parse().context("COUNT").and_then(|count| network::ask(name, count)),
        ["exec", pid, cgroup, ref program @ ..] => exec::exec(pid, cgroup, program),
        ["read", data, run] => read::read(Path::new(data), Path::new(run)),
        _ => Err(anyhow::anyhow!("usage: baseline start|start-on|ask|exec|read …")),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("baseline: {error:#}");
            ExitCode::from(125)
        }
    }
}

/// Replaces this process; returns only if that failed.
fn execute(program: &[&str]) -> Result<()> {
    let words: Vec<CString> = program.iter().map(|w| CString::new(*w)).collect::<Result<_, _>>()?;
    let environment = [c"PATH=/bin:/usr/bin".to_owned(), c"HOME=/root".to_owned()];
    let path = words.first().context("a program is needed")?;
    bail!("execve: {}", hull_sys::process::Execve::new(path.clone(), words, environment.to_vec()).call());
}

/// Waits for a child; its exit code.
fn wait(pid: i32) -> Result<u8> {
    use nix::sys::wait::{WaitStatus, waitpid};
    match waitpid(nix::unistd::Pid::from_raw(pid), None)? {
        WaitStatus::Exited(_, code) => Ok(code as u8),
        status => bail!("the program ended with {status:?}"),
    }
}
