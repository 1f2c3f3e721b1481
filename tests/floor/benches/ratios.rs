//! The table of `cargo xtask bench`: hull beside `floor`, in pairs.
//!
//! A machine drifts by more than what is to be measured, so each ratio is taken between two runs that follow each other,
//! and the median of all pairs counts.

#[path = "common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::World;

fn main() {
    // `cargo test` builds and runs benches too; there is nothing to test here.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let Some(world) = World::new() else { return };
    let pairs = std::env::var("HULL_BENCH_PAIRS").ok().and_then(|n| n.parse().ok()).unwrap_or(50);
    println!("{:<46} {:>10} {:>10} {:>10}   target", "what (medians)", "floor", "hull", "");
    start(&world, pairs);
    start_apart(&world, pairs);
    exec(&world, pairs);
    monitor_memory(&world);
    list(&world, pairs);
}

/// Times of both sides, pair by pair.
struct Pairs(Vec<(Duration, Duration)>);

impl Pairs {
    /// Runs `floor` and `hull` in turn, each first every other time.
    fn take(count: u32, pause: Duration, mut floor: impl FnMut(), mut hull: impl FnMut()) -> Self {
        // Caches are filled before anything counts.
        floor();
        hull();
        let timed = |side: &mut dyn FnMut()| {
            std::thread::sleep(pause);
            let started = Instant::now();
            side();
            started.elapsed()
        };
        let pair = |number: u32| {
            if number.is_multiple_of(2) {
                let floor = timed(&mut floor);
                (floor, timed(&mut hull))
            } else {
                let hull = timed(&mut hull);
                (timed(&mut floor), hull)
            }
        };
        Self((0..count).map(pair).collect())
    }

    fn median<T: PartialOrd>(&self, of: impl Fn(&(Duration, Duration)) -> T) -> T {
        let mut values: Vec<T> = self.0.iter().map(of).collect();
        values.sort_by(|a, b| a.partial_cmp(b).expect("no time is not a number"));
        values.swap_remove(values.len() / 2)
    }

    fn print(&self, what: &str, result: &str, target: &str) {
        let (floor, hull) = (self.median(|p| p.0), self.median(|p| p.1));
        println!("{what:<46} {:>10} {:>10} {result:>10}   {target}", milliseconds(floor), milliseconds(hull));
    }

    fn print_ratio(&self, what: &str, target: &str) {
        let ratio = self.median(|p| p.1.as_secs_f64() / p.0.as_secs_f64());
        self.print(what, &format!("x {ratio:.2}"), target);
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

fn start(world: &World, pairs: u32) {
    let taken = Pairs::take(pairs, Duration::ZERO, || world.floor_start(), || world.hull_start());
    taken.print_ratio("run --rm --network none IMAGE /bin/true", "<= x 2.0");
}

fn start_apart(world: &World, pairs: u32) {
    let pause = Duration::from_millis(250);
    let taken = Pairs::take(pairs, pause, || world.floor_start(), || world.hull_start());
    let above = taken.median(|p| p.1.as_secs_f64() - p.0.as_secs_f64());
    taken.print("the same, 250 ms apart", &format!("{:+.2} ms", above * 1000.0), "<= +3 ms");
}

fn exec(world: &World, pairs: u32) {
    let container = world.running();
    let taken = Pairs::take(pairs, Duration::ZERO, || container.floor_exec(), || container.hull_exec());
    taken.print_ratio("exec CT /bin/true", "<= x 2.5");
}

/// What ten monitors take, each its share of pages that several map.
fn monitor_memory(world: &World) {
    let containers: Vec<_> = (0..10).map(|_| world.running()).collect();
    let total: u64 = containers.iter().map(|c| c.monitor_pss()).sum();
    let mean = format!("{} KB", total / containers.len() as u64);
    println!("{:<46} {:>10} {:>10} {mean:>10}   <= 500 KB", "monitor memory (PSS), mean of ten", "", "");
}

fn list(world: &World, pairs: u32) {
    world.create_containers(200);
    let taken = Pairs::take(pairs, Duration::ZERO, || world.floor_read(), || world.hull_list());
    taken.print_ratio("ps -a with 200 containers", "<= x 2.0");
}
