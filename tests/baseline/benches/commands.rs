//! Whole commands under criterion, for the spread of each and for comparison with an earlier state.

#[path = "common/mod.rs"]
mod common;

use common::Bench;
use criterion::Criterion;

fn main() {
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let Some(bench) = Bench::new() else { return };
    let mut criterion = Criterion::default().configure_from_args();
    let mut start = criterion.benchmark_group("start");
    start.bench_function("baseline", |b| b.iter(|| bench.baseline_start()));
    start.bench_function("hull", |b| b.iter(|| bench.hull_start()));
    start.finish();
    let container = bench.running();
    let mut exec = criterion.benchmark_group("exec");
    exec.bench_function("baseline", |b| b.iter(|| container.baseline_exec()));
    exec.bench_function("hull", |b| b.iter(|| container.hull_exec()));
    exec.finish();
    criterion.final_summary();
}
