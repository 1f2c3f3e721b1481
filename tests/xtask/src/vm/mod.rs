//! A small virtual machine with pure cgroup v2, for machines whose own cgroups are v1 or hybrid.
//!
//! Debian's cloud kernel, unpacked from its package and never installed, boots an initramfs that holds busybox, `hull`
//! and the test binary `limits`, which is static like everything this workspace builds. Emulated, so it runs
//! wherever the tests do; a boot takes some seconds.

mod boot;
mod initramfs;
mod kernel;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::workspace::{cargo, output, run, target};

/// Boots the machine and runs the limit tests in it.
pub fn test() -> Result<()> {
    for program in ["qemu-system-x86_64", "cpio", "apt-get", "dpkg-deb"] {
        if !kernel::is_installed(program) {
            return skip(&format!("{program} is not installed"));
        }
    }
    let hull = binary()?;
    let test = test_binary()?;
    let kernel = kernel::fetch()?;
    let initramfs = initramfs::build(&kernel, &hull, &test)?;
    boot::boot(&kernel.image, &initramfs)
}

/// The binary under test: `HULL_BINARY`, or what is built for debugging.
fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("HULL_BINARY") {
        return Ok(path.into());
    }
    run(&mut cargo(&["build", "--package", "hull"]))?;
    Ok(target()?.join("debug/hull"))
}

fn skip(why: &str) -> Result<()> {
    if std::env::var_os("HULL_TESTS_MUST_RUN").is_some_and(|v| v == "1") {
        bail!("the virtual machine may not be skipped here: {why}");
    }
    eprintln!("SKIP the virtual machine: {why}");
    Ok(())
}

/// Builds the test binary `limits`; its path, which holds a hash, is what cargo reports.
fn test_binary() -> Result<PathBuf> {
    let args =
        ["test", "--package", "hull-test-suite", "--test", "limits", "--no-run", "--message-format=json"];
    for line in output(cargo(&args).stderr(std::process::Stdio::inherit()))?.lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        if let (Some("limits"), Some(path)) =
            (message["target"]["name"].as_str(), message["executable"].as_str())
        {
            return Ok(path.into());
        }
    }
    bail!("cargo reports no executable for the test `limits`")
}
