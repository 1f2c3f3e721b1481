//! Processes for checks: each check has one of its own, and can run parts of itself in more of them.

// fork and pre-exec closures. Both kinds of process have one thread.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use lesson_lab::UNPRIVILEGED;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Pid, Uid, fork};
use serde_json::{Value, json};

use crate::outcome::{Failure, Outcome, failure, not_checked};

/// Whether this process is root, here or in a user namespace.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// Runs `check` in a forked child and returns what it returns. Whatever the child does to itself (namespaces, mounts,
/// its root, its user) ends with it. A child that ends without an answer, for instance because it executed a program,
/// is a failure.
pub fn forked(check: impl FnOnce() -> Outcome) -> Outcome {
    let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).expect("a pipe");
    // SAFETY: this process has one thread, so no lock is held in the copy.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => {
            drop(reader);
            let outcome = protected(check);
            let _ = File::from(writer).write_all(to_json(&outcome).to_string().as_bytes());
            // Nothing of the copy may run its destructors: temporary directories belong to the parent.
            // SAFETY: ends the process.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let mut text = String::new();
            let _ = File::from(reader).read_to_string(&mut text);
            let status = waitpid(child, None).expect("our child");
            serde_json::from_str(&text)
                .map_or_else(|_| Err(without_answer(status)), |value| from_json(&value))
        }
    }
}

/// How long [`in_time`] waits.
const MOMENT: std::time::Duration = std::time::Duration::from_secs(5);

/// The same for a check that waits for ever if the reader's code is wrong: after 5 seconds it is a failure of `expected`.
pub fn in_time(expected: &str, why: &str, check: impl FnOnce() -> Outcome) -> Outcome {
    let started = std::time::Instant::now();
    let outcome = crate::scratch().join("outcome");
    let child = Child::start(|| {
        let _ = fs::write(&outcome, to_json(&protected(check)).to_string());
        0
    });
    while state(child.pid()).is_some_and(|state| state != 'Z') {
        if started.elapsed() > MOMENT {
            return Err(failure(
                expected,
                format_args!("it still waits after {} seconds", MOMENT.as_secs()),
                why,
            ));
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let status = child.wait();
    let text = fs::read_to_string(&outcome).unwrap_or_default();
    serde_json::from_str(&text).map_or_else(|_| Err(without_answer(status)), |value| from_json(&value))
}

/// The same in a child with new mount, UTS, IPC and network namespaces, in which the child may do everything: as root
/// they are new namespaces only, and for everybody else a user namespace comes with them, in which they are root.
/// The mounts are private.
pub fn isolated(check: impl FnOnce() -> Outcome) -> Outcome {
    forked(|| {
        let (uid, gid) = (Uid::effective(), Gid::effective());
        let mut flags = CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWNET;
        if !uid.is_root() {
            flags |= CloneFlags::CLONE_NEWUSER;
        }
        unshare(flags).map_err(|error| own("new namespaces", error))?;
        if !uid.is_root() {
            for (file, text) in [
                ("setgroups", "deny".to_owned()),
                ("uid_map", format!("0 {uid} 1")),
                ("gid_map", format!("0 {gid} 1")),
            ] {
                fs::write(format!("/proc/self/{file}"), text).map_err(|error| own(file, error))?;
            }
        }
        private_mounts().map_err(|error| own("private mounts", error))?;
        check()
    })
}

/// The same in a child that is an unprivileged user. Only root can become somebody else; everybody else stays.
pub fn unprivileged(check: impl FnOnce() -> Outcome) -> Outcome {
    forked(|| {
        become_unprivileged().map_err(|error| own("an unprivileged user", error))?;
        check()
    })
}

/// Makes this process, if it is root's, that of an unprivileged user.
pub fn become_unprivileged() -> nix::Result<()> {
    if !is_root() {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(UNPRIVILEGED), Gid::from_raw(UNPRIVILEGED));
    nix::unistd::setgroups(&[])?;
    nix::unistd::setresgid(gid, gid, gid)?;
    nix::unistd::setresuid(uid, uid, uid)?;
    // After a change of user the kernel gives the files in /proc/PID to root. This takes them back.
    nix::sys::prctl::set_dumpable(true)
}

/// Makes every mount of this process's mount namespace private.
pub fn private_mounts() -> nix::Result<()> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
}

/// A new directory in [`scratch`](crate::scratch) with a tmpfs on it, for a check in a mount namespace of its own. An
/// overlay can have its upper directory there, which it cannot where the scratch directory is on an overlay itself.
pub fn on_a_tmpfs(name: &str) -> Result<PathBuf, Failure> {
    let place = crate::scratch().join(name);
    fs::create_dir(&place).map_err(|error| not_checked(format_args!("mkdir: {error}")))?;
    mount_tmpfs(&place)?;
    Ok(place)
}

/// Mounts a tmpfs, without set-user-ID programs.
pub fn mount_tmpfs(place: &Path) -> Outcome {
    mount(Some("tmpfs"), place, Some("tmpfs"), MsFlags::MS_NOSUID, Some("mode=0755"))
        .map_err(|errno| not_checked(format_args!("a tmpfs for the check cannot be mounted: {errno}")))
}

/// A child process that a check looks at from outside. It is killed when this is dropped.
#[derive(Debug)]
pub struct Child(Option<Pid>);

impl Child {
    /// Forks a child that runs `body` and ends with the code that `body` returns, or with 101 after a panic.
    pub fn start(body: impl FnOnce() -> i32) -> Self {
        // SAFETY: this process has one thread, so no lock is held in the copy.
        match unsafe { fork() }.expect("fork") {
            ForkResult::Child => {
                let code = catch_unwind(AssertUnwindSafe(body)).unwrap_or(101);
                // SAFETY: ends the process without destructors, which belong to the parent.
                unsafe { libc::_exit(code) }
            }
            ForkResult::Parent { child } => Self(Some(child)),
        }
    }

    pub fn pid(&self) -> Pid {
        self.0.expect("it was not waited for")
    }

    /// Waits until it ends.
    pub fn wait(mut self) -> WaitStatus {
        waitpid(self.0.take(), None).expect("our child")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(pid) = self.0.take() {
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
        }
    }
}

/// The state of a process: `S` for one that sleeps, `R` for one that runs, `Z` for a zombie; none if there is no such
/// process.
pub fn state(pid: Pid) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// The target of a link such as /proc/PID/ns/uts, which identifies the namespace.
pub fn namespace(pid: impl std::fmt::Display, kind: &str) -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()?;
    Some(link.display().to_string())
}

/// A failure of the check itself and not of the reader's code.
fn own(what: &str, error: impl std::fmt::Display) -> Failure {
    failure(
        format_args!("{what} for the check"),
        format_args!("an error: {error}"),
        "this machine does not allow what the check needs: `cargo xtask learn --doctor` tells more",
    )
}

/// What `check` returns, or the panic in it as a failure.
pub(crate) fn protected(check: impl FnOnce() -> Outcome) -> Outcome {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        Err(panicked(text))
    })
}

fn panicked(text: &str) -> Failure {
    match text.strip_prefix("not yet implemented: ") {
        Some(which) => failure(
            "the function does its work",
            format_args!("the function is still a todo!() ({which})"),
            "",
        ),
        None => failure(
            "the code runs to its end",
            format_args!("it panicked: {text}"),
            "a panic ends the process",
        ),
    }
}

fn without_answer(status: WaitStatus) -> Failure {
    let seen = match status {
        WaitStatus::Signaled(_, signal, _) => format!("the process was ended by {signal}"),
        WaitStatus::Exited(_, code) => {
            format!("the process ended with exit code {code} before the check was over")
        }
        other => format!("{other:?}"),
    };
    failure(
        "the function returns to its caller",
        seen,
        "the check looks at what the function did after it returns",
    )
}

pub(crate) fn to_json(outcome: &Outcome) -> Value {
    match outcome {
        Ok(()) => json!({ "ok": true }),
        Err(it) => {
            json!({ "expected": it.expected, "seen": it.seen, "why": it.why, "not_checked": it.not_checked })
        }
    }
}

pub(crate) fn from_json(value: &Value) -> Outcome {
    if value["ok"] == true {
        return Ok(());
    }
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let not_checked = value["not_checked"] == true;
    Err(Failure { not_checked, ..failure(text("expected"), text("seen"), text("why")) })
}
