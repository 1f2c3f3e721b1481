//! `doctor`: what it prints is true of this machine.

use hull_test_support::Scenario;
use serde_json::Value;

/// What `doctor` found under a name.
fn found<'a>(findings: &'a [Value], name: &str) -> &'a Value {
    findings.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no finding {name}"))
}

#[test]
fn what_containers_use_here_works_and_each_gap_has_a_reason_and_a_fix() {
    let Some(t) = Scenario::start() else { return };
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    let findings: Vec<Value> = serde_json::from_str(&t.ok(&["doctor", "--format", "json"])).unwrap();
    assert_eq!(mounts(), before, "nothing is left behind");
    for name in
        ["mount", "pid", "network", "seccomp filters", "hierarchy", "overlay", "bridge", "veth", "nftables"]
    {
        assert_eq!(found(&findings, name)["works"], true, "{name} works in every other test");
    }
    for one in &findings {
        let is_explained = one["why"].is_string() && one["fix"].is_string();
        assert_eq!(one["works"] == false, is_explained, "{one}");
    }
    // Beside v1, the controller may be the one of v2.
    let of_v2 =
        |mount: &str| std::fs::read_to_string(format!("{mount}/cgroup.controllers")).unwrap_or_default();
    let has_hugetlb = std::path::Path::new("/sys/fs/cgroup/hugetlb").exists()
        || ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].iter().any(|mount| of_v2(mount).contains("hugetlb"));
    assert_eq!(found(&findings, "hugetlb")["works"], has_hugetlb);
    let text = t.ok(&["doctor"]);
    assert!(text.contains("Everything that containers need is there."), "{text}");
    assert!(text.lines().any(|line| line.starts_with("  ok ") && line.contains(" overlay ")), "{text}");
    // A program that is not in the search path is missing. Nothing needs it, so the command succeeds.
    let mut command = t.command(&["doctor", "--format=json"]);
    let output = command.env("PATH", "/nowhere").output().unwrap();
    assert!(output.status.success());
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found(&findings, "ps")["works"], false);
}

#[test]
fn something_needed_that_is_missing_is_the_exit_code() {
    let Some(t) = Scenario::start() else { return };
    // No container starts without a network namespace.
    let limit = "/proc/sys/user/max_net_namespaces";
    let before = std::fs::read_to_string(limit).unwrap();
    let mut command = std::process::Command::new("unshare");
    let script = format!("echo 0 > {limit} && exec \"$@\"");
    // The limit is set in a user namespace, which has limits of its own.
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
    let inner = t.command(&["doctor"]);
    command.arg(inner.get_program()).args(inner.get_args());
    let output = command.output().unwrap();
    assert_eq!(std::fs::read_to_string(limit).unwrap(), before, "the machine's own limit stays");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("  MISSING  network"), "{text}");
    assert!(text.contains("missing.\n"), "{text}");
}
