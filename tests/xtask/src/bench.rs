//! `cargo xtask bench`: release builds, then the benches of `tests/baseline`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::install::binaries;
use crate::workspace::{cargo, output, run, target};

pub fn bench(pairs: u32) -> Result<()> {
    run(command(pairs)?.args(["bench", "--package", "baseline"]))
}

/// The first table, as it is printed.
pub fn ratios(pairs: u32) -> Result<String> {
    output(command(pairs)?.args(["bench", "--quiet", "--package", "baseline", "--bench", "ratios"]))
}

/// The programs to measure, copied as by `install`: a linker writes its file in many small pieces, which the page
/// cache keeps as such, and mapping those makes a start a twentieth slower.
pub fn programs() -> Result<PathBuf> {
    binaries(&target()?.join("bench"))
}

/// A cargo command with the programs to measure in its environment.
fn command(pairs: u32) -> Result<Command> {
    let mut cargo = cargo::<&str>(&[]);
    let bin = programs()?;
    cargo.env("HULL_BINARY", bin.join("hull")).env("HULL_OCI_BINARY", bin.join("hull-oci"));
    cargo.env("HULL_BENCH_PAIRS", pairs.to_string());
    Ok(cargo)
}
