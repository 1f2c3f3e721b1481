//! Small virtual machines, for what this machine cannot show: pure cgroup v2, and aarch64.
//!
//! Debian's cloud kernel, unpacked from its package and never installed, boots an initramfs that holds busybox, `hull`,
//! `hull-oci` and test binaries, which are static like everything this workspace builds. The processor is emulated, so
//! the machines run wherever the tests do; a boot takes some seconds.

mod apt;
mod boot;
mod initramfs;
mod kernel;
mod machine;
mod programs;

use anyhow::{Result, bail};

pub use machine::Architecture;
use machine::Machine;

/// Boots the machine of `architecture` and runs its tests.
pub fn test(architecture: Architecture) -> Result<()> {
    let machine = Machine::of(architecture);
    let needed = ["cpio", "apt-get", "dpkg-deb"].iter().chain(machine.needs);
    for program in needed.copied().chain([machine.qemu]) {
        if !is_installed(program) {
            return skip(&format!("{program} is not installed"));
        }
    }
    let programs = programs::build(machine)?;
    let kernel = kernel::fetch(machine)?;
    let initramfs = initramfs::build(machine, &kernel, &programs)?;
    boot::boot(machine, &kernel.image, &initramfs)
}

fn skip(why: &str) -> Result<()> {
    if std::env::var_os("HULL_TESTS_MUST_RUN").is_some_and(|v| v == "1") {
        bail!("the virtual machine may not be skipped here: {why}");
    }
    eprintln!("SKIP the virtual machine: {why}");
    Ok(())
}

/// Whether `program` is in `PATH`.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
