//! What the unit tests of this crate share: network namespaces of their own, without a route out.

use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;

use crate::namespace;
use crate::netlink::{Protocol, Socket};

/// Runs a test in an empty network namespace, on a thread of its own, with which it ends.
pub fn in_own_namespace(name: &str, test: impl FnOnce() + Send) {
    if !rustix::process::geteuid().is_root() {
        return skip(name, "network namespaces take root");
    }
    let ran = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                unshare().map(|()| {
                    hull_sys::process::loopback_up().unwrap();
                    test()
                })
            })
            .join()
    });
    match ran {
        Ok(Ok(())) => {}
        Ok(Err(error)) => skip(name, &format!("no network namespace: {error}")),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// One more namespace beside the test's own.
pub fn new_namespace() -> OwnedFd {
    let made = std::thread::scope(|scope| {
        scope.spawn(|| unshare().map(|()| namespace::current().unwrap())).join().unwrap()
    });
    made.expect("the test has made one before")
}

/// Runs `test` inside `namespace`, on a thread of its own.
pub fn inside<T: Send>(namespace: &OwnedFd, test: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| namespace::within(namespace.as_fd(), || Ok(test())).unwrap());
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

pub fn route_socket() -> Socket {
    Socket::open(Protocol::Route).unwrap()
}

/// Runs a program on the test's side: what others say of what we did.
#[track_caller]
pub fn oracle(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether `program` is installed; says so where it is not.
pub fn has(name: &str, program: &str) -> bool {
    let found = Command::new(program).arg("-V").output().is_ok();
    if !found {
        skip(name, &format!("{program} is not installed"));
    }
    found
}

fn unshare() -> std::io::Result<()> {
    // The thread's alone: its siblings stay where they are.
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).map_err(Into::into)
}

/// No silent skip, and none at all where every test has to run.
pub fn skip(name: &str, why: &str) {
    let must_run = std::env::var_os("HULL_TESTS_MUST_RUN").is_some_and(|value| value == "1");
    assert!(!must_run, "{name} cannot run: {why}");
    eprintln!("SKIP {name}: {why}");
}
