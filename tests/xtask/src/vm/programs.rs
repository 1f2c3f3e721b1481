//! The programs that run in a machine: hull's own and the tests', built for its processor.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::machine::Machine;
use crate::workspace::{cargo, output, run};

/// The lesson on cgroups, whose program its test finds by the variable `STEP_PROGRAM`.
pub const LESSON: &str = "step-03-cgroups";

/// A program, and its name in the machine.
pub type Program = (String, PathBuf);

/// Builds all of the machine's programs.
pub fn build(machine: &Machine) -> Result<Vec<Program>> {
    machine.cross.map_or(Ok(()), install_target)?;
    let mut programs = Vec::new();
    for (name, variable) in [("hull", "HULL_BINARY"), ("hull-oci", "HULL_OCI_BINARY")] {
        programs.push((name.to_owned(), binary(machine, name, variable)?));
    }
    for package in machine.units {
        let built = artifacts(machine, &["test", "--package", package, "--lib", "--no-run"])?;
        let (_, path) = built.into_iter().next().with_context(|| format!("{package} has no unit tests"))?;
        programs.push(((*package).to_owned(), path));
    }
    for (package, test) in machine.tests {
        let built = artifacts(machine, &["test", "--package", package, "--test", test, "--no-run"])?;
        let found = built.into_iter().find(|(name, _)| name == test);
        programs.push(found.with_context(|| format!("cargo reports no executable for the test `{test}`"))?);
    }
    if machine.tests.iter().any(|(package, _)| *package == LESSON) {
        let built = artifacts(machine, &["build", "--package", LESSON])?;
        programs.extend(built.into_iter().find(|(name, _)| name == LESSON));
    }
    Ok(programs)
}

/// One of hull's programs: for this machine's processor the one that the variable names or the debug build.
fn binary(machine: &Machine, name: &str, variable: &str) -> Result<PathBuf> {
    if let (None, Some(path)) = (machine.cross, std::env::var_os(variable)) {
        return Ok(path.into());
    }
    let built = artifacts(machine, &["build", "--package", "hull", "--bin", name])?;
    let found = built.into_iter().find(|(target, _)| target == name);
    found.map(|(_, path)| path).with_context(|| format!("cargo reports no executable for {name}"))
}

/// Runs cargo for the machine's processor, and returns the executables that it reports. Their paths may contain a hash.
fn artifacts(machine: &Machine, args: &[&str]) -> Result<Vec<Program>> {
    let mut command = cargo(args);
    command.arg("--message-format=json").stderr(Stdio::inherit());
    if let Some(triple) = machine.cross {
        // The linker and the C compiler of the crates that have C or assembler in them.
        command.args(["--target", triple]);
        command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc");
        command.env("CC_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-gcc");
        // The whole initramfs is unpacked into the machine's memory.
        command.env("CARGO_PROFILE_DEV_STRIP", "symbols");
    }
    let mut built = Vec::new();
    for line in output(&mut command)?.lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        let (name, path) = (message["target"]["name"].as_str(), message["executable"].as_str());
        if let (Some(name), Some(path)) = (name, path) {
            built.push((name.to_owned(), path.into()));
        }
    }
    if built.is_empty() {
        bail!("cargo {} reports no executable", args.join(" "));
    }
    Ok(built)
}

/// Has rustup install the standard library for `triple`.
fn install_target(triple: &str) -> Result<()> {
    let installed = output(Command::new("rustup").args(["target", "list", "--installed"]))?;
    if installed.lines().any(|line| line == triple) {
        return Ok(());
    }
    eprintln!("installing Rust's standard library for {triple}");
    run(Command::new("rustup").args(["target", "add", triple])).context("installing the standard library")
}
