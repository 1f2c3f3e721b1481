//! Dockerfiles that attack the machine that builds them.

use std::fs;

use hull_test_support::{Outcome, Scenario};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

fn build(t: &Scenario, dockerfile: &str) -> Outcome {
    t.write("context/Dockerfile", dockerfile);
    t.hull(&["build", "--network", "none", "--progress", "plain", "--no-cache", "-t", "built", "context"])
}

#[test]
fn no_descriptor_of_the_builder_reaches_a_step() {
    // CVE-2024-21626: a working directory below a leaked descriptor is a directory of the host.
    let Some(t) = Scenario::with_busybox() else { return };
    let marker = t.write("marker-of-the-host", "");
    let marker = marker.strip_prefix("/").unwrap().display();
    for descriptor in 3..12 {
        let dockerfile = format!(
            "FROM busybox\nWORKDIR /proc/self/fd/{descriptor}\n\
             RUN test ! -e {marker} && test ! -e ../../../../{marker} && test ! -e /proc/self/cwd/../../{marker}\n"
        );
        let built = build(&t, &dockerfile);
        assert!(!built.stderr.contains("exit code: 1"), "descriptor {descriptor}: {built}");
    }
    let built =
        build(&t, "FROM busybox\nRUN ls /proc/self/fd | tr '\\n' ' '; ls /proc/1/fd | tr '\\n' ' '\n");
    built.ok();
    assert!(built.stderr.contains(" 0 1 2 3 0 1 2 "), "{built}");
}

#[test]
fn a_symlink_in_a_cache_leads_nowhere() {
    // CVE-2024-23651: a part of a cache is replaced by a symlink before it is mounted.
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("host/secret", "not for steps");
    let host = t.path("host");
    let up = "../".repeat(20);
    for target in [host.display().to_string(), format!("{up}{}", host.display()), "/proc/1/root".into()] {
        let dockerfile = format!(
            "FROM busybox\n\
             RUN --mount=type=cache,target=/c,id=x rm -f /c/sub; ln -s {target} /c/sub\n\
             RUN --mount=type=cache,target=/c,id=x,source=sub ls /c; cat /c/secret; touch /c/written\n"
        );
        let failed = build(&t, &dockerfile);
        assert!(!failed.stderr.contains("not for steps"), "{failed}");
        assert_eq!(fs::read_dir(&host).unwrap().count(), 1, "{failed}");
        assert!(failed.fails(1).contains("Dockerfile:3"));
    }
}

#[test]
fn a_step_that_fills_the_disk_fails_and_leaves_room() {
    let Some(t) = Scenario::start() else { return };
    let data = t.data_root();
    fs::create_dir_all(&data).unwrap();
    mount("tmpfs", &data, "tmpfs", MountFlags::empty(), c"size=48m,mode=700").unwrap();
    t.busybox();
    let failed = build(&t, "FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M\n");
    let error = failed.fails(1);
    assert!(error.contains("No space left on device") && error.contains("Dockerfile:2"), "{error}");
    // Here the step fits, and its tar does not.
    let error = build(&t, "FROM busybox\nRUN head -c 30000000 /dev/urandom > /big\n").fails(1).to_owned();
    assert!(
        error.to_lowercase().contains("no space left on device") && error.contains("Dockerfile:2"),
        "{error}"
    );
    build(&t, "FROM busybox\nRUN head -c 9000000 /dev/urandom > /big\n").ok();
    assert_eq!(fs::read_dir(data.join("containers")).unwrap().count(), 0);
    unmount(&data, UnmountFlags::DETACH).unwrap();
}

#[test]
fn a_step_cannot_have_all_processes_of_the_machine() {
    let Some(t) = Scenario::with_busybox() else { return };
    let built =
        build(&t, "FROM busybox\nRUN cat /sys/fs/cgroup/pids/pids.max || cat /sys/fs/cgroup/pids.max\n");
    built.ok();
    let limit = built.stderr.split_whitespace().filter_map(|word| word.parse::<u32>().ok()).max().unwrap();
    assert!((1000..=32_768).contains(&limit), "{built}");
}
