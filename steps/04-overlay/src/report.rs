//! What the reader is told: the trace with `-v`, and errors with the call, its object, the errno and a hint.
//! Both go to stderr; stdout belongs to the program inside.
//!
//! An error here is a chain: what was tried, on what, and at its end the errno. Whoever adds a link says what
//! they know and nobody else does; this module puts the links on one line. What most often stands behind the
//! errno follows as a hint.

use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use anyhow::Error;
use nix::errno::Errno;

// Two facts that every module would otherwise have to be handed. Both are set once, before there is anything to tell.
static VERBOSE: AtomicBool = AtomicBool::new(false);
static INSIDE: AtomicBool = AtomicBool::new(false);

/// With the trace or without.
pub fn begin(verbose: bool) {
    VERBOSE.store(verbose, Relaxed);
}

/// From here on this process is the container's.
pub fn inside() {
    INSIDE.store(true, Relaxed);
}

/// For whoever starts this program again, on the inside.
pub fn is_verbose() -> bool {
    VERBOSE.load(Relaxed)
}

/// Where this process is: every line of the trace begins with it.
/// Both names are as long, so that what was done stands in one column.
fn side() -> &'static str {
    if INSIDE.load(Relaxed) { "inside " } else { "outside" }
}

/// One line on stderr, by one write, so that no line of another process gets into it. Unlike `eprintln!` it does not
/// panic where nobody reads any more: what we have begun is to be finished.
pub fn say(line: impl Display) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// One line of the trace: a call that has been made.
pub fn trace(line: impl Display) {
    if is_verbose() {
        say(format_args!("{} | {line}", side()));
    }
}

/// Prints an error and answers the exit code for it, 125 as in docker: "the container could not be made".
///
/// A context that begins with `hint:` is advice and gets a line of its own; the others are the path to the call.
pub fn failure(error: &Error) -> ExitCode {
    let chain: Vec<String> = error.chain().map(describe).collect();
    // Outermost first, as contexts were put around it: "what was wanted: on what: why not".
    let (hints, path): (Vec<_>, Vec<_>) = chain.into_iter().partition(|text| text.starts_with("hint:"));
    say(format_args!("error: {}", path.join(": ")));
    hints.iter().map(String::as_str).chain(hint(error)).for_each(say);
    ExitCode::from(125)
}

/// The same for a program that cannot be run: 127 if there is none, 126 if the kernel will not have it.
pub fn no_program(name: &str, error: std::io::Error) -> ExitCode {
    // As shells have it: 127 is "not found", 126 is "found, and it cannot be run".
    // A script can tell by that whether there was no container, no such program, or one that failed by itself.
    let missing = error.kind() == std::io::ErrorKind::NotFound;
    failure(&Error::new(error).context(format!("execve({name:?})")));
    ExitCode::from(if missing { 127 } else { 126 })
}

/// The number in words. Rust's own I/O errors say it their way.
/// "ENOENT: No such file or directory" can be looked up in the man page of the call; "No such file or directory
/// (os error 2)" has to be translated first.
fn describe(cause: &(dyn std::error::Error + 'static)) -> String {
    match cause.downcast_ref::<std::io::Error>().and_then(|error| error.raw_os_error()) {
        Some(number) => Errno::from_raw(number).to_string(),
        None => cause.to_string(),
    }
}

/// The number below all that has been said about it.
/// Two types carry one: nix calls fail with an Errno, the standard library with an io::Error around it.
fn errno(error: &Error) -> Option<Errno> {
    error.chain().find_map(|cause| match cause.downcast_ref::<std::io::Error>() {
        Some(error) => error.raw_os_error().map(Errno::from_raw),
        None => cause.downcast_ref().copied(),
    })
}

/// What is most likely behind a refusal, on the machines that people try this on.
/// An errno is one of some 130 numbers for everything that can go wrong, so EPERM alone explains nothing. What
/// distinguishes the cases is to be read in /proc; where a file is missing, as on kernels without that feature,
/// it reads as empty and fits no case.
fn hint(error: &Error) -> Option<&'static str> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    match errno(error)? {
        // It lets clone succeed and withholds the powers, so that any later call can be the one that fails.
        Errno::EPERM | Errno::EACCES
            if read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").trim() == "1" =>
        {
            Some(
                "hint: AppArmor keeps unprivileged users' user namespaces powerless here (Ubuntu 24.04):\n      \
                  sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run this as root",
            )
        }
        // The filter that docker and Codespaces put on their containers refuses clone, setns and mount.
        Errno::EPERM if read("/proc/self/status").contains("Seccomp:\t2") => {
            Some("hint: a seccomp filter is on us: inside a container, run that one with --privileged")
        }
        // clone(2) says "no space left" of namespaces too: each kind has a limit per user, and user namespaces
        // nest 32 deep.
        Errno::ENOSPC => Some(
            "hint: no more namespaces of a kind: see /proc/sys/user/max_*_namespaces; or are they 32 deep already?",
        ),
        // In /proc a process that has ended is a file that is not there; to a system call it is this.
        Errno::ESRCH => Some("hint: no such process: it may have ended"),
        _ => None,
    }
}
