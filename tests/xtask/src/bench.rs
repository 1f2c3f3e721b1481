//! `cargo xtask bench`: release builds, then the benches of `tests/floor`.

use anyhow::Result;

use crate::workspace::{cargo, run, target};

pub fn bench(pairs: u32) -> Result<()> {
    run(&mut cargo(&["build", "--release", "--package", "hull"]))?;
    let hull = target()?.join("release/hull");
    let mut bench = cargo(&["bench", "--package", "floor"]);
    run(bench.env("HULL_BINARY", hull).env("HULL_BENCH_PAIRS", pairs.to_string()))
}
