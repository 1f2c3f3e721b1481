//! The table of `cargo xtask bench`: hull beside `baseline`, in pairs.

#[path = "common/mod.rs"]
mod common;

use std::time::Duration;

use common::Bench;
use common::pairs::{Pairs, count, row};

fn main() {
    // `cargo test` builds and runs benches too; there is nothing to test here.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let Some(bench) = Bench::new() else { return };
    let pairs = count();
    row("what (medians)", "baseline", "hull", "", "target");
    start(&bench, pairs);
    start_apart(&bench, pairs);
    exec(&bench, pairs);
    monitor_memory(&bench);
    list(&bench, pairs);
}

fn start(bench: &Bench, pairs: u32) {
    let taken = Pairs::take(pairs, || {}, || bench.baseline_start(), || bench.hull_start());
    taken.print_ratio("run --rm --network none IMAGE /bin/true", "<= x 1.8");
}

fn start_apart(bench: &Bench, pairs: u32) {
    let pause = || std::thread::sleep(Duration::from_millis(250));
    let taken = Pairs::take(pairs, pause, || bench.baseline_start(), || bench.hull_start());
    let above = taken.median(|p| p.1.as_secs_f64() - p.0.as_secs_f64());
    taken.print("the same, 250 ms apart", &format!("{:+.2} ms", above * 1000.0), "<= +3 ms");
}

fn exec(bench: &Bench, pairs: u32) {
    let container = bench.running();
    let taken = Pairs::take(pairs, || {}, || container.baseline_exec(), || container.hull_exec());
    taken.print_ratio("exec CT /bin/true", "<= x 1.5");
}

/// What ten monitors take that only wait, each its share of pages that several map.
fn monitor_memory(bench: &Bench) {
    let containers: Vec<_> = (0..10).map(|_| bench.running()).collect();
    // A second after the start they give back what it took.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let total: u64 = containers.iter().map(|c| c.monitor_pss()).sum();
    let mean = format!("{} KB", total / containers.len() as u64);
    row("monitor memory (PSS), mean of ten", "", "", &mean, "<= 300 KB");
}

fn list(bench: &Bench, pairs: u32) {
    bench.create_containers(200);
    let taken = Pairs::take(pairs, || {}, || bench.baseline_read(), || bench.hull_list());
    taken.print_ratio("ps -a with 200 containers", "<= x 2.0");
}
