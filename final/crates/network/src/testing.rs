//! Helpers of this crate's unit tests: each test has a network namespace of its own, without a default route.

use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;

pub use hull_sys::testing::{in_network_namespace as in_own_namespace, skip, unshare_network};

use crate::namespace;
use crate::netlink::{Protocol, Socket};
use crate::routes::Route;

/// Creates one more network namespace.
pub fn new_namespace() -> OwnedFd {
    let made = std::thread::scope(|scope| {
        scope.spawn(|| unshare_network().map(|()| namespace::current().unwrap())).join().unwrap()
    });
    made.expect("the test has made one before")
}

/// Runs `test` inside `namespace`, on a thread of its own.
pub fn inside<T: Send>(namespace: &OwnedFd, test: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread =
            scope.spawn(|| namespace::within(namespace.as_fd(), || Ok::<_, crate::Error>(test())).unwrap());
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

pub fn route_socket() -> Socket {
    Socket::open(Protocol::Route).unwrap()
}

/// A route to neighbours: `destination` is reached on the link itself.
pub fn on_link(destination: &str, link: u32) -> Route {
    Route { destination: destination.parse().unwrap(), gateway: None, link: Some(link), metric: 0 }
}

/// Runs another program, to check the result independently.
#[track_caller]
pub fn oracle(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether `program` is installed. Reports a skip if it is not.
pub fn has(name: &str, program: &str) -> bool {
    let found = Command::new(program).arg("-V").output().is_ok();
    if !found {
        skip(name, &format!("{program} is not installed"));
    }
    found
}
