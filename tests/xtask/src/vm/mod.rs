//! A small virtual machine with pure cgroup v2, for machines whose own cgroups are v1 or hybrid.
//!
//! Debian's cloud kernel, unpacked from its package and never installed, boots an initramfs that holds busybox, `hull`,
//! `hull-oci` and test binaries, which are static like everything this workspace builds. Emulated, so it runs
//! wherever the tests do; a boot takes some seconds. systemd, and what its test enters its namespaces with, and CRIU are this
//! machine's own, with their libraries.

mod boot;
mod initramfs;
mod kernel;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::workspace::{cargo, output, run, target};

/// Tests that run in it, and their packages.
const TESTS: [(&str, &str); 5] = [
    ("hull-test-suite", "limits"),
    ("hull-test-suite", "bundles"),
    ("hull-test-suite", "oci_systemd"),
    ("hull-test-suite", "oci_checkpoint"),
    (LESSON, "lesson"),
];

/// The lesson on cgroups, whose program its test finds by the variable `STEP_PROGRAM`.
const LESSON: &str = "step-03-cgroups";

/// Boots the machine and runs in it the tests whose answers depend on the version of cgroups.
pub fn test() -> Result<()> {
    for program in ["qemu-system-x86_64", "cpio", "apt-get", "dpkg-deb", "ldd", "systemctl", "criu"] {
        if !kernel::is_installed(program) {
            return skip(&format!("{program} is not installed"));
        }
    }
    let mut programs = vec![("hull", binary("HULL_BINARY", "hull")?)];
    programs.push(("hull-oci", binary("HULL_OCI_BINARY", "hull-oci")?));
    for (package, test) in TESTS {
        programs.push((test, test_binary(package, test)?));
    }
    run(&mut cargo(&["build", "--package", LESSON]))?;
    programs.push((LESSON, target()?.join("debug").join(LESSON)));
    let kernel = kernel::fetch()?;
    let initramfs = initramfs::build(&kernel, &programs)?;
    boot::boot(&kernel.image, &initramfs)
}

/// A binary under test: what the variable names, or what is built for debugging.
fn binary(variable: &str, name: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(path.into());
    }
    run(&mut cargo(&["build", "--package", "hull", "--bin", name]))?;
    Ok(target()?.join("debug").join(name))
}

fn skip(why: &str) -> Result<()> {
    if std::env::var_os("HULL_TESTS_MUST_RUN").is_some_and(|v| v == "1") {
        bail!("the virtual machine may not be skipped here: {why}");
    }
    eprintln!("SKIP the virtual machine: {why}");
    Ok(())
}

/// Builds a test binary; its path, which holds a hash, is what cargo reports.
fn test_binary(package: &str, name: &str) -> Result<PathBuf> {
    let args = ["test", "--package", package, "--test", name, "--no-run", "--message-format=json"];
    for line in output(cargo(&args).stderr(std::process::Stdio::inherit()))?.lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        let (target, path) = (message["target"]["name"].as_str(), message["executable"].as_str());
        if let (true, Some(path)) = (target == Some(name), path) {
            return Ok(path.into());
        }
    }
    bail!("cargo reports no executable for the test `{name}`")
}
