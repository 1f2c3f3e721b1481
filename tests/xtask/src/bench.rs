//! `cargo xtask bench`: release builds, then the benches of `tests/floor`.

use std::process::Command;

use anyhow::Result;

use crate::workspace::{cargo, output, run, target};

pub fn bench(pairs: u32) -> Result<()> {
    run(command(pairs)?.args(["bench", "--package", "floor"]))
}

/// The table alone, as it is printed.
pub fn ratios(pairs: u32) -> Result<String> {
    output(command(pairs)?.args(["bench", "--quiet", "--package", "floor", "--bench", "ratios"]))
}

/// A cargo that measures the release build, which is made first.
fn command(pairs: u32) -> Result<Command> {
    run(&mut cargo(&["build", "--release", "--package", "hull"]))?;
    let mut cargo = cargo::<&str>(&[]);
    let release = target()?.join("release");
    cargo.env("HULL_BINARY", release.join("hull")).env("HULL_OCI_BINARY", release.join("hull-oci"));
    cargo.env("HULL_BENCH_PAIRS", pairs.to_string());
    Ok(cargo)
}
