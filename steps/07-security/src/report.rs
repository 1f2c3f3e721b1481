//! Messages: the trace with `-v`, and errors that name the call, its object, the errno and a hint.
//! Both go to stderr; stdout belongs to the program in the container.
//!
//! An error is a chain of contexts that ends in the errno: what was tried, and on what. Each
//! function adds what only it knows, and this module prints the chain on one line. A hint about the
//! most likely cause follows.

use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use anyhow::Error;
use nix::errno::Errno;

// Global, so that they need not be passed to every module. Both are set once, before anything is
// printed.
static VERBOSE: AtomicBool = AtomicBool::new(false);
static INSIDE: AtomicBool = AtomicBool::new(false);

/// Switches the trace on or off.
pub fn begin(verbose: bool) {
    VERBOSE.store(verbose, Relaxed);
}

/// Marks this process as the one inside the container.
pub fn inside() {
    INSIDE.store(true, Relaxed);
}

/// Whether the trace is on; the re-exec passes it on.
pub fn is_verbose() -> bool {
    VERBOSE.load(Relaxed)
}

/// The beginning of each line of the trace. Both words have the same length, so that the calls are
/// aligned.
fn side() -> &'static str {
    if INSIDE.load(Relaxed) { "inside " } else { "outside" }
}

/// Prints one line on stderr in a single write, so that lines of different processes do not mix.
/// Unlike `eprintln!` it does not panic when the reader has gone: the cleanup still has to be done.
pub fn say(line: impl Display) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Prints a line of the trace: a call that has been made.
pub fn trace(line: impl Display) {
    if is_verbose() {
        say(format_args!("{} | {line}", side()));
    }
}

/// Prints an error and returns its exit code: 125 as in docker, "the container could not be
/// created".
///
/// A context that begins with `hint:` is printed on a line of its own; the others form the path to
/// the call.
pub fn failure(error: &Error) -> ExitCode {
    let chain: Vec<String> = error.chain().map(describe).collect();
    // Outermost context first: "what was wanted: on what: why not".
    let (hints, path): (Vec<_>, Vec<_>) = chain.into_iter().partition(|text| text.starts_with("hint:"));
    say(format_args!("error: {}", path.join(": ")));
    hints.iter().map(String::as_str).chain(hint(error)).for_each(say);
    ExitCode::from(125)
}

/// The same for a program that cannot be executed: 127 if it does not exist, 126 if the kernel
/// refuses it.
pub fn no_program(name: &str, error: std::io::Error) -> ExitCode {
    // These are the shells' codes. A script can tell whether there was no container, no such
    // program, or a program that failed.
    let missing = error.kind() == std::io::ErrorKind::NotFound;
    failure(&Error::new(error).context(format!("execve({name:?})")));
    ExitCode::from(if missing { 127 } else { 126 })
}

/// The name and text of an errno, such as "ENOENT: No such file or directory", which can be looked
/// up in the man page of the call. Rust's own I/O errors print only the number.
fn describe(cause: &(dyn std::error::Error + 'static)) -> String {
    match cause.downcast_ref::<std::io::Error>().and_then(|error| error.raw_os_error()) {
        Some(number) => Errno::from_raw(number).to_string(),
        None => cause.to_string(),
    }
}

/// The errno at the end of the chain. nix calls fail with an Errno, the standard library with an
/// io::Error around it.
fn errno(error: &Error) -> Option<Errno> {
    error.chain().find_map(|cause| match cause.downcast_ref::<std::io::Error>() {
        Some(error) => error.raw_os_error().map(Errno::from_raw),
        None => cause.downcast_ref().copied(),
    })
}

/// The most likely cause of an errno. The errno alone explains little, but /proc tells the common
/// cases apart. A file that this kernel does not have reads as empty and matches no case.
fn hint(error: &Error) -> Option<&'static str> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    match errno(error)? {
        // AppArmor lets clone succeed without granting capabilities, so any later call can be the
        // one that fails.
        Errno::EPERM | Errno::EACCES
            if read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").trim() == "1" =>
        {
            Some(
                "hint: AppArmor keeps unprivileged users' user namespaces powerless here (Ubuntu 24.04):\n      \
                  sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run this as root",
            )
        }
        // The seccomp filter of docker and Codespaces refuses clone, setns and mount.
        Errno::EPERM if read("/proc/self/status").contains("Seccomp:\t2") => {
            Some("hint: a seccomp filter refuses it: inside a container, run the outer one with --privileged")
        }
        // clone(2) fails with ENOSPC when a user has too many namespaces of a kind, or user
        // namespaces are nested more than 32 deep.
        Errno::ENOSPC => Some(
            "hint: too many namespaces: see /proc/sys/user/max_*_namespaces. User namespaces may be 32 levels deep",
        ),
        // In /proc an ended process is a missing file; a system call answers ESRCH.
        Errno::ESRCH => Some("hint: no such process: it may have ended"),
        _ => None,
    }
}
