//! Two hundred containers, each checked every second.

use hull_test_support::Scenario;
use hull_test_support::outcome::eventually;
use serde_json::Value;

const CONTAINERS: usize = 200;

#[test]
fn two_hundred_containers_are_checked_every_second() {
    let Some(t) = Scenario::with_busybox() else { return };
    let names: Vec<String> = (0..CONTAINERS).map(|number| format!("box{number}")).collect();
    for name in &names {
        let check = ["--health-cmd", "true", "--health-interval", "1s"];
        let words = ["run", "-d", "--network", "none", "--name", name];
        t.ok(&[&words[..], &check, &["busybox", "sleep", "300"]].concat());
    }
    let words: Vec<&str> = ["inspect", "-f", "{{json .State.Health}}"]
        .into_iter()
        .chain(names.iter().map(String::as_str))
        .collect();
    let all = || -> Vec<Value> {
        t.ok(&words).lines().map(|line| serde_json::from_str(line).expect("inspect prints JSON")).collect()
    };
    let is_full = |health: &Value| health["Log"].as_array().is_some_and(|log| log.len() == 5);
    eventually("each was checked five times", || all().iter().all(is_full));
    let mut gaps = Vec::new();
    for health in all() {
        assert_eq!((&health["Status"], &health["FailingStreak"]), (&"healthy".into(), &0.into()), "{health}");
        let log = health["Log"].as_array().unwrap();
        gaps.extend(
            log.windows(2).map(|two| (time_of_day(&two[1]) - time_of_day(&two[0])).rem_euclid(86_400.0)),
        );
    }
    gaps.sort_unstable_by(f64::total_cmp);
    // The interval begins at the end of the previous check.
    assert!(gaps[0] >= 1.0, "{} s", gaps[0]);
    let median = gaps[gaps.len() / 2];
    assert!(median < 1.5, "checks come late: {median} s");
    // One check at a time: each monitor has at most one child that makes a check.
    let monitor = t.monitor_of("box0");
    let children = std::fs::read_to_string(format!("/proc/{monitor}/task/{monitor}/children")).unwrap();
    assert!(children.split_whitespace().count() <= 3, "{children}");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    t.ok(&[&["rm", "-f"], &names[..]].concat());
}

/// Seconds since midnight of a result's `Start`.
fn time_of_day(result: &Value) -> f64 {
    let text = result["Start"].as_str().expect("a time");
    let (_, time) = text.split_once('T').expect("RFC 3339");
    let numbers =
        time.trim_end_matches('Z').split(':').map(|number| number.parse::<f64>().expect("a number"));
    numbers.fold(0.0, |seconds, number| seconds * 60.0 + number)
}
