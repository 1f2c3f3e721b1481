//! `cargo xtask bench`: release builds, then the benches of `tests/floor`.

use anyhow::Result;

use crate::workspace::{cargo, run, target};

pub fn bench(pairs: u32) -> Result<()> {
    run(&mut cargo(&["build", "--release", "--package", "hull", "--package", "floor"]))?;
    let release = target()?.join("release");
    let mut bench = cargo(&["bench", "--package", "floor"]);
    bench.env("HULL_BINARY", release.join("hull")).env("FLOOR_BINARY", release.join("floor"));
    run(bench.env("HULL_BENCH_PAIRS", pairs.to_string()))
}
