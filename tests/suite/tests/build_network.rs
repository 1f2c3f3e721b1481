//! The network of RUN: the steps of a stage share a namespace, and nothing of it is left.

use std::collections::BTreeSet;

use hull_test_support::outcome::eventually;
use hull_test_support::{Outcome, Scenario};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

mod lan;
use lan::Lan;

/// Four steps in one stage and two in another one. Each prints the MAC addresses of its links, which the kernel or hull
/// chooses anew for each attachment.
const DOCKERFILE: &str = "\
FROM busybox AS first
RUN echo 1 mac=$(cat /sys/class/net/*/address | tr '\\n' ,)
RUN echo 2 mac=$(cat /sys/class/net/*/address | tr '\\n' ,)
RUN --network=none echo 3 mac=$(cat /sys/class/net/*/address | tr '\\n' ,)
RUN echo 4 mac=$(cat /sys/class/net/*/address | tr '\\n' ,)
FROM busybox
COPY --from=first /etc/passwd /
RUN echo 5 mac=$(cat /sys/class/net/*/address | tr '\\n' ,)
RUN echo 6 mac=$(cat /sys/class/net/*/address | tr '\\n' ,)
";

/// What step `number` has printed.
fn addresses(outcome: &Outcome, number: usize) -> &str {
    let found = outcome.stderr.split_whitespace().zip(outcome.stderr.split_whitespace().skip(1));
    let mut found = found
        .filter(|(at, text)| *at == number.to_string() && text.starts_with("mac=") && !text.contains('$'));
    found.next().unwrap_or_else(|| panic!("step {number} has printed nothing: {outcome}")).1
}

fn check(t: &Scenario) {
    t.write("context/Dockerfile", DOCKERFILE);
    let built = t.hull(&["build", "--progress", "plain", "context"]);
    built.ok();
    let [first, second, none, fourth, fifth, sixth] = [1, 2, 3, 4, 5, 6].map(|at| addresses(&built, at));
    // The first step of a stage does not know yet that there is another one.
    assert_eq!(second, fourth, "{built}");
    let others: BTreeSet<&str> = [first, second, none, fifth, sixth].into();
    assert_eq!(others.len(), 5, "{built}");
}

#[test]
fn the_steps_of_a_stage_share_a_network_namespace() {
    let Some(t) = Scenario::with_busybox() else { return };
    check(&t);
    // Nothing is leased any more, and no link is left: the scenario looks for those at its end.
    let containers = t.ok(&["network", "inspect", "bridge", "--format", "{{len .Containers}}"]);
    assert_eq!(containers, "0");
}

#[test]
fn so_do_the_steps_of_an_unprivileged_user() {
    let Some(lan) = Lan::of_unprivileged_user() else { return };
    check(&lan.t);
}

#[test]
fn the_shared_namespace_is_on_the_default_network() {
    let Some(t) = Scenario::with_busybox() else { return };
    let ping = "RUN ping -c 1 -W 5 172.17.0.1\n";
    t.write("context/Dockerfile", format!("FROM busybox\n{ping}{ping}{ping}"));
    let built = t.hull(&["build", "--progress", "plain", "context"]);
    assert_eq!(built.stderr.matches(" 0% packet loss").count(), 3, "{built}");
}

#[test]
fn a_killed_build_leaves_no_network() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("context/Dockerfile", "FROM busybox\nRUN true\nRUN true\nRUN sleep 100\n");
    for signal in [Signal::SIGKILL, Signal::SIGINT] {
        let builder = t.spawn(&["build", "--no-cache", "context"]);
        eventually("the last step runs", || t.traces().iter().any(|trace| trace.contains("sleep")));
        kill(Pid::from_raw(builder.pid()), signal).unwrap();
        builder.wait();
        eventually("its holder has ended", || {
            t.ok(&["network", "inspect", "bridge", "--format", "{{len .Containers}}"]) == "0"
                && std::fs::read_dir(t.data_root().join("containers")).unwrap().count() == 0
        });
    }
}
