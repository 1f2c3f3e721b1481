//! The table of `cargo xtask bench`: hull beside `floor`, in pairs.

#[path = "common/mod.rs"]
mod common;

use std::time::Duration;

use common::World;
use common::pairs::{Pairs, count, row};

fn main() {
    // `cargo test` builds and runs benches too; there is nothing to test here.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let Some(world) = World::new() else { return };
    let pairs = count();
    row("what (medians)", "floor", "hull", "", "target");
    start(&world, pairs);
    start_apart(&world, pairs);
    exec(&world, pairs);
    monitor_memory(&world);
    list(&world, pairs);
}

fn start(world: &World, pairs: u32) {
    let taken = Pairs::take(pairs, || {}, || world.floor_start(), || world.hull_start());
    taken.print_ratio("run --rm --network none IMAGE /bin/true", "<= x 2.0");
}

fn start_apart(world: &World, pairs: u32) {
    let pause = || std::thread::sleep(Duration::from_millis(250));
    let taken = Pairs::take(pairs, pause, || world.floor_start(), || world.hull_start());
    let above = taken.median(|p| p.1.as_secs_f64() - p.0.as_secs_f64());
    taken.print("the same, 250 ms apart", &format!("{:+.2} ms", above * 1000.0), "<= +3 ms");
}

fn exec(world: &World, pairs: u32) {
    let container = world.running();
    let taken = Pairs::take(pairs, || {}, || container.floor_exec(), || container.hull_exec());
    taken.print_ratio("exec CT /bin/true", "<= x 2.5");
}

/// What ten monitors take that only wait, each its share of pages that several map.
fn monitor_memory(world: &World) {
    let containers: Vec<_> = (0..10).map(|_| world.running()).collect();
    // A second after the start they give back what it took.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let total: u64 = containers.iter().map(|c| c.monitor_pss()).sum();
    let mean = format!("{} KB", total / containers.len() as u64);
    row("monitor memory (PSS), mean of ten", "", "", &mean, "<= 500 KB");
}

fn list(world: &World, pairs: u32) {
    world.create_containers(200);
    let taken = Pairs::take(pairs, || {}, || world.floor_read(), || world.hull_list());
    taken.print_ratio("ps -a with 200 containers", "<= x 2.0");
}
