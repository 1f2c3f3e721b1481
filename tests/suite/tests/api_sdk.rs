//! docker-py against hull's API: its whole public surface. The other clients are in `api_sdk_clients.rs`.

#[allow(dead_code, reason = "each suite uses its part")]
#[path = "api_sdk/world.rs"]
mod world;

use std::process::{Command, Stdio};

use hull_test_support::outcome::{eventually, run};
use hull_test_support::{Scenario, api_clients, skip};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use world::{World, sources};

#[test]
fn docker_py_finds_all_that_it_asks_for() {
    let Some(world) = World::start() else { return };
    let said = world.python("docker_py/main.py", &[]);
    assert!(said.lines().filter(|line| line.starts_with("ok ")).count() >= 28, "{said}");
}

/// The cases that need neither a bridge nor a cgroup, which this user does not have, and no image but busybox.
const ROOTLESS_CASES: [&str; 8] =
    ["run_returns", "create_get", "logs", "attach", "exec_", "archives", "save_and_load", "health"];

#[test]
fn docker_py_finds_the_server_of_a_user() {
    let python = match api_clients::python() {
        Ok(python) => python,
        Err(why) => return skip::skip(&format!("the clients cannot be installed: {why}")),
    };
    let Some(t) = Scenario::rootless() else { return };
    run(Command::new("ip").args(["link", "set", "lo", "up"])).ok();
    t.busybox();
    let log = std::fs::File::create(t.path("server.log")).unwrap();
    let mut serve = t.command(&["serve"]);
    serve.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut server = serve.spawn().expect("the server starts");
    // Where docker's clients look for the socket of a user's dockerd.
    let socket = t.run_root().with_file_name("docker.sock");
    eventually("the server listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    let work = t.path("work");
    std::fs::create_dir(&work).unwrap();
    let mut client = Command::new(python.join("python3"));
    client.arg(sources().join("python/docker_py/main.py")).args(ROOTLESS_CASES);
    client.env("DOCKER_HOST", format!("unix://{}", socket.display())).env("WORK", &work);
    client.env("REGISTRY", "none").env("PYTHONDONTWRITEBYTECODE", "1");
    let outcome = run(&mut client);
    let log = std::fs::read_to_string(t.path("server.log")).unwrap();
    kill(Pid::from_raw(server.id() as i32), Signal::SIGTERM).unwrap();
    server.wait().unwrap();
    assert!(outcome.success(), "{outcome}\n--- the server's log\n{log}");
}
