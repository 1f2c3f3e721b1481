//! Helpers that unit tests of several crates share; no program uses them.

use nix::errno::Errno;
use nix::libc;

use crate::process::Fork;

/// fork(2) in a test. The test harness has threads, so the child must take no lock that another thread may have held, and
/// must end by [`crate::process::exit_now`].
pub fn fork() -> nix::Result<Fork> {
    // SAFETY: tests only, whose children do little more than one call.
    match Errno::result(unsafe { libc::fork() })? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent { pid }),
    }
}

/// Runs a test in an empty network namespace, on a thread of its own, and the namespace ends with the thread.
pub fn in_network_namespace(name: &str, test: impl FnOnce() + Send) {
    if !rustix::process::geteuid().is_root() {
        return skip(name, "network namespaces take root");
    }
    let ran = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare_network().map(|()| {
                crate::process::loopback_up().unwrap();
                test()
            })
        });
        thread.join()
    });
    match ran {
        Ok(Ok(())) => {}
        Ok(Err(error)) => skip(name, &format!("no network namespace: {error}")),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Moves the calling thread, and no other thread, into a new network namespace.
pub fn unshare_network() -> nix::Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
}

/// Reports that a test cannot run on this machine. It fails if `HULL_TESTS_MUST_RUN` is 1, so that nothing is skipped
/// silently.
pub fn skip(name: &str, why: &str) {
    let must_run = std::env::var_os("HULL_TESTS_MUST_RUN").is_some_and(|value| value == "1");
    assert!(!must_run, "{name} cannot run: {why}");
    eprintln!("SKIP {name}: {why}");
}
