//! What /proc shows of the machine, with lxcfs and without.

use std::path::Path;
use std::process::{Child, Command};

use hull_test_support::outcome::eventually;
use hull_test_support::{Scenario, System, skip};
use rustix::mount::{UnmountFlags, unmount};

use super::{start, until};

const LXCFS: &str = "/var/lib/lxcfs";

fn memory(t: &Scenario) -> String {
    t.ok(&["exec", "box", "sh", "-c", "grep MemTotal /proc/meminfo | tr -dc 0-9"])
}

/// Removes the machine's own lxcfs from the test's mount namespace.
fn without_lxcfs() {
    while Path::new(LXCFS).join("proc").exists() {
        unmount(LXCFS, UnmountFlags::DETACH).expect("it is a mount point");
    }
}

/// lxcfs in the test's mount namespace.
struct Lxcfs(Child);

impl Drop for Lxcfs {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = unmount(LXCFS, UnmountFlags::DETACH);
    }
}

#[test]
fn with_lxcfs_they_are_the_containers_own() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    if skip::find_program("lxcfs").is_none() || !Path::new(LXCFS).is_dir() {
        hull_test_support::skip!("lxcfs is not installed");
    }
    without_lxcfs();
    let mut command = Command::new("lxcfs");
    command.arg("-f").arg("-p").arg(t.path("lxcfs.pid")).arg(LXCFS);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let lxcfs = Lxcfs(command.spawn().unwrap());
    eventually("lxcfs serves", || Path::new(LXCFS).join("proc/meminfo").exists());
    start(&t, System::Busybox, "box", &["--memory", "64m"]);
    until(&t, "box", "test -e /run/booted");
    assert_eq!(memory(&t), "65536");
    assert_eq!(t.ok(&["exec", "box", "sh", "-c", "cut -d. -f1 /proc/uptime | awk '{print ($1 < 60)}'"]), "1");
    t.ok(&["rm", "-f", "box"]);
    drop(lxcfs);
}

#[test]
fn without_lxcfs_they_are_the_machines_and_launch_says_so() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    without_lxcfs();
    let said = t.hull(&["launch", "-n", "none", System::Busybox.image(), "box"]);
    assert!(said.success() && said.stderr.contains("lxcfs"), "{said}");
    let machine = std::fs::read_to_string("/proc/meminfo").unwrap();
    assert!(machine.contains(&memory(&t)), "{machine}");
}
