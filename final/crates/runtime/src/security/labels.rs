//! Labels of security modules: AppArmor's profile and SELinux's label, for the program that is executed next
//! (proc_pid_attr(5)).

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result, Step};
use crate::spec::{Process, Spec};

/// Opened while the host's /proc is in sight, written when nothing but the program is executed any more.
#[derive(Debug, Default)]
pub(crate) struct Labels(Vec<(File, String)>);

impl Labels {
    pub(crate) fn open(process: &Process) -> Result<Self> {
        let mut labels = Vec::new();
        if let Some(profile) = asked(&process.apparmor_profile) {
            // Older kernels have one file for all modules.
            let own = Path::new("/proc/self/attr/apparmor/exec");
            let path = if own.exists() { own } else { Path::new("/proc/self/attr/exec") };
            labels.push((open(path)?, format!("exec {profile}")));
        }
        if let Some(label) = asked(&process.selinux_label) {
            labels.push((open(Path::new("/proc/self/attr/exec"))?, label.to_owned()));
        }
        Ok(Self(labels))
    }

    pub(crate) fn set(&self) -> Result<()> {
        for (file, label) in &self.0 {
            let mut file = file;
            file.write_all(label.as_bytes()).step(|| format!("set the security label {label:?}"))?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<File> {
    File::options().write(true).open(path).step(|| format!("open {}", path.display()))
}

fn asked(label: &Option<String>) -> Option<&str> {
    label.as_deref().filter(|label| !label.is_empty())
}

/// A label that the kernel has no module for would protect nobody.
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

/// Nothing labels mounts here, and a label that is asked for and not set would protect nobody either.
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
