//! The second table of `cargo xtask bench`: images, beside podman, dockerd, and what a pull is made of.
//!
//! Every store is on a tmpfs, and new for each pull: a disk's file system, just after much was removed from it, is
//! several times slower, and hides everything. What a disk adds has rows of its own, and nothing is removed between them.

#[path = "common/mod.rs"]
mod common;
mod images {
    pub mod parts;
    pub mod stores;
}

use std::time::Duration;

use common::pairs::{Pairs, count, milliseconds, row};
use images::parts::Parts;
use images::stores::Stores;

fn main() {
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let Some(stores) = Stores::new() else { return };
    let (pairs, pulls) = (count(), count().div_ceil(5));
    row("what (medians)", "other", "hull", "", "target");
    for (image, what) in [(stores.debian(), "a Debian layer"), (stores.stacked(), "eight layers")] {
        let Some((image, bytes)) = image else { continue };
        println!("{what}: {} MB packed", bytes / 1_000_000);
        pull(&stores, &image, pulls);
        memory(&stores, &image);
        again(&stores, &image, pairs);
        on_disk(&stores, &image, pulls);
    }
    commit(&stores, pairs);
    list(&stores, pairs);
}

fn pull(stores: &Stores, image: &str, pulls: u32) {
    let clear = || stores.clear();
    if let Some(podman) = stores.podman() {
        let taken = Pairs::take(pulls, clear, || podman.pull(image), || stores.pull(image));
        taken.print_ratio("  pull, beside podman", "<= x 0.5");
    }
    if let Some(dockerd) = stores.dockerd() {
        let clear = || {
            stores.clear();
            dockerd.clear(image);
        };
        let taken = Pairs::take(pulls, clear, || dockerd.pull(image), || stores.pull(image));
        taken.print_ratio("  pull, beside dockerd", "<= x 0.5");
    }
    let parts = Parts::of(stores.pulled_layers(image));
    for (name, time) in parts.times() {
        row(&format!("    {name}"), &milliseconds(time), "", "", "");
    }
    let (name, slowest) = parts.slowest();
    let clear = || {
        stores.clear();
        images::parts::clear();
    };
    let taken = Pairs::take(pulls, clear, || slowest(&parts), || stores.pull(image));
    clear();
    taken.print_ratio(&format!("  pull, beside {name} alone"), "<= x 1.3");
}

fn on_disk(stores: &Stores, image: &str, pulls: u32) {
    stores.clear();
    stores.to_disk(true);
    let next = || stores.next();
    if let Some(podman) = stores.podman() {
        let taken = Pairs::take(pulls, next, || podman.pull(image), || stores.pull(image));
        taken.print_ratio("  pull on disk, beside podman", "");
    }
    let mut synced: Vec<Duration> = (0..pulls).filter_map(|_| stores.sync_of_a_pull(image)).collect();
    synced.sort();
    if let Some(median) = synced.get(synced.len() / 2) {
        row("    of that, hull waits for the disk", "", &milliseconds(*median), "", "");
    }
    stores.to_disk(false);
}

fn memory(stores: &Stores, image: &str) {
    stores.clear();
    let most = (0..3).map(|_| stores.memory_of_a_pull(image)).max().unwrap_or_default();
    row(
        "  memory of a pull, the most of three",
        "",
        "",
        &format!("{:.1} MB", most as f64 / 1000.0),
        "<= 60 MB",
    );
}

/// A pull of an image that is complete here, and the number of bytes that it downloaded.
fn again(stores: &Stores, image: &str, pairs: u32) {
    stores.clear();
    stores.pull(image);
    let before = stores.blobs_asked_for();
    let taken = Pairs::take(pairs, || {}, || {}, || stores.pull(image));
    let asked = stores.blobs_asked_for() - before;
    let median = taken.median(|p| p.1);
    row("  the same pull again", "", &milliseconds(median), &format!("{asked} blobs"), "<= 30 ms, 0 blobs");
}

fn commit(stores: &Stores, pairs: u32) {
    let Some((debian, _)) = stores.debian() else { return };
    let (small, large) = (stores.changed("busybox"), stores.changed(&debian));
    let taken = Pairs::take(pairs, || {}, || stores.commit(&small), || stores.commit(&large));
    taken.print_ratio("commit of a file: busybox, Debian", "<= x 1.3, <= 50 ms");
}

fn list(stores: &Stores, pairs: u32) {
    stores.two_hundred_images();
    let taken = Pairs::take(pairs, || {}, || {}, || stores.list());
    let median: Duration = taken.median(|p| p.1);
    row("images, with 200 of them", "", &milliseconds(median), "", "<= 10 ms");
}
