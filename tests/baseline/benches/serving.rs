//! The table of docker's API: `hull serve` beside dockerd, asked in turn by the same clients.
//!
//! dockerd has a network namespace of its own. Both start containers on their default networks, unless a row says otherwise.

#[path = "common/mod.rs"]
mod common;
mod serving {
    pub mod requests;
}

use std::path::Path;
use std::time::Duration;

use common::clients::{Compose, Docker, waiting_services};
use common::dockerd::Peer;
use common::memory;
use common::pairs::{Pairs, count, row};
use hull_test_support::Scenario;
use hull_test_support::http::{Api, Client};
use serving::requests::{create, throughput};

/// How many containers are listed.
const LISTED: u32 = 200;

/// Long enough for the pool of workers to be full again.
const PAUSE: Duration = Duration::from_millis(3);

/// How many clients are connected when the memory for each is measured.
const CONNECTED: u64 = 10;

fn main() {
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    // The programs are installed before the scenario enters a network namespace without routes.
    let compose = Compose::install();
    let Some(t) = Scenario::with_busybox() else { return };
    let hull = Api::start(&t);
    let memory = measure_memory(&hull);
    let Some(peer) = Peer::start(&t) else { return };
    row("what (medians)", "dockerd", "hull", "", "target");
    ping(peer.socket(), hull.socket());
    lifecycle(peer.socket(), hull.socket());
    command_line(peer.socket(), hull.socket());
    if let Some(compose) = compose {
        up(&t, &compose, peer.socket(), hull.socket());
    }
    carried(peer.socket(), hull.socket());
    list(peer.socket(), hull.socket());
    memory.print();
}

/// A new connection each time, made when workers are ready.
fn ping(dockerd: &Path, hull: &Path) {
    let ask = |socket: &Path| assert_eq!(Client::new(socket).get("/_ping").status, 200);
    let pause = || std::thread::sleep(PAUSE);
    let taken = Pairs::take(count() * 4, pause, || ask(dockerd), || ask(hull));
    taken.print_ratio("_ping on a new connection", "<= 0.5 ms, <= x 1.0");
}

/// On one connection that is kept.
fn lifecycle(dockerd: &Path, hull: &Path) {
    let run = |client: &mut Client| {
        let id = create(client, &["/bin/true"], "default");
        assert_eq!(client.post(&format!("/containers/{id}/start")).status, 204);
        assert_eq!(client.post(&format!("/containers/{id}/wait")).ok(200)["StatusCode"], 0);
        assert_eq!(client.delete(&format!("/containers/{id}")).status, 204);
    };
    let (mut of_dockerd, mut of_hull) = (Client::new(dockerd), Client::new(hull));
    let taken = Pairs::take(count().div_ceil(2), || {}, || run(&mut of_dockerd), || run(&mut of_hull));
    taken.print_ratio("create, start, wait, delete of /bin/true", "<= x 0.1");
}

fn command_line(dockerd: &Path, hull: &Path) {
    let Some(docker) = Docker::find() else { return };
    let run = |socket: &Path| docker.run(socket, &["run", "--rm", "busybox", "/bin/true"]);
    let taken = Pairs::take(count().div_ceil(4), || {}, || run(dockerd), || run(hull));
    taken.print_ratio("docker run --rm", "<= x 0.3");
}

/// `up -d` of twenty services. The time of `down` does not count.
fn up(t: &Scenario, compose: &Compose, dockerd: &Path, hull: &Path) {
    let project = waiting_services(t, 20, &["stop_signal: SIGKILL"]);
    let down =
        || [dockerd, hull].iter().for_each(|socket| compose.run(socket, &project, &["down", "-t", "0"]));
    let up = |socket: &Path| compose.run(socket, &project, &["up", "-d", "--quiet-pull"]);
    let taken = Pairs::take(count().div_ceil(20), down, || up(dockerd), || up(hull));
    taken.print_ratio("compose up -d of twenty services", "<= x 0.4");
    down();
}

/// What a program writes, over attach and out of the log.
fn carried(dockerd: &Path, hull: &Path) {
    for (what, take) in [
        ("attach", throughput::attach as fn(&Path) -> f64),
        ("logs of 50 MB", throughput::logs as fn(&Path) -> f64),
    ] {
        let mut rates: Vec<(f64, f64)> = (0..5).map(|_| (take(dockerd), take(hull))).collect();
        rates.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
        let (of_dockerd, of_hull) = rates[rates.len() / 2];
        let rate = |rate: f64| format!("{rate:.0} MB/s");
        row(what, &rate(of_dockerd), &rate(of_hull), &format!("x {:.2}", of_hull / of_dockerd), ">= x 1.0");
    }
}

fn list(dockerd: &Path, hull: &Path) {
    let (mut of_dockerd, mut of_hull) = (Client::new(dockerd), Client::new(hull));
    for client in [&mut of_dockerd, &mut of_hull] {
        (0..LISTED).for_each(|_| drop(create(client, &["/bin/true"], "none")));
    }
    let ask = |client: &mut Client| {
        let list = client.get("/containers/json?all=1").ok(200);
        assert!(list.as_array().is_some_and(|list| list.len() >= LISTED as usize));
    };
    let taken = Pairs::take(count(), || {}, || ask(&mut of_dockerd), || ask(&mut of_hull));
    taken.print_ratio("GET /containers/json with 200 containers", "<= x 0.5");
}

/// Kilobytes.
struct Memory {
    listening: u64,
    a_connection: u64,
}

/// The server with its ready workers, and with clients that have asked something.
fn measure_memory(hull: &Api) -> Memory {
    // A server to which nothing happens for a second gives back what it does not need.
    std::thread::sleep(Duration::from_millis(1500));
    let listening = memory::of_tree(hull.pid().unsigned_abs());
    let mut clients: Vec<Client> = (0..CONNECTED).map(|_| hull.client()).collect();
    for client in &mut clients {
        client.get("/containers/json?all=1").ok(200);
        client.get("/info").ok(200);
    }
    let served = memory::of_tree(hull.pid().unsigned_abs());
    Memory { listening, a_connection: served.saturating_sub(listening) / CONNECTED }
}

impl Memory {
    fn print(&self) {
        let megabytes = |kilobytes: u64| format!("{:.2} MB", kilobytes as f64 / 1000.0);
        row("memory (PSS) of a server that listens", "", &megabytes(self.listening), "", "<= 3 MB");
        row("  for each connection", "", &megabytes(self.a_connection), "", "<= 2 MB");
    }
}
