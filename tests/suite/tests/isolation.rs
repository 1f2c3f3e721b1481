//! A container can see and do exactly what docker's containers can.

use std::process::Command;

use hull_test_support::outcome::{run, wrapped};
use hull_test_support::{Scenario, program, skip};

/// Returns the output of `run --rm busybox sh -c script`.
#[track_caller]
fn sh(t: &Scenario, options: &[&str], script: &str) -> String {
    let mut args = vec!["run", "--rm"];
    args.extend(options);
    args.extend(["busybox", "sh", "-c", script]);
    t.ok(&args)
}

/// The value of one line of /proc/PID/status inside.
#[track_caller]
fn status(t: &Scenario, options: &[&str], field: &str) -> String {
    sh(t, options, &format!("grep '^{field}:' /proc/self/status"))
        .split_whitespace()
        .nth(1)
        .unwrap()
        .to_owned()
}

#[test]
fn the_program_is_pid_1_under_another_hostname() {
    let Some(t) = Scenario::with_busybox() else { return };
    assert_eq!(sh(&t, &[], "echo $$"), "1");
    let hostname = sh(&t, &[], "hostname");
    assert_eq!(hostname.len(), 12, "the short id: {hostname}");
    assert_ne!(hostname, std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim());
    assert_eq!(sh(&t, &["-h", "harbour"], "hostname; cat /etc/hostname"), "harbour\nharbour");
}

#[test]
fn only_the_containers_processes_and_mounts_are_seen() {
    let Some(t) = Scenario::with_busybox() else { return };
    let pids = sh(&t, &[], "ls -d /proc/[0-9]* | wc -l");
    assert!(pids.parse::<u32>().unwrap() <= 4, "{pids} processes");
    let mounts = sh(&t, &[], "cat /proc/self/mounts");
    let host = t.path("");
    assert!(
        !mounts.lines().any(|l| l.split(' ').nth(1).unwrap().starts_with(host.to_str().unwrap())),
        "{mounts}"
    );
    for wanted in ["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"] {
        assert!(
            mounts.lines().any(|l| l.split(' ').nth(1) == Some(wanted)),
            "{wanted} is missing:\n{mounts}"
        );
    }
}

#[test]
fn every_namespace_is_the_containers_own() {
    let Some(t) = Scenario::with_busybox() else { return };
    for kind in ["pid", "mnt", "uts", "ipc", "net", "cgroup"] {
        let inside = sh(&t, &[], &format!("readlink /proc/self/ns/{kind}"));
        let outside = std::fs::read_link(format!("/proc/thread-self/ns/{kind}")).unwrap();
        assert_ne!(inside, outside.to_str().unwrap(), "{kind} is shared with the machine");
    }
}

#[test]
fn capabilities_are_dockers_fourteen() {
    let Some(t) = Scenario::with_busybox() else { return };
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(status(&t, &[], set), "00000000a80425fb", "{set}");
    }
    assert_eq!(status(&t, &[], "CapAmb"), "0000000000000000");
    assert_eq!(status(&t, &["--cap-drop", "ALL"], "CapEff"), "0000000000000000");
    assert_eq!(status(&t, &["--cap-drop", "all", "--cap-add", "chown"], "CapEff"), "0000000000000001");
    assert_eq!(status(&t, &["--cap-add", "SYS_PTRACE"], "CapEff"), "00000000a80c25fb");
    assert_eq!(status(&t, &["-u", "1000"], "CapEff"), "0000000000000000", "a user has none");
}

#[test]
fn a_seccomp_filter_is_loaded_unless_it_is_turned_off() {
    let Some(t) = Scenario::with_busybox() else { return };
    assert_eq!(status(&t, &[], "Seccomp"), "2");
    assert_eq!(status(&t, &["--security-opt", "seccomp=unconfined"], "Seccomp"), "0");
    let refused = t.hull(&["run", "--rm", "busybox", "unshare", "-U", "true"]);
    assert!(!refused.success() && refused.stderr.contains("not permitted"), "{refused}");
}

#[test]
fn a_seccomp_policy_of_the_users_own_is_obeyed() {
    let Some(t) = Scenario::with_busybox() else { return };
    let policy = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
        {"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]}"#;
    let file = t.write("policy.json", policy);
    let option = format!("seccomp={}", file.display());
    let refused = t.hull(&["run", "--rm", "--security-opt", &option, "busybox", "mkdir", "/tmp/d"]);
    assert!(!refused.success() && refused.stderr.contains("not supported"), "{refused}");
}

#[test]
fn an_unprivileged_user_inside_may_ping_and_bind_low_ports() {
    let Some(t) = Scenario::with_busybox() else { return };
    let range =
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range; id -G";
    let printed = t.ok(&["run", "--rm", "-u", "worker", "busybox", "sh", "-c", range]);
    assert_eq!(printed, "0\n0\t2147483647\n1000 2000");
    assert_eq!(t.ok(&["run", "--rm", "busybox", "id", "-G"]), "0");
}

#[test]
fn no_new_privileges_is_set_when_asked() {
    let Some(t) = Scenario::with_busybox() else { return };
    assert_eq!(status(&t, &[], "NoNewPrivs"), "0");
    assert_eq!(status(&t, &["--security-opt", "no-new-privileges"], "NoNewPrivs"), "1");
}

#[test]
fn what_docker_masks_is_masked() {
    let Some(t) = Scenario::with_busybox() else { return };
    for file in ["/proc/keys", "/proc/timer_list", "/proc/kcore", "/proc/sched_debug"] {
        assert_eq!(sh(&t, &[], &format!("cat {file} 2>/dev/null | wc -c")), "0", "{file} is readable");
    }
    for dir in ["/proc/acpi", "/proc/scsi", "/sys/firmware"] {
        assert_eq!(sh(&t, &[], &format!("ls {dir} 2>/dev/null | wc -l")), "0", "{dir} is visible");
    }
    for file in
        ["/proc/sys/kernel/domainname", "/proc/sysrq-trigger", "/sys/kernel/mm/transparent_hugepage/enabled"]
    {
        let script = format!("! test -e {file} || ! (echo x > {file}) 2>/dev/null");
        sh(&t, &[], &script);
    }
    let mounts = sh(&t, &[], "grep ' /sys ' /proc/self/mounts");
    assert!(mounts.split(' ').nth(3).unwrap().split(',').any(|o| o == "ro"), "{mounts}");
}

#[test]
fn privileged_takes_all_of_it_away() {
    let Some(t) = Scenario::with_busybox() else { return };
    assert_eq!(status(&t, &["--privileged"], "Seccomp"), "0");
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|l| l.strip_prefix("CapBnd:")).unwrap().trim().to_owned();
    assert_eq!(status(&t, &["--privileged"], "CapEff"), own, "all that the caller may give");
    sh(&t, &["--privileged"], "mount -t tmpfs none /tmp && test -w /sys");
}

#[test]
fn no_descriptor_of_the_caller_gets_in() {
    let Some(t) = Scenario::with_busybox() else { return };
    let hull = t.command(&["run", "--rm", "busybox", "ls", "-l", "/proc/self/fd"]);
    // The shell leaves a directory of the machine open over exec.
    let script = "exec 7</ 9</etc/passwd; exec \"$0\" \"$@\"";
    let mut shell = wrapped(&["sh", "-c", script], &hull);
    let listing = run(&mut shell).ok().to_owned();
    let numbers: Vec<_> = listing
        .lines()
        .filter(|l| l.starts_with('l'))
        .filter_map(|l| l.split(" -> ").next()?.split_whitespace().last()?.parse::<u32>().ok())
        .collect();
    assert_eq!(numbers, [0, 1, 2, 3], "3 is the directory being listed:\n{listing}");
}

#[test]
fn a_directory_descriptor_as_working_directory_is_refused() {
    let Some(t) = Scenario::with_busybox() else { return };
    // CVE-2024-21626: a working directory that names an inherited descriptor of the machine.
    for fd in 3..12 {
        let directory = format!("/proc/self/fd/{fd}");
        let outcome = t.hull(&["run", "--rm", "-w", &directory, "busybox", "ls", "../../../../../../../"]);
        assert!(
            !outcome.stdout.contains("vmlinuz") && !outcome.stdout.contains("boot"),
            "fd {fd}: {outcome}"
        );
    }
}

#[test]
fn no_descriptor_leads_a_program_name_out_of_the_container() {
    let Some(t) = Scenario::with_busybox() else { return };
    let victim = t.path("busybox-outside");
    std::fs::copy(hull_test_support::skip::find_program("busybox").unwrap(), &victim).unwrap();
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    for fd in 3..24 {
        // A descriptor closed by execve(2) is still open while the kernel looks for the program.
        let outside = format!("/proc/self/fd/{fd}/../../../../../../../../..{}", victim.display());
        let run = t.hull(&["run", "--rm", "busybox", &outside, "echo", "escaped"]);
        assert!(!run.success() && !run.stdout.contains("escaped"), "run, {fd}: {run}");
        t.ok(&["exec", "box", "ln", "-sf", &outside, "/bin/busybox-tool"]);
        let exec = t.hull(&["exec", "box", "busybox-tool", "echo", "escaped"]);
        assert!(!exec.success() && !exec.stdout.contains("escaped"), "exec, {fd}: {exec}");
    }
}

/// Runs `option…` on an image with `entry` as its entrypoint; the binary under test must not have changed.
fn assert_binary_untouched(t: &Scenario, args: &[&str]) {
    let before = std::fs::read(hull_test_support::program::hull()).unwrap();
    let outcome = t.hull(args);
    let after = std::fs::read(hull_test_support::program::hull()).unwrap();
    assert!(before == after, "the binary was written to by {outcome}");
}

#[test]
fn hulls_own_binary_cannot_be_written_from_inside() {
    let Some(t) = Scenario::with_busybox() else { return };
    let overwrite = "for p in /proc/[0-9]*/exe; do (echo x >> $p) 2>/dev/null; done; true";
    t.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", &format!("while :; do {overwrite}; done")]);
    for _ in 0..5 {
        assert_binary_untouched(&t, &["exec", "box", "true"]);
        assert_binary_untouched(&t, &["exec", "box", "/proc/self/exe", "--version"]);
    }
    assert_binary_untouched(&t, &["run", "--rm", "--entrypoint", "/proc/self/exe", "busybox", "--version"]);
    let trap =
        "ln -s /proc/self/exe /bin/trap; printf '#!/proc/self/exe\\n' > /bin/script; chmod +x /bin/script";
    t.ok(&["exec", "box", "sh", "-c", trap]);
    for program in ["/bin/trap", "/bin/script"] {
        assert_binary_untouched(&t, &["exec", "box", program, "version"]);
    }
}

#[test]
fn a_symlink_in_the_image_does_not_lead_out() {
    let Some(t) = Scenario::start() else { return };
    let secret = t.write("secret", "of the machine");
    let tree = t.path("tree");
    std::fs::create_dir(&tree).unwrap();
    let busybox = hull_test_support::fixtures::busybox();
    run(Command::new("tar").arg("-C").arg(&tree).arg("-xf").arg(busybox)).ok();
    let target = t.path("");
    for name in ["proc", "dev", "sys", "tmp", "etc"] {
        std::fs::remove_dir_all(tree.join(name)).unwrap();
        std::os::unix::fs::symlink(&target, tree.join(name)).unwrap();
    }
    let tar = t.path("evil.tar");
    hull_test_support::fixtures::tar(&tree, &tar).unwrap();
    t.ok(&["import", tar.to_str().unwrap(), "evil"]);
    let before = std::fs::read_dir(&target).unwrap().count();
    t.hull(&["run", "--rm", "evil", "/bin/busybox", "true"]);
    t.hull(&[
        "run",
        "--rm",
        "-v",
        "data:/tmp/inside",
        "--tmpfs",
        "/tmp/other",
        "evil",
        "/bin/busybox",
        "true",
    ]);
    let read = t.hull(&["run", "--rm", "evil", "/bin/busybox", "cat", secret.to_str().unwrap()]);
    assert!(!read.stdout.contains("of the machine"), "{read}");
    // The run root and the data root may have gained files, but no file that the image names.
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), before, "something was made on the machine");
}

#[test]
fn network_none_has_only_a_loopback() {
    let Some(t) = Scenario::with_busybox() else { return };
    let links = sh(&t, &["--network", "none"], "tail -n +3 /proc/net/dev | cut -d: -f1");
    assert_eq!(links.trim(), "lo");
    sh(&t, &["--network", "none"], "ping -c 1 -W 2 127.0.0.1");
}

#[test]
fn namespaces_can_be_shared_with_the_machine_or_a_container() {
    let Some(t) = Scenario::with_busybox() else { return };
    let own = |kind: &str| {
        std::fs::read_link(format!("/proc/thread-self/ns/{kind}")).unwrap().display().to_string()
    };
    for (option, kind) in
        [("--network", "net"), ("--ipc", "ipc"), ("--uts", "uts"), ("--pid", "pid"), ("--cgroupns", "cgroup")]
    {
        assert_eq!(
            sh(&t, &[option, "host"], &format!("readlink /proc/self/ns/{kind}")),
            own(kind),
            "{option} host"
        );
    }
    t.ok(&["run", "-d", "--name", "first", "--ipc", "shareable", "busybox", "sleep", "300"]);
    for (option, kind) in [("--network", "net"), ("--ipc", "ipc"), ("--pid", "pid")] {
        let link = format!("readlink /proc/self/ns/{kind}");
        let first = t.ok(&["exec", "first", "sh", "-c", &link]);
        assert_eq!(sh(&t, &[option, "container:first"], &link), first, "{option} container:first");
    }
}

#[test]
fn only_a_shareable_ipc_namespace_is_shared() {
    let Some(t) = Scenario::with_busybox() else { return };
    for (mode, shown) in
        [("", "private"), ("private", "private"), ("shareable", "shareable"), ("none", "none")]
    {
        let name = format!("box{mode}");
        let options = if mode.is_empty() { vec![] } else { vec!["--ipc", mode] };
        t.ok(&[&["run", "-d", "--name", &name], &options[..], &["busybox", "sleep", "300"]].concat());
        assert_eq!(t.inspect(&name, "{{.HostConfig.IpcMode}}"), shown);
    }
    assert_eq!(sh(&t, &["--ipc", "none"], "grep -c /dev/shm /proc/mounts || true"), "0");
    t.ok(&["exec", "boxshareable", "sh", "-c", "echo shared > /dev/shm/file"]);
    t.ok(&["run", "-d", "--name", "joined", "--ipc", "container:boxshareable", "busybox", "sleep", "300"]);
    assert_eq!(t.ok(&["exec", "joined", "cat", "/dev/shm/file"]), "shared");
    assert_eq!(sh(&t, &["--ipc", "container:joined"], "cat /dev/shm/file"), "shared");
    for name in ["box", "boxprivate", "boxnone"] {
        let mode = format!("container:{name}");
        let outcome = t.hull(&["run", "--rm", "--ipc", &mode, "busybox", "true"]);
        assert!(outcome.fails(125).contains("non-shareable IPC"), "{outcome}");
    }
    let outcome = t.hull(&["run", "--rm", "--ipc", "other", "busybox", "true"]);
    assert!(outcome.fails(125).contains("expected private, shareable, none, host or container:NAME"));
}

#[test]
fn devices_shm_and_limits_are_dockers() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done; \
        test -L /dev/fd -a -L /dev/stdin -a -L /dev/ptmx || echo no links; df -k /dev/shm | tail -1";
    let listing = sh(&t, &[], script);
    assert!(!listing.contains("no "), "{listing}");
    assert_eq!(listing.split_whitespace().nth(1), Some("65536"), "/dev/shm has 64 MiB: {listing}");
    let shm = sh(&t, &["--shm-size", "8m"], "df -k /dev/shm | tail -1");
    assert_eq!(shm.split_whitespace().nth(1), Some("8192"));
    assert_eq!(sh(&t, &["--ulimit", "nofile=77:99"], "ulimit -Sn; ulimit -Hn"), "77\n99");
    assert_eq!(sh(&t, &["--sysctl", "net.ipv4.ip_forward=1"], "cat /proc/sys/net/ipv4/ip_forward"), "1");
    sh(&t, &["--device", "/dev/null:/dev/nothing"], "test -c /dev/nothing && echo x > /dev/nothing");
}

#[test]
fn no_sysctl_is_set_for_the_whole_machine_nor_any_other_file() {
    let Some(t) = Scenario::with_busybox() else { return };
    let file = t.path("file").display().to_string();
    let as_sysctl = format!("{}=x", file.replace('.', "/").replace('/', "."));
    for sysctl in ["vm.swappiness=61", "kernel.panic=1", &as_sysctl, "net...vm.swappiness=61"] {
        t.hull(&["run", "--rm", "--sysctl", sysctl, "busybox", "true"]).fails(125);
    }
    assert!(!t.path("file").exists());
}

#[test]
fn an_image_cannot_claim_to_be_the_machines_own() {
    let Some(t) = Scenario::start() else { return };
    let tar = hull_test_support::fixtures::busybox();
    t.ok(&["import", "-c", "LABEL org.hull.host=true", tar.to_str().unwrap(), "evil"]);
    let mounts = t.ok(&["run", "--rm", "evil", "/bin/cat", "/proc/mounts"]);
    assert!(!mounts.contains(" /usr "), "{mounts}");
    t.ok(&["tag", "evil", "host"]);
    t.ok(&["run", "--rm", "host", "sh", "-c", "! test -e /etc/issue-of-image && test -d /usr/bin"]);
}

#[test]
fn what_a_container_writes_to_its_hosts_file_is_bounded() {
    let Some(t) = Scenario::with_busybox() else { return };
    let fill =
        "echo 192.0.2.9 mine >> /etc/hosts; grep -c mine /etc/hosts; head -c 9000000 /dev/zero > /etc/hosts";
    let outcome = t.hull(&["run", "--rm", "busybox", "sh", "-c", fill]);
    assert!(!outcome.success() && outcome.stdout == "1\n", "{outcome}");
    t.hull(&["run", "--rm", "--read-only", "busybox", "touch", "/etc/hosts"]).fails(1);
}

#[test]
fn a_device_in_place_of_the_password_file_is_not_opened() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    t.ok(&["exec", "box", "sh", "-c", "rm /etc/passwd && mkfifo /etc/passwd"]);
    // By pid, because the container's own programs would wait for the file.
    let ids = t.ok(&["exec", "-u", "7", "box", "grep", "^Uid:", "/proc/self/status"]);
    assert_eq!(ids, "Uid:\t7\t7\t7\t7");
}

#[test]
fn read_only_leaves_only_the_tmpfs_writable() {
    let Some(t) = Scenario::with_busybox() else { return };
    let refused = t.hull(&["run", "--rm", "--read-only", "busybox", "touch", "/file"]);
    assert!(!refused.success() && refused.stderr.contains("Read-only"), "{refused}");
    sh(&t, &["--read-only", "--tmpfs", "/scratch:size=1m"], "touch /scratch/file && touch /dev/shm/file");
}

#[test]
fn users_are_looked_up_inside_the_image() {
    let Some(t) = Scenario::with_busybox() else { return };
    assert_eq!(sh(&t, &["-u", "worker"], "id -u; id -g; id -G"), "1000\n1000\n1000 2000");
    assert_eq!(sh(&t, &["-u", "7:8"], "id -u; id -g"), "7\n8");
    let unknown = t.hull(&["run", "--rm", "-u", "stranger", "busybox", "true"]);
    assert!(unknown.fails(125).contains("stranger"), "{unknown}");
}

/// The re-exec repeats all earlier work. On x86-64 it comes before the start of the C library.
#[test]
#[cfg(target_arch = "x86_64")]
fn what_enters_containers_begins_anew_before_anything_else() {
    let Some(strace) = skip::find_program("strace") else { return skip::skip("strace is not installed") };
    let Some(t) = Scenario::start() else { return };
    let calls = |command: &Command| {
        let watched = [strace.to_str().unwrap(), "-o", "calls"];
        run(&mut wrapped(&watched, command));
        let text = std::fs::read_to_string(t.path("calls")).unwrap();
        text.lines().filter_map(|line| Some(line.split_once('(')?.0.to_owned())).collect::<Vec<_>>()
    };
    let mut oci = Command::new(program::hull_oci());
    oci.arg("--root").arg(t.path("oci")).args(["exec", "nobody", "true"]).current_dir(t.path(""));
    for command in [t.command(&["exec", "nobody", "true"]), oci] {
        let called = calls(&command);
        let expected = ["execve", "statfs", "open_tree", "mount_setattr", "execveat", "statfs", "brk"];
        assert!(called.starts_with(&expected.map(String::from)), "{command:?}: {called:?}");
        assert_eq!(called.iter().filter(|name| *name == "execveat").count(), 1, "{command:?}");
    }
    let called = calls(&t.command(&["ps"]));
    assert_eq!(called[..2], ["execve", "brk"], "what enters none does not");
}
