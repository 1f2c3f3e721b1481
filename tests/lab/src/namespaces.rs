//! The namespaces of a lab's programs, so that nothing a test makes is the machine's.

use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Gid, Uid};

/// Creates namespaces that end with the test. The mount tree is shared, as systemd has it and unlike the kernel's
/// default, so that the lesson on propagation has something to prevent.
pub(crate) fn throwaway() -> Vec<File> {
    let mut command = Command::new("sleep");
    // SAFETY: system calls only.
    unsafe {
        command.pre_exec(|| {
            unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS)?;
            let root = |flag| mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | flag, None::<&str>);
            root(MsFlags::MS_PRIVATE)?;
            switch_on_lo()?;
            Ok(root(MsFlags::MS_SHARED)?)
        })
    };
    // spawn returns when the exec is done, and an open file keeps a namespace as well as a process does.
    let mut holder = command.arg("infinity").spawn().expect("root may have namespaces");
    let open = |kind| File::open(format!("/proc/{}/ns/{kind}", holder.id())).expect("it runs");
    let namespaces = ["mnt", "net", "uts"].map(open).into();
    let _ = holder.kill().and_then(|()| holder.wait());
    namespaces
}

/// Sets up lo, which is down in a new network namespace.
fn switch_on_lo() -> std::io::Result<()> {
    let any = UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: all zeroes is an ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[..2].copy_from_slice(&[b'l' as libc::c_char, b'o' as libc::c_char]);
    request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
    // SAFETY: the kernel reads an ifreq, and this is one.
    nix::errno::Errno::result(unsafe {
        libc::ioctl(any.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request)
    })?;
    Ok(())
}

/// Between fork and exec: into the lab's namespaces, as its user.
pub(crate) fn confine(namespaces: &[RawFd], user: Uid) -> std::io::Result<()> {
    for namespace in namespaces {
        // SAFETY: the lab keeps them open.
        setns(unsafe { BorrowedFd::borrow_raw(*namespace) }, CloneFlags::empty())?;
    }
    nix::unistd::chdir("/")?;
    if user.is_root() {
        return Ok(());
    }
    nix::unistd::setgroups(&[])?;
    let gid = Gid::from_raw(user.as_raw());
    nix::unistd::setresgid(gid, gid, gid)?;
    Ok(nix::unistd::setresuid(user, user, user)?)
}
