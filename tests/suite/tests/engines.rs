//! Engines that others wrote, from Debian's packages, with `hull-oci` as their runtime: each is started in namespaces of its
//! own, used as its users do, and stopped; and nothing is left.

#[path = "engines/client.rs"]
mod client;
#[path = "engines/sandbox.rs"]
mod sandbox;

use client::Client;
use hull_test_support::outcome::eventually;
use hull_test_support::{fixtures, program, skip};
use sandbox::Sandbox;
use serde_json::json;

/// A program that ends with 9 on SIGTERM.
const UNTIL_TERM: &str = "trap 'exit 9' TERM; echo started; while :; do sleep 0.05; done";

/// The memory limit in bytes, from the file of v1 or v2.
const MEMORY_LIMIT: &str =
    "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2> /dev/null";

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
    let Some(h) = Sandbox::start() else { return };
    let (root, run, tmp, parent) = (h.path("root"), h.path("run"), h.path("tmp"), h.cgroup_parent());
    let global = ["podman", "--root", &root, "--runroot", &run, "--tmpdir", &tmp, "--storage-driver", "vfs"];
    let more = ["--cgroup-manager", "cgroupfs", "--events-backend", "none", "--runtime", oci()];
    let podman = Client::new(&h, &[&global[..], &more].concat(), &["--cgroup-parent", &parent]);
    podman.call(&["import", "-q", tar.to_str().unwrap(), "busybox"]).ok();

    let alone = ["--rm", "--network", "none"];
    let run = |words: &[&str]| podman.run(&[&alone[..], words].concat());
    assert_eq!(run(&["busybox", "sh", "-c", "echo out; exit 7"]).code(), 7);
    let host = h.path("volume");
    std::fs::create_dir_all(&host).unwrap();
    let limits = ["-m", "64m", "--pids-limit", "33", "-v", &format!("{host}:/volume:ro")];
    let script = format!("{MEMORY_LIMIT}; touch /volume/x 2>&1 | grep -c Read-only");
    assert_eq!(run(&[&limits[..], &["busybox", "sh", "-c", &script]].concat()).ok(), "67108864\n1");
    let terminal = ["-it", "busybox", "sh", "-c", "tty; exit 6"];
    let mut tty = podman.run_in_terminal(&[&alone[..], &terminal].concat());
    tty.expect("/dev/pts/0");
    assert_eq!(tty.wait(), 6);

    serves_and_stops(&podman, "Paused");
    let pod_id = runs_a_pod(&podman, &parent);
    // The container's cgroup and the pod's. The engine leaves the pod's cgroup behind where it does not know of it: in the
    // unified hierarchy.
    h.end(&["conmon", &pod_id]);
}

/// The pod's id.
fn runs_a_pod(podman: &Client<'_>, cgroup_parent: &str) -> String {
    let pod =
        ["pod", "create", "--name", "pod", "--infra-image", "busybox", "--infra-command", "/bin/sleep 1000"];
    let made = podman.call(&[&pod[..], &["--network", "none", "--cgroup-parent", cgroup_parent]].concat());
    // Two containers, to show that they share what a pod shares.
    for name in ["one", "two"] {
        podman.call(&["run", "-d", "--pod", "pod", "--name", name, "busybox", "sleep", "1000"]).ok();
    }
    assert_eq!(podman.call(&["exec", "one", "hostname"]).ok(), "pod");
    for namespace in ["net", "ipc", "uts", "mnt"] {
        let link = format!("/proc/self/ns/{namespace}");
        let of = |name: &str| podman.call(&["exec", name, "readlink", &link]).ok().to_owned();
        assert_eq!(of("one") == of("two"), namespace != "mnt", "{namespace}");
    }
    podman.call(&["pod", "kill", "pod"]).ok();
    podman.call(&["pod", "rm", "-f", "pod"]).ok();
    made.ok().to_owned()
}

/// A server that is reached, entered, paused and stopped. `paused` is the engine's word for a paused container in its list.
fn serves_and_stops(engine: &Client<'_>, paused: &str) {
    let serve = "mkdir /www; echo served > /www/index.html; httpd -h /www; ".to_owned() + UNTIL_TERM;
    engine.run(&["-d", "--name", "web", "-p", "8080:80", "busybox", "sh", "-c", &serve]).ok();
    eventually("the published port answers", || {
        engine.sandbox.run(&["busybox", "wget", "-qO-", "http://127.0.0.1:8080/"]).stdout == "served\n"
    });
    assert_eq!(engine.call(&["exec", "web", "sh", "-c", "echo inside; exit 3"]).code(), 3);
    let mut tty = engine.in_terminal(&["exec", "-it", "web", "sh", "-c", "tty; exit 4"]);
    tty.expect("/dev/pts/0");
    assert_eq!(tty.wait(), 4);
    assert!(engine.call(&["top", "web"]).ok().contains("httpd"));
    assert!(engine.call(&["stats", "--no-stream", "web"]).ok().contains("web"));
    engine.call(&["pause", "web"]).ok();
    assert!(engine.call(&["ps", "-a"]).ok().contains(paused));
    engine.call(&["unpause", "web"]).ok();
    engine.call(&["stop", "web"]).ok();
    assert_eq!(engine.inspect("web", "{{.State.ExitCode}}"), "9");
    assert!(engine.call(&["logs", "web"]).ok().contains("started"));
    engine.call(&["rm", "web"]).ok();
}

#[test]
fn dockerd_runs_its_containers_and_services() {
    if !has(&["dockerd", "docker", "containerd", "iptables"]) {
        return;
    }
    let tar = fixtures::busybox();
    let Some(h) = Sandbox::start() else { return };
    let socket = format!("unix://{}", h.path("docker.sock"));
    let runtime = format!("hull={}", oci());
    let (data, exec, pid, parent) = (h.path("data"), h.path("exec"), h.path("pid"), h.cgroup_parent());
    let places = ["dockerd", "--data-root", &data, "--exec-root", &exec, "--pidfile", &pid, "-H", &socket];
    let runtimes = ["--add-runtime", &runtime, "--default-runtime", "hull"];
    let storage = ["--storage-driver", "vfs", "--cgroup-parent", &parent];
    let mut dockerd = h.spawn(&[&places[..], &runtimes, &storage].concat());
    let docker = Client::new(&h, &["docker", "-H", &socket], &[]);
    eventually("the daemon answers", || docker.call(&["version"]).success());
    docker.call(&["import", tar.to_str().unwrap(), "busybox"]).ok();

    assert_eq!(docker.run(&["--rm", "--runtime", "hull", "busybox", "sh", "-c", "exit 7"]).code(), 7);
    serves_and_stops(&docker, "Paused");
    limits_and_restarts(&docker);
    applies_security_options(&docker);
    keeps_a_service(&docker);
    sandbox::terminate(&mut dockerd);
    h.end(&[]);
}

fn limits_and_restarts(docker: &Client<'_>) {
    docker.run(&["-d", "--name", "limited", "busybox", "sleep", "1000"]).ok();
    docker.call(&["update", "--memory", "100m", "--memory-swap", "200m", "--cpus", "1", "limited"]).ok();
    assert_eq!(docker.call(&["exec", "limited", "sh", "-c", MEMORY_LIMIT]).stdout, "104857600\n");
    docker
        .run(&[
            "-d",
            "--name",
            "flaky",
            "--restart",
            "on-failure:2",
            "busybox",
            "sh",
            "-c",
            "echo try; exit 4",
        ])
        .ok();
    let state = || docker.inspect("flaky", "{{.RestartCount}} {{.State.Status}}");
    eventually("it is given up", || state() == "2 exited");
    assert_eq!(docker.call(&["logs", "flaky"]).ok(), "try\ntry\ntry");
    let hog = "x=$(head -c 100m /dev/zero | tr '\\0' x); echo survived";
    docker.run(&["--name", "hog", "-m", "20m", "--memory-swap", "20m", "busybox", "sh", "-c", hog]);
    assert_eq!(docker.inspect("hog", "{{.State.OOMKilled}} {{.State.ExitCode}}"), "true 137");
    docker.call(&["rm", "-f", "limited", "flaky", "hog"]).ok();
}

fn applies_security_options(docker: &Client<'_>) {
    let effective =
        docker.run(&["--rm", "--cap-drop", "ALL", "busybox", "grep", "CapEff", "/proc/self/status"]);
    assert_eq!(effective.ok(), "CapEff:\t0000000000000000");
    let policy = json!({"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]});
    let option = format!("seccomp={}", docker.sandbox.write("policy.json", &policy));
    let refused = docker.run(&["--rm", "--security-opt", &option, "busybox", "mkdir", "/x"]);
    assert!(refused.stderr.contains("not permitted"), "{refused}");
    let many =
        ["--rm", "--init", "--read-only", "--tmpfs", "/t", "--ulimit", "nofile=100", "--device", "/dev/fuse"];
    let script = "ulimit -n; touch /x 2>&1 | grep -c Read-only; touch /t/x && test -e /dev/fuse && echo ok";
    assert_eq!(docker.run(&[&many[..], &["busybox", "sh", "-c", script]].concat()).ok(), "100\n1\nok");
}

fn keeps_a_service(docker: &Client<'_>) {
    let h = docker.sandbox;
    docker.call(&["swarm", "init", "--advertise-addr", "127.0.0.1"]).ok();
    let service = ["service", "create", "-q", "-d", "--name", "svc", "--replicas", "3", "--network", "host"];
    docker.call(&[&service[..], &["--stop-grace-period", "0s", "busybox", "sleep", "1000"]].concat()).ok();
    let replicas = || docker.call(&["service", "ls", "--format", "{{.Replicas}}"]).stdout.trim().to_owned();
    h.slowly("three replicas run", || replicas() == "3/3");
    docker.call(&["service", "scale", "-d", "svc=4"]).ok();
    h.slowly("four replicas run", || replicas() == "4/4");
    let update = ["service", "update", "-q", "-d", "--env-add", "NEW=1", "--update-parallelism", "4", "svc"];
    docker.call(&update).ok();
    h.slowly("all replicas are updated", || {
        let ids = docker.call(&["ps", "-q"]).stdout;
        let env = |id: &str| docker.call(&["inspect", "-f", "{{.Config.Env}}", id]).stdout;
        ids.lines().count() == 4 && ids.lines().all(|id| env(id).contains("NEW=1"))
    });
    // Each engine on hull-oci.
    for id in docker.call(&["ps", "-q"]).ok().lines() {
        assert_eq!(docker.inspect(id, "{{.HostConfig.Runtime}}"), "hull");
    }
    docker.call(&["service", "rm", "svc"]).ok();
    h.slowly("the service's containers are gone", || docker.call(&["ps", "-aq"]).ok().is_empty());
}

#[test]
fn containerd_keeps_its_tasks_over_a_restart() {
    if !has(&["containerd", "ctr", "skopeo", "umoci"]) {
        return;
    }
    let archive = fixtures::by_skopeo("oci-archive", "busybox:latest").expect("an archive");
    let Some(h) = Sandbox::start() else { return };
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
    sandbox::terminate(&mut daemon);
    h.end(&[]);
}
