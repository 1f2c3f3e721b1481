//! Labels of security modules: AppArmor's profile and SELinux's label, for the program that is executed next
//! (proc_pid_attr(5)).

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use rustix::fs::OFlags;

use crate::error::{Error, Result, Step};
use crate::procfs::Procfs;
use crate::spec::{Process, Spec};

/// The file that takes the label. It is opened while the host's /proc can be reached, and written just before
/// execve(2).
#[derive(Debug, Default)]
pub(crate) struct Labels(Vec<(File, String)>);

impl Labels {
    pub(crate) fn open(process: &Process) -> Result<Self> {
        let mut labels = Vec::new();
        if let Some(profile) = asked(&process.apparmor_profile) {
            // Older kernels have one file for all modules.
            let file = match open("self/attr/apparmor/exec") {
                Err(Error::Step { errno: Errno::ENOENT, .. }) => open("self/attr/exec"),
                opened => opened,
            };
            labels.push((file?, format!("exec {profile}")));
        }
        if let Some(label) = asked(&process.selinux_label) {
            labels.push((open("self/attr/exec")?, label.to_owned()));
        }
        Ok(Self(labels))
    }

    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(|(file, _)| file.as_fd())
    }

    pub(crate) fn set(&self) -> Result<()> {
        for (file, label) in &self.0 {
            let mut file = file;
            file.write_all(label.as_bytes()).step(|| format!("set the security label {label:?}"))?;
        }
        Ok(())
    }
}

fn open(path: &str) -> Result<File> {
    Procfs::open()?.file(Path::new(path), OFlags::WRONLY).step(|| format!("open /proc/{path}"))
}

fn asked(label: &Option<String>) -> Option<&str> {
    label.as_deref().filter(|label| !label.is_empty())
}

/// Refuses a label for a security module that the kernel does not have, because it would have no effect.
pub(crate) fn check_process(process: &Process) -> Result<()> {
    if asked(&process.apparmor_profile).is_some() && !has_apparmor() {
        return Err(Error::Invalid("process.apparmorProfile is set, and this kernel has no AppArmor".into()));
    }
    match asked(&process.selinux_label) {
        Some(_) if !has_selinux() => {
            Err(Error::Invalid("process.selinuxLabel is set, and this kernel has no SELinux".into()))
        }
        _ => Ok(()),
    }
}

/// Refuses `linux.mountLabel`: hull does not label mounts, and a request must not be ignored without notice.
pub(crate) fn check_mounts(spec: &Spec) -> Result<()> {
    match spec.linux.as_ref().and_then(|linux| asked(&linux.mount_label)) {
        Some(_) => Err(Error::Invalid("linux.mountLabel is set, and hull does not label mounts".into())),
        None => Ok(()),
    }
}

pub fn has_apparmor() -> bool {
    std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with(b"Y"))
}

pub fn has_selinux() -> bool {
    Path::new("/sys/fs/selinux/enforce").exists()
}
