//! The table of `hull compose`, beside Docker Compose v2 on dockerd.
//!
//! dockerd has a network namespace of its own. Both make networks of their own for each project.

#[path = "common/mod.rs"]
mod common;

use std::path::Path;

use common::clients::{COMPOSE_FLAGS, Compose, waiting_services};
use common::dockerd::Peer;
use common::pairs::{Pairs, count, milliseconds, row};
use common::succeed;
use hull_test_support::Scenario;

/// With an init process, a container ends on SIGTERM at once.
const INIT: &[&str] = &["init: true"];

fn main() {
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    // The program is installed before the scenario enters a network namespace without routes.
    let Some(compose) = Compose::install() else { return };
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(peer) = Peer::start(&t) else { return };
    let project = waiting_services(&t, 20, INIT);
    let docker = |words: &[&str]| compose.run(peer.socket(), &project, words);
    let hull = |words: &[&str]| run_hull(&t, &project, words);
    row("what (medians)", "Compose", "hull", "", "target");

    let pairs = count().div_ceil(10);
    let config = Pairs::take(count(), || {}, || docker(&["config", "-q"]), || hull(&["config", "-q"]));
    config.print_ratio("config -q of twenty services", "<= x 0.1");

    let both = |words: &[&str]| {
        docker(words);
        hull(words);
    };
    let down = || both(&["down", "-t", "0"]);
    let up = Pairs::take(pairs, down, || docker(&["up", "-d"]), || hull(&["up", "-d"]));
    up.print_ratio("up -d of twenty services on one network", "<= x 0.1");

    let up = || both(&["up", "-d"]);
    up();
    let again = Pairs::take(count().div_ceil(5), || {}, || docker(&["up", "-d"]), || hull(&["up", "-d"]));
    again.print_ratio("up -d again with nothing to do", "<= x 0.05");

    let down = Pairs::take(pairs, up, || docker(&["down", "-t", "1"]), || hull(&["down", "-t", "1"]));
    down.print_ratio("down -t 1 of the same, with init: true", "<= x 0.3");
    docker(&["down", "-t", "0"]);

    hundred(&t, pairs);
}

/// hull alone: what one service of a hundred costs, beside one of twenty.
fn hundred(t: &Scenario, pairs: u32) {
    let (twenty, hundred) = (waiting_services(t, 20, INIT), waiting_services(t, 100, INIT));
    let down = || [&twenty, &hundred].iter().for_each(|project| run_hull(t, project, &["down", "-t", "0"]));
    let up = |project: &Path| run_hull(t, project, &["up", "-d"]);
    let taken = Pairs::take(pairs, down, || up(&twenty), || up(&hundred));
    let ratio = taken.median(|(few, many)| many.as_secs_f64() / few.as_secs_f64() / 5.0);
    row(
        "up -d, time for each service: 20, then 100",
        &milliseconds(taken.median(|pair| pair.0) / 20),
        &milliseconds(taken.median(|pair| pair.1) / 100),
        &format!("x {ratio:.2}"),
        "<= x 1.3",
    );
    down();
}

fn run_hull(t: &Scenario, project: &Path, words: &[&str]) {
    let project = project.to_str().expect("own directory");
    succeed(&mut t.command(&[&["compose"], COMPOSE_FLAGS.as_slice(), &["-f", project], words].concat()));
}
