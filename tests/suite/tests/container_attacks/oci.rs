//! The same attacks on `hull-oci`: exec, and a container that is created in the pid namespace of another.

use std::process::Stdio;

use hull_test_support::outcome;
use serde_json::json;

use crate::oci_fixture::Fixture;
use crate::watched::{SECRET, TIMES, namespaces};

#[test]
fn hull_oci_shows_nothing_that_the_container_does_not_have() {
    let Some(w) = Fixture::start() else { return };
    let Some(()) = w.compile("watcher", include_str!("watcher.c")) else { return };
    w.write("hosts-own", &json!("of the host's root alone"));
    let file = w.path("hosts-own").display().to_string();
    let host = namespaces();
    let backwards: String = SECRET.chars().rev().collect();
    let words = [&["/watcher", &file, &backwards], &host.each_ref().map(String::as_str)[..]].concat();
    let mut config = w.config(&words);
    let rights = json!(["CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_CHOWN"]);
    config["process"]["capabilities"] = json!({"bounding": rights, "effective": rights, "permitted": rights});
    config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "cgroup"}));
    config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["acct"], "action": "SCMP_ACT_ERRNO"}]});
    w.bundle(&config);
    w.detached(&["run", "-d", "--bundle", "bundle", "watch"]).ok();
    let quiet = |args: &[&str]| {
        let mut command = w.command(args);
        let status = command.env("SECRET", SECRET).stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.unwrap().success(), "{args:?}");
    };
    let pid = w.state("watch")["pid"].to_string();
    config["process"]["args"] = json!(["true"]);
    config["linux"]["cgroupsPath"] = json!(format!("{}/other", w.cgroup_parent()));
    config["linux"]["namespaces"][0] = json!({"type": "pid", "path": format!("/proc/{pid}/ns/pid")});
    w.bundle(&config);
    for _ in 0..TIMES {
        outcome::run(w.command(&["exec", "watch", "true"]).env("SECRET", SECRET)).ok();
        quiet(&["create", "--bundle", "bundle", "other"]);
        quiet(&["start", "other"]);
        quiet(&["delete", "--force", "other"]);
    }
    quiet(&["delete", "--force", "watch"]);
    let log = w.output();
    assert!(!log.contains("LEAK") && log.contains("SEEN"), "{log}");
    w.assert_nothing_left();
}
