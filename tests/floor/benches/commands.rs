//! Whole commands under criterion, for the spread of each and for comparison with an earlier state.

#[path = "common/mod.rs"]
mod common;

use common::World;
use criterion::Criterion;

fn main() {
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let Some(world) = World::new() else { return };
    let mut criterion = Criterion::default().configure_from_args();
    let mut start = criterion.benchmark_group("start");
    start.bench_function("floor", |b| b.iter(|| world.floor_start()));
    start.bench_function("hull", |b| b.iter(|| world.hull_start()));
    start.finish();
    let container = world.running();
    let mut exec = criterion.benchmark_group("exec");
    exec.bench_function("floor", |b| b.iter(|| container.floor_exec()));
    exec.bench_function("hull", |b| b.iter(|| container.hull_exec()));
    exec.finish();
    criterion.final_summary();
}
