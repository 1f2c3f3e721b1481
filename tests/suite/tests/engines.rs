//! Engines that others wrote, from Debian's packages, with `hull-oci` as their runtime: each is started in namespaces of its
//! own, used as its users do, and stopped; and nothing is left.

#[path = "engines/house.rs"]
mod house;

use house::House;
use hull_test_support::outcome::eventually;
use hull_test_support::{fixtures, program, skip};
use serde_json::json;

/// Ends with 9 on SIGTERM.
const UNTIL_TERM: &str = "trap 'exit 9' TERM; echo started; while :; do sleep 0.05; done";

fn has(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| skip::find_program(program).is_none());
    if let Some(missing) = missing {
        skip::skip(&format!("{missing} is not installed"));
    }
    missing.is_none()
}

fn oci() -> &'static str {
    program::hull_oci().to_str().expect("a plain path")
}

#[test]
fn podman_runs_its_containers_and_pods() {
    if !has(&["podman", "conmon", "iptables"]) {
        return;
    }
    let tar = fixtures::busybox();
    let Some(h) = House::start() else { return };
    let dir = |name: &str| h.path(name);
    let (root, run, tmp, parent) = (dir("root"), dir("run"), dir("tmp"), h.cgroup_parent());
    let podman = |words: &[&str]| {
        let global =
            ["podman", "--root", &root, "--runroot", &run, "--tmpdir", &tmp, "--storage-driver", "vfs"];
        let more = ["--cgroup-manager", "cgroupfs", "--events-backend", "none", "--runtime", oci()];
        h.run(&[&global[..], &more, words].concat())
    };
    podman(&["import", "-q", tar.to_str().unwrap(), "busybox"]).ok();
    let run = |words: &[&str]| podman(&[&["run", "--cgroup-parent", &parent][..], words].concat());

    assert_eq!(run(&["--rm", "--network", "none", "busybox", "sh", "-c", "echo out; exit 7"]).code(), 7);
    let host = dir("volume");
    std::fs::create_dir_all(&host).unwrap();
    let volume = format!("{host}:/volume:ro");
    let limits = [
        "--rm",
        "--network",
        "none",
        "-m",
        "64m",
        "--pids-limit",
        "33",
        "-v",
        &volume,
        "busybox",
        "sh",
        "-c",
    ];
    let script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2> /dev/null; \
        touch /volume/x 2>&1 | grep -c Read-only";
    assert_eq!(run(&[&limits[..], &[script]].concat()).ok(), "67108864\n1");
    let tty = h.terminal(
        &[
            &["podman", "--root", &root, "--runroot", &dir("run"), "--tmpdir", &tmp][..],
            &[
                "--storage-driver",
                "vfs",
                "--cgroup-manager",
                "cgroupfs",
                "--events-backend",
                "none",
                "--runtime",
                oci(),
            ],
            &[
                "run",
                "--rm",
                "-it",
                "--network",
                "none",
                "--cgroup-parent",
                &parent,
                "busybox",
                "sh",
                "-c",
                "tty; exit 6",
            ],
        ]
        .concat(),
    );
    let mut tty = tty;
    tty.expect("/dev/pts/0");
    assert_eq!(tty.wait(), 6);

    let serve = "mkdir /www; echo served > /www/index.html; httpd -h /www; ".to_owned() + UNTIL_TERM;
    run(&["-d", "--name", "web", "-p", "8080:80", "busybox", "sh", "-c", &serve]).ok();
    eventually("the published port answers", || {
        h.run(&["busybox", "wget", "-qO-", "http://127.0.0.1:8080/"]).stdout == "served\n"
    });
    assert_eq!(podman(&["exec", "web", "sh", "-c", "echo inside; exit 3"]).code(), 3);
    podman(&["pause", "web"]).ok();
    assert!(podman(&["ps", "-a"]).ok().contains("Paused"));
    podman(&["unpause", "web"]).ok();
    assert!(podman(&["stats", "--no-stream", "web"]).ok().contains("web"));
    podman(&["stop", "web"]).ok();
    assert_eq!(podman(&["inspect", "-f", "{{.State.ExitCode}}", "web"]).ok(), "9");
    assert!(podman(&["logs", "web"]).ok().contains("started"));
    podman(&["rm", "web"]).ok();

    let pod =
        ["pod", "create", "--name", "pod", "--infra-image", "busybox", "--infra-command", "/bin/sleep 1000"];
    let made = podman(&[&pod[..], &["--network", "none", "--cgroup-parent", &parent]].concat());
    let pod_id = made.ok().to_owned();
    podman(&["run", "-d", "--pod", "pod", "--name", "one", "busybox", "sleep", "1000"]).ok();
    assert_eq!(podman(&["exec", "one", "hostname"]).ok(), "pod");
    podman(&["pod", "kill", "pod"]).ok();
    podman(&["pod", "rm", "-f", "pod"]).ok();
    // Its own, and the pod's, which it leaves where it does not know of it: in the unified hierarchy.
    h.end(&["conmon", &pod_id]);
}

#[test]
fn dockerd_runs_its_containers_and_services() {
    if !has(&["dockerd", "docker", "containerd", "iptables"]) {
        return;
    }
    let tar = fixtures::busybox();
    let Some(h) = House::start() else { return };
    let socket = format!("unix://{}", h.path("docker.sock"));
    let runtime = format!("hull={}", oci());
    let (data, exec, pid, parent) = (h.path("data"), h.path("exec"), h.path("pid"), h.cgroup_parent());
    let mut dockerd = h.spawn(&[
        "dockerd",
        "--data-root",
        &data,
        "--exec-root",
        &exec,
        "--pidfile",
        &pid,
        "-H",
        &socket,
        "--add-runtime",
        &runtime,
        "--default-runtime",
        "hull",
        "--storage-driver",
        "vfs",
        "--cgroup-parent",
        &parent,
    ]);
    let docker = |words: &[&str]| h.run(&[&["docker", "-H", &socket][..], words].concat());
    eventually("the daemon answers", || docker(&["version"]).success());
    docker(&["import", tar.to_str().unwrap(), "busybox"]).ok();
    let run = |words: &[&str]| docker(&[&["run"][..], words].concat());
    let inspect = |name: &str, what: &str| docker(&["inspect", "-f", what, name]).ok().to_owned();

    assert_eq!(run(&["--rm", "busybox", "sh", "-c", "echo out; exit 7"]).code(), 7);
    let serve = "mkdir /www; echo served > /www/index.html; httpd -h /www; ".to_owned() + UNTIL_TERM;
    run(&["-d", "--name", "web", "--runtime", "hull", "-p", "8080:80", "busybox", "sh", "-c", &serve]).ok();
    eventually("the published port answers", || {
        h.run(&["busybox", "wget", "-qO-", "http://127.0.0.1:8080/"]).stdout == "served\n"
    });
    assert_eq!(docker(&["exec", "web", "sh", "-c", "exit 3"]).code(), 3);
    let mut tty = h.terminal(&["docker", "-H", &socket, "exec", "-it", "web", "sh", "-c", "tty; exit 4"]);
    tty.expect("/dev/pts/0");
    assert_eq!(tty.wait(), 4);
    assert!(docker(&["logs", "web"]).ok().contains("started"));
    assert!(docker(&["top", "web"]).ok().contains("httpd"));
    assert!(docker(&["stats", "--no-stream", "web"]).ok().contains("web"));
    docker(&["update", "--memory", "100m", "--memory-swap", "200m", "--cpus", "1", "web"]).ok();
    let limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2> /dev/null";
    assert_eq!(docker(&["exec", "web", "sh", "-c", limit]).stdout, "104857600\n");
    docker(&["pause", "web"]).ok();
    assert_eq!(inspect("web", "{{.State.Status}}"), "paused");
    docker(&["unpause", "web"]).ok();
    docker(&["stop", "web"]).ok();
    assert_eq!(inspect("web", "{{.State.ExitCode}}"), "9");
    docker(&["rm", "web"]).ok();

    run(&["-d", "--name", "flaky", "--restart", "on-failure:2", "busybox", "sh", "-c", "echo try; exit 4"])
        .ok();
    eventually("it is given up", || inspect("flaky", "{{.RestartCount}} {{.State.Status}}") == "2 exited");
    assert_eq!(docker(&["logs", "flaky"]).ok(), "try\ntry\ntry");
    let hog = "x=$(head -c 100m /dev/zero | tr '\\0' x); echo survived";
    run(&["--name", "hog", "-m", "20m", "--memory-swap", "20m", "busybox", "sh", "-c", hog]);
    assert_eq!(inspect("hog", "{{.State.OOMKilled}} {{.State.ExitCode}}"), "true 137");
    docker(&["rm", "-f", "flaky", "hog"]).ok();

    let effective = run(&["--rm", "--cap-drop", "ALL", "busybox", "grep", "CapEff", "/proc/self/status"]);
    assert_eq!(effective.ok(), "CapEff:\t0000000000000000");
    let policy = h.write(
        "policy.json",
        &json!({"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}),
    );
    let option = format!("seccomp={policy}");
    assert!(
        run(&["--rm", "--security-opt", &option, "busybox", "mkdir", "/x"]).stderr.contains("not permitted")
    );
    let many =
        ["--rm", "--init", "--read-only", "--tmpfs", "/t", "--ulimit", "nofile=100", "--device", "/dev/fuse"];
    let script = "ulimit -n; touch /x 2>&1 | grep -c Read-only; touch /t/x && test -e /dev/fuse && echo ok";
    assert_eq!(run(&[&many[..], &["busybox", "sh", "-c", script]].concat()).ok(), "100\n1\nok");

    docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"]).ok();
    let service = ["service", "create", "-q", "-d", "--name", "svc", "--replicas", "3", "--network", "host"];
    docker(&[&service[..], &["--stop-grace-period", "0s", "busybox", "sleep", "1000"]].concat()).ok();
    let replicas = || docker(&["service", "ls", "--format", "{{.Replicas}}"]).stdout.trim().to_owned();
    h.slowly("three replicas run", || replicas() == "3/3");
    docker(&["service", "scale", "-d", "svc=4"]).ok();
    h.slowly("four replicas run", || replicas() == "4/4");
    docker(&["service", "update", "-q", "-d", "--env-add", "NEW=1", "--update-parallelism", "4", "svc"]).ok();
    h.slowly("all replicas are updated", || {
        let ids = docker(&["ps", "-q"]).stdout;
        let new = |id: &str| inspect_env(&docker(&["inspect", "-f", "{{.Config.Env}}", id]).stdout);
        ids.lines().count() == 4 && ids.lines().all(new)
    });
    docker(&["service", "rm", "svc"]).ok();
    h.slowly("the service's containers are gone", || docker(&["ps", "-aq"]).ok().is_empty());
    house::terminate(&mut dockerd);
    h.end(&[]);
}

fn inspect_env(text: &str) -> bool {
    text.contains("NEW=1")
}

#[test]
fn containerd_keeps_its_tasks_over_a_restart() {
    if !has(&["containerd", "ctr", "skopeo", "umoci"]) {
        return;
    }
    let archive = fixtures::by_skopeo("oci-archive", "busybox:latest").expect("an archive");
    let Some(h) = House::start() else { return };
    let (root, state, socket) = (h.path("root"), h.path("state"), h.path("sock"));
    let config = format!(
        "version = 2\nroot = {root:?}\nstate = {state:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
         [grpc]\naddress = {socket:?}\n[plugins.\"io.containerd.internal.v1.opt\"]\npath = {:?}\n",
        h.path("opt")
    );
    let config = h.write_text("config.toml", &config);
    let ctr = |words: &[&str]| h.run(&[&["ctr", "-a", &socket][..], words].concat());
    let start = || {
        let daemon = h.spawn(&["containerd", "-c", &config]);
        eventually("the daemon answers", || ctr(&["version"]).success());
        daemon
    };
    let mut daemon = start();
    ctr(&[
        "images",
        "import",
        "--snapshotter",
        "native",
        "--base-name",
        "busybox",
        archive.to_str().unwrap(),
    ])
    .ok();
    let image = ctr(&["images", "ls", "-q"]).ok().lines().next().unwrap().to_owned();
    let parent = h.cgroup_parent();
    let run = |id: &str, flags: &[&str], command: &[&str]| {
        let cgroup = format!("{parent}/{id}");
        let all = ["run", "--runc-binary", oci(), "--snapshotter", "native", "--cgroup", &cgroup];
        ctr(&[&all[..], flags, &[&image, id], command].concat())
    };
    assert_eq!(run("one", &["--rm"], &["/bin/sh", "-c", "exit 5"]).code(), 5);
    run("two", &["-d"], &["/bin/sh", "-c", UNTIL_TERM]).ok();
    assert_eq!(ctr(&["task", "exec", "--exec-id", "e1", "two", "/bin/sh", "-c", "exit 4"]).code(), 4);
    ctr(&["task", "pause", "two"]).ok();
    assert!(ctr(&["task", "ls"]).ok().contains("PAUSED"));
    ctr(&["task", "resume", "two"]).ok();
    assert!(ctr(&["task", "metrics", "two"]).ok().contains("memory"));

    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let mut daemon = start();
    assert!(ctr(&["task", "ls"]).ok().contains("RUNNING"), "the task outlives its daemon");
    assert_eq!(ctr(&["task", "exec", "--exec-id", "e2", "two", "/bin/echo", "again"]).ok(), "again");
    ctr(&["task", "kill", "-s", "SIGTERM", "two"]).ok();
    eventually("it has stopped", || ctr(&["task", "ls"]).stdout.contains("STOPPED"));
    assert!(ctr(&["task", "rm", "two"]).stderr.contains("code 9"), "its exit code outlives the daemon too");
    ctr(&["container", "rm", "two"]).ok();
    house::terminate(&mut daemon);
    h.end(&[]);
}
