//! `compose up` and `down` that are killed at any moment, and the next one that finishes what they have begun.

#[path = "compose_up/project.rs"]
mod project;

use std::time::Duration;

use hull_test_support::Scenario;
use project::{Project, SLEEP};

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn file(version: u32) -> String {
    format!(
        "services:\n  db:\n    image: busybox\n    {SLEEP}\n    environment: {{V: '{version}'}}\n    volumes: [/data, named:/named]\n  \
         web:\n    image: busybox\n    {SLEEP}\n    scale: 2\n    environment: {{V: '{version}'}}\n    depends_on: {{db: {{condition: service_started, restart: true}}}}\n  \
         side:\n    image: busybox\n    {SLEEP}\n    network_mode: service:db\nvolumes:\n  named:\n"
    )
}

#[test]
fn an_up_that_was_killed_is_finished_by_the_next() {
    let Some(t) = Scenario::with_busybox() else { return };
    let p = Project::new(&t, "p", &file(0));
    let mut dice = Dice(17);
    p.ok(&["up", "-d"]);
    t.ok(&["exec", "p-db-1", "sh", "-c", "echo kept >/data/file"]);
    for round in 1..=50 {
        p.write(&file(round));
        let mut up = p.spawn(&["up", "-d"]);
        std::thread::sleep(Duration::from_micros(dice.below(120_000)));
        up.kill();
        up.wait();
        if round % 3 == 0 {
            // Nothing is lost if the files have changed in between, too.
            p.write(&file(1000 + round));
        }
        p.ok(&["up", "-d"]);
        assert_eq!(p.names(), ["p-db-1", "p-side-1", "p-web-1", "p-web-2"], "round {round}");
        let again = p.ok(&["up", "-d"]);
        assert!(!again.contains("Recreate") && !again.contains("Creating"), "round {round}: {again}");
        assert_eq!(t.ok(&["exec", "p-db-1", "cat", "/data/file"]), "kept", "round {round}");
        assert_eq!(t.ok(&["volume", "ls", "-q"]).lines().count(), 2, "round {round}");
    }
    for round in 0..10 {
        let mut down = p.spawn(&["down", "-t", "1", "-v"]);
        std::thread::sleep(Duration::from_micros(dice.below(150_000)));
        down.kill();
        down.wait();
        p.ok(&["down", "-t", "1", "-v"]);
        assert_eq!((p.ids(), t.ok(&["volume", "ls", "-q"])), (vec![], String::new()), "round {round}");
        assert!(!t.ok(&["network", "ls", "--format", "{{.Name}}"]).contains("p_default"), "round {round}");
        p.ok(&["up", "-d"]);
    }
    p.ok(&["down", "-t", "1", "-v"]);
}

#[test]
fn commands_of_one_project_at_the_same_time_wait_for_each_other() {
    let Some(t) = Scenario::with_busybox() else { return };
    let text = format!(
        "services:\n  db:\n    image: busybox\n    {SLEEP}\n    volumes: [/data, named:/named]\n  web:\n    image: busybox\n    \
         {SLEEP}\n    scale: 2\n    depends_on: [db]\nvolumes:\n  named:\n"
    );
    let p = Project::new(&t, "p", &text);
    let both = |one: &[&str], other: &[&str]| {
        let (one, other) = (p.spawn(one), p.spawn(other));
        (one.wait(), other.wait())
    };
    for round in 0..4 {
        let (one, other) = both(&["up", "-d"], &["up", "-d"]);
        assert!(one.success() && other.success(), "round {round}: {one}{other}");
        let (one, other) = both(&["up", "-d", "--force-recreate"], &["up", "-d", "--force-recreate"]);
        // One may replace what the other is about to start.
        assert!(one.success() || other.success(), "round {round}: {one}{other}");
        p.ok(&["up", "-d"]);
        assert_eq!(p.names(), ["p-db-1", "p-web-1", "p-web-2"], "round {round}");
        assert_eq!(t.ok(&["volume", "ls", "-q"]).lines().count(), 2, "round {round}");
        both(&["up", "-d", "--force-recreate"], &["down", "-t", "1", "-v"]);
        let (one, other) = both(&["down", "-t", "1", "-v"], &["down", "-t", "1", "-v"]);
        assert!(one.success() && other.success(), "round {round}: {one}{other}");
        assert_eq!((p.ids(), t.ok(&["volume", "ls", "-q"])), (vec![], String::new()), "round {round}");
    }
}

#[test]
fn a_hundred_services_come_up_and_go_down_though_commands_are_killed() {
    let Some(t) = Scenario::with_busybox() else { return };
    let service = |number: u32| format!("  s{number}:\n    image: busybox\n    {SLEEP}\n");
    let file = format!("services:\n{}", (0..100).map(service).collect::<String>());
    let p = Project::new(&t, "many", &file);
    let mut dice = Dice(4711);
    for round in 0..10 {
        let verb: &[&str] = if round % 2 == 0 { &["up", "-d"] } else { &["down", "-t", "1"] };
        let mut killed = p.spawn(verb);
        std::thread::sleep(Duration::from_micros(dice.below(1_500_000)));
        killed.kill();
        killed.wait();
        p.ok(&["up", "-d"]);
        let running = t.ok(&["ps", "-q"]);
        assert_eq!(running.lines().count(), 100, "round {round}");
        if round % 2 == 1 {
            p.ok(&["down", "-t", "1"]);
            assert_eq!(p.ids(), Vec::<String>::new(), "round {round}");
        }
    }
}
