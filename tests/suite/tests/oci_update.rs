//! `hull-oci update`: every limit by itself and any two together, from whatever they were before.
//!
//! The expectations are those that runc 1.3 meets on the same kernel; what it cannot do there is not asked.

#[allow(dead_code, reason = "each suite uses its part")]
mod oci_fixture;

use oci_fixture::Fixture;
use serde_json::{Value, json};

const MB: i64 = 1 << 20;

/// An option, its value, and the file of v1 that must have a value then.
type Limit = (&'static str, &'static str, &'static str, &'static str);

const LIMITS: &[Limit] = &[
    ("--memory", "64m", "memory.limit_in_bytes", "67108864"),
    ("--memory", "-1", "memory.limit_in_bytes", "9223372036854771712"),
    ("--memory-reservation", "32m", "memory.soft_limit_in_bytes", "33554432"),
    ("--memory-swap", "512m", "memory.memsw.limit_in_bytes", "536870912"),
    ("--memory-swap", "-1", "memory.memsw.limit_in_bytes", "9223372036854771712"),
    ("--cpu-period", "50000", "cpu.cfs_period_us", "50000"),
    ("--cpu-quota", "20000", "cpu.cfs_quota_us", "20000"),
    ("--cpu-quota", "-1", "cpu.cfs_quota_us", "-1"),
    ("--cpu-burst", "10000", "cpu.cfs_burst_us", "10000"),
    ("--cpu-share", "512", "cpu.shares", "512"),
    ("--cpu-idle", "0", "cpu.idle", "0"),
    ("--cpuset-cpus", "0", "cpuset.cpus", "0"),
    ("--cpuset-mems", "0", "cpuset.mems", "0"),
    ("--pids-limit", "20", "pids.max", "20"),
    ("--pids-limit", "-1", "pids.max", "max"),
];

/// The container's own cgroup on v1. `None` on a machine that has v2 alone, which other tests cover.
struct Limited {
    w: Fixture,
    pid: i32,
}

impl Limited {
    fn start(resources: &Value) -> Option<Self> {
        let w = Fixture::start()?;
        if hull_test_support::cgroups::is_v2("memory") {
            hull_test_support::skip::skip("these are the files of cgroup v1");
            return None;
        }
        let mut config = w.config(&["sleep", "1000"]);
        config["linux"]["resources"] = resources.clone();
        w.bundle(&config);
        w.detached(&["run", "-d", "--bundle", "bundle", "box"]).ok();
        let pid = w.state("box")["pid"].as_i64().unwrap() as i32;
        Some(Self { w, pid })
    }

    fn read(&self, file: &str) -> String {
        let controller = file.split('.').next().unwrap();
        let directory = hull_test_support::cgroups::directory(self.pid, controller);
        std::fs::read_to_string(directory.join(file)).unwrap_or_default().trim().to_owned()
    }

    #[track_caller]
    fn update(&self, words: &[&str]) {
        let args = [&["update"], words, &["box"]].concat();
        self.w.oci(&args).ok();
    }

    #[track_caller]
    fn expect_file(&self, asked: &str, file: &str, value: &str) {
        assert_eq!(self.read(file), value, "{file} after {asked}");
    }
}

#[test]
fn every_limit_can_be_changed_alone_and_with_every_other() {
    let Some(box_) = Limited::start(&json!({"memory": {"limit": 128 * MB, "swap": 256 * MB}})) else {
        return;
    };
    for one in LIMITS {
        for other in LIMITS.iter().filter(|other| other.0 != one.0) {
            // In half of the cases the kernel would refuse one value: a swap limit below an unlimited memory limit, or a
            // burst above its quota.
            let words = [one.0, one.1, other.0, other.1];
            let is = |option: &str, value: &str| {
                one.0 == option && one.1 == value || other.0 == option && other.1 == value
            };
            if is("--memory", "-1") && is("--memory-swap", "512m")
                || is("--cpu-quota", "-1") && is("--cpu-burst", "10000")
            {
                continue;
            }
            // Each case begins with the same limits.
            box_.update(&["--memory-swap", "-1", "--memory", "128m"]);
            box_.update(&["--cpu-burst", "0", "--cpu-quota", "-1", "--cpu-period", "100000"]);
            box_.update(&["--memory-swap", "256m", "--cpu-quota", "40000", "--cpu-idle", "0"]);
            box_.update(&words);
            let asked = words.join(" ");
            box_.expect_file(&asked, one.2, one.3);
            box_.expect_file(&asked, other.2, other.3);
        }
    }
}

#[test]
fn memory_and_swap_go_up_and_down_and_away() {
    let Some(box_) = Limited::start(&json!({"memory": {"limit": 300 * MB, "swap": 500 * MB}})) else {
        return;
    };
    for (memory, swap) in [(600, 800), (100, 200), (64, 64), (128, 512)] {
        box_.update(&["--memory", &format!("{memory}M"), "--memory-swap", &format!("{swap}M")]);
        let bytes = |size: i64| (size * MB).to_string();
        box_.expect_file("both", "memory.limit_in_bytes", &bytes(memory));
        box_.expect_file("both", "memory.memsw.limit_in_bytes", &bytes(swap));
    }
    let unlimited = "9223372036854771712";
    box_.update(&["--memory", "-1"]);
    box_.expect_file("--memory -1", "memory.limit_in_bytes", unlimited);
    box_.expect_file("--memory -1, which has no swap limit either", "memory.memsw.limit_in_bytes", unlimited);
}

#[test]
fn a_quota_fits_its_parent_whichever_way_it_is_written() {
    let Some(box_) = Limited::start(&json!({"cpu": {"period": 1_000_000, "quota": 500_000}})) else { return };
    let own = hull_test_support::cgroups::directory(box_.pid, "cpu");
    std::fs::write(own.parent().unwrap().join("cpu.cfs_quota_us"), "50000").unwrap();
    // With the new period, the old quota would exceed half of the parent's.
    box_.update(&["--cpu-period", "10000", "--cpu-quota", "3000"]);
    box_.expect_file("less", "cpu.cfs_quota_us", "3000");
    box_.expect_file("less", "cpu.cfs_period_us", "10000");
    box_.w.oci(&["update", "--cpu-quota", "6000", "box"]).fails(1);
    box_.expect_file("too much", "cpu.cfs_quota_us", "3000");
    std::fs::write(own.parent().unwrap().join("cpu.cfs_quota_us"), "-1").unwrap();
}

#[test]
fn an_idle_container_keeps_being_limited() {
    let Some(box_) = Limited::start(&json!({"cpu": {"shares": 512, "quota": 50_000, "period": 100_000}}))
    else {
        return;
    };
    for idle in ["1", "0", "1", "1"] {
        box_.update(&["--cpu-idle", idle]);
        box_.expect_file("--cpu-idle", "cpu.idle", idle);
    }
    box_.w.oci(&["update", "--cpu-idle", "2", "box"]).fails(1);
    box_.update(&["--cpu-period", "10000"]);
    box_.expect_file("--cpu-period", "cpu.cfs_period_us", "10000");
    box_.expect_file("--cpu-period", "cpu.idle", "1");
    box_.update(&["--cpu-share", "256", "--cpu-idle", "0"]);
    box_.expect_file("--cpu-share", "cpu.shares", "256");
}

#[test]
fn a_cpuset_comes_later_and_holds_everybody() {
    let Some(box_) = Limited::start(&json!({})) else { return };
    box_.w.detached(&["exec", "-d", "box", "sleep", "999"]).ok();
    box_.update(&["--cpuset-cpus", "0"]);
    let own = hull_test_support::cgroups::directory(box_.pid, "cpuset");
    assert_eq!(std::fs::read_to_string(own.join("cgroup.procs")).unwrap().lines().count(), 2);
    assert_eq!(std::fs::read_to_string(own.join("cpuset.cpus")).unwrap(), "0\n");
    let told = box_.w.oci(&["exec", "box", "grep", "Cpus_allowed_list", "/proc/self/status"]);
    assert_eq!(told.ok(), "Cpus_allowed_list:\t0");
    box_.w.oci(&["delete", "-f", "box"]).ok();
    box_.w.assert_nothing_left();
}

#[test]
fn limits_are_read_as_go_reads_them() {
    let resources = json!({"cpu": {"shares": 512}, "CPU": {"Cpus": "0"}, "pids": {}});
    let Some(box_) = Limited::start(&resources) else { return };
    box_.expect_file("at the start", "cpuset.cpus", "0");
    box_.expect_file("at the start", "cpu.shares", "512");
    box_.expect_file("nothing", "pids.max", "max");
    let more = box_.w.write("more.json", &json!({"Pids": {"Limit": 0}, "CPU": {"Shares": 256}}));
    box_.update(&["--resources", &more]);
    box_.expect_file("a file", "cpu.shares", "256");
    // A container that runs has at least one process, so 0 is refused; systemd takes 0 as unset.
    box_.expect_file("0", "pids.max", "1");
}
