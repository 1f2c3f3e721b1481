//! The table of builds: beside BuildKit, and beside the work alone.
//!
//! Contexts and stores are on tmpfs, because a disk's file system hides everything else. BuildKit is that of a dockerd,
//! which has its own network.

#[path = "common/mod.rs"]
mod common;
mod building {
    pub mod builders;
    pub mod contexts;
    pub mod memory;
    pub mod rootless;
}

use std::time::Duration;

use building::builders::{BuildKit, Hull};
use building::contexts::{self, Contexts};
use building::rootless::Rootless;
use common::pairs::{Pairs, count, milliseconds, row};

/// Flags of a build that uses the cache, and of one that does not.
const AGAIN: &[&str] = &[];
const ANEW: &[&str] = &["--no-cache"];

fn main() {
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let Some(hull) = Hull::new() else { return };
    let contexts = hull.contexts();
    let rootless = Rootless::start();
    let Some(buildkit) = BuildKit::start(&hull) else { return };
    row("what (medians)", "other", "hull", "", "target");
    steps(&hull, &buildkit, rootless.as_ref(), &contexts);
    small_files(&hull, &buildkit, &contexts);
    drop(buildkit);
    large_file(&hull, &contexts);
    stages(&hull, &contexts);
    memory(&hull, &contexts);
}

/// A build takes as long as many starts.
fn builds() -> u32 {
    count().div_ceil(5)
}

/// Ten steps `RUN` with a network.
fn steps(hull: &Hull, buildkit: &BuildKit<'_>, rootless: Option<&Rootless>, contexts: &Contexts) {
    let steps = contexts.steps();
    let taken = Pairs::take(builds(), || {}, || buildkit.build(&steps, ANEW), || hull.build(&steps, ANEW));
    taken.print_ratio("ten RUN, beside BuildKit", "<= x 0.15");
    let runs = || (0..10).for_each(|_| hull.run());
    let taken = Pairs::take(builds(), || {}, runs, || hull.build(&steps, ANEW));
    taken.print_ratio("  beside ten run --rm", "<= x 2.0");
    let taken = Pairs::take(builds(), || {}, || buildkit.build(&steps, AGAIN), || hull.build(&steps, AGAIN));
    taken.print_ratio("  all cached, beside BuildKit", "<= x 0.15");
    let Some(rootless) = rootless else { return };
    let taken = Pairs::take(builds(), || {}, || buildkit.build(&steps, ANEW), || rootless.build(ANEW));
    taken.print_ratio("  rootless, beside BuildKit as root", "");
    let taken = Pairs::take(builds(), || {}, || buildkit.build(&steps, AGAIN), || rootless.build(AGAIN));
    taken.print_ratio("  rootless, all cached", "");
}

fn small_files(hull: &Hull, buildkit: &BuildKit<'_>, contexts: &Contexts) {
    let files = contexts.files(10_000);
    let forget = || {
        buildkit.forget();
        hull.forget();
    };
    let builds = count().div_ceil(10);
    let taken = Pairs::take(builds, forget, || buildkit.build(&files, AGAIN), || hull.build(&files, AGAIN));
    taken.print_ratio("COPY of 10,000 files, beside BuildKit", "<= x 0.25");
    let taken = Pairs::take(builds, || {}, || buildkit.build(&files, AGAIN), || hull.build(&files, AGAIN));
    taken.print_ratio("  cached", "<= x 0.2");
    hull.forget();
    let _ = std::fs::remove_dir_all(files);
}

fn large_file(hull: &Hull, contexts: &Contexts) {
    let large = contexts.large();
    let copy = large.with_extension("copied");
    let forget = || {
        hull.forget();
        let _ = std::fs::remove_file(&copy);
    };
    let by_hand = || contexts::copy_and_hash(&large.join("file"), &copy);
    let taken = Pairs::take(count().div_ceil(10), forget, by_hand, || hull.build(&large, AGAIN));
    taken.print_ratio("COPY of 500 MB, beside cp and SHA-256", "<= x 1.2");
    forget();
    let _ = std::fs::remove_dir_all(large);
}

/// Four stages that do not depend on each other, of a second each.
fn stages(hull: &Hull, contexts: &Contexts) {
    let kinds = [
        ("sleep 1", "four stages that sleep for 1 s", "<= 1200 ms"),
        (contexts::COMPUTES, "four stages that compute for 1 s", "<= 2200 ms on 2 processors"),
    ];
    for (work, what, target) in kinds {
        let context = contexts.stages(work);
        let bare = || contexts::side_by_side(work, 4);
        let taken = Pairs::take(count().div_ceil(20), || {}, bare, || hull.build(&context, ANEW));
        let ratio: f64 = taken.median(|(bare, hull)| hull.as_secs_f64() / bare.as_secs_f64());
        taken.print(what, &format!("x {ratio:.2}"), target);
    }
}

/// All of the builder's processes, while it reads 100,000 files and copies them.
fn memory(hull: &Hull, contexts: &Contexts) {
    let files = contexts.files(100_000);
    for what in ["memory of a build with 100,000 files", "  cached"] {
        let (most, time): (u64, Duration) = building::memory::of(&mut hull.command(&files, AGAIN));
        row(what, "", &milliseconds(time), &format!("{:.1} MB", most as f64 / 1000.0), "<= 40 MB");
    }
}
