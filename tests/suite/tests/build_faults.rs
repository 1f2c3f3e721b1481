//! A build that is killed or interrupted at any moment leaves nothing but cache, and the next one works.

use std::time::Instant;

use hull_test_support::Scenario;
use hull_test_support::outcome::eventually;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const ROUNDS: u32 = 50;

/// Every kind of step, and two stages beside each other. The argument makes each build another one.
const DOCKERFILE: &str = "FROM busybox AS one\nARG ROUND\nRUN echo $ROUND > /one && head -c 1m /dev/zero > /zeros\n\
    FROM busybox AS two\nARG ROUND\nCOPY files /files\nRUN --mount=type=cache,target=/cache echo $ROUND >> /cache/log\n\
    FROM busybox\nCOPY --from=one /one /\nCOPY --from=two /files /files\nWORKDIR /work\nRUN rm -r /files/0\n";

fn prepared() -> Option<Scenario> {
    let scenario = Scenario::with_busybox()?;
    scenario.write("context/Dockerfile", DOCKERFILE);
    for number in 0..20 {
        scenario.write(&format!("context/files/{number}/file"), number.to_string());
    }
    Some(scenario)
}

fn words(round: &str) -> Vec<String> {
    let words = ["build", "-q", "-t", "app", "--build-arg", round, "context"];
    words.iter().map(|word| word.to_string()).collect()
}

/// Starts builds, and sends each of them the signal after another part of the time that a whole one takes.
fn interrupted(name: &str, signal: Signal) {
    let Some(scenario) = prepared() else { return };
    let build = |round: &str| {
        let words = words(round);
        scenario.hull(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let began = Instant::now();
    build(&format!("ROUND={name}-whole")).ok();
    let whole = began.elapsed();
    for round in 0..ROUNDS {
        let text = format!("ROUND={name}-{round}");
        let words = words(&text);
        let running = scenario.spawn(&words.iter().map(String::as_str).collect::<Vec<_>>());
        std::thread::sleep(whole * round / ROUNDS);
        let _ = kill(Pid::from_raw(running.pid()), signal);
        running.wait();
        let next = build(&text);
        assert!(next.success(), "after {signal} in round {round}: {next}");
    }
    // Nothing waits for a removal that nobody does any more.
    build(&format!("ROUND={name}-last")).ok();
    let containers = scenario.ok(&["ps", "-aq"]);
    assert_eq!(containers, "", "a build leaves no containers");
    eventually("nothing is left", || scenario.traces().is_empty());
    // All that is left is cache, which can be removed.
    scenario.ok(&["rmi", "app"]);
    scenario.ok(&["builder", "prune", "-a", "-f"]);
    let checked = scenario.hull(&["system", "check"]);
    assert!(checked.success(), "the store is sound: {checked}");
}

#[test]
fn kill_9_at_any_moment_leaves_nothing_but_cache() {
    interrupted("killed", Signal::SIGKILL);
}

#[test]
fn ctrl_c_at_any_moment_leaves_nothing_but_cache() {
    interrupted("interrupted", Signal::SIGINT);
}
