//! The clients of docker's API other than docker-py and docker's own: each from its registry, used as its users do.

#[allow(dead_code, reason = "each suite uses its part")]
#[path = "api_sdk/world.rs"]
mod world;

use std::process::Command;

use hull_test_support::outcome::{eventually, run};
use hull_test_support::{api_clients, fixtures, skip};
use world::{World, sources};

/// The image that takes long to make, before the test's own namespaces.
fn tools() -> Option<std::path::PathBuf> {
    fixtures::debian_tools().inspect_err(|why| skip::skip(&format!("Debian cannot be made: {why}"))).ok()
}

#[test]
fn aiodocker() {
    let Some(world) = World::start() else { return };
    let said = world.python("aio.py", &[]);
    assert!(said.ends_with("ok system\n"), "{said}");
}

#[test]
fn dockerode() {
    let Some(world) = World::with_node() else { return };
    let said = world.node("dockerode.js", &[]);
    assert!(said.ends_with("ok system\n"), "{said}");
}

/// It runs docker's client, and so sends what that does.
#[test]
fn python_on_whales_with_dockers_client() {
    let Some(world) = World::start() else { return };
    let work = world.t.path("work");
    std::fs::create_dir_all(&work).unwrap();
    std::fs::write(work.join("file"), "content\n").unwrap();
    let script = sources().join("../clients/whales.py");
    let words = [script.to_str().unwrap(), "docker", work.to_str().unwrap()];
    let outcome = run(world.command("python3", &words).env("DOCKER_BUILDKIT", "0"));
    assert!(world.said(&outcome).ends_with("system\n"), "{outcome}");
}

#[test]
fn testcontainers_for_python() {
    let Some(tools) = tools() else { return };
    let Some(world) = World::start() else { return };
    world.debian(&tools);
    let mut alone = world.command("python3", &[]);
    let script = sources().join("python/testcontainers_python.py");
    let outcome = run(alone.arg(&script).arg("alone").env("TESTCONTAINERS_RYUK_DISABLED", "true"));
    assert!(world.said(&outcome).ends_with("ok networks_and_images\n"), "{outcome}");
    let mut reaped = world.command("python3", &[]);
    reaped.arg(&script).arg("reaped");
    removes_what_it_started(&world, &mut reaped);
}

#[test]
fn testcontainers_for_node() {
    let Some(tools) = tools() else { return };
    let Some(world) = World::with_node() else { return };
    world.debian(&tools);
    let mut alone = world.command("node", &[]);
    let script = sources().join("node/testcontainers.js");
    let outcome = run(alone.arg(&script).arg("alone").env("TESTCONTAINERS_RYUK_DISABLED", "true"));
    assert!(world.said(&outcome).ends_with("ok networksAndImages\n"), "{outcome}");
    let mut reaped = world.command("node", &[]);
    reaped.arg(&script).arg("reaped");
    removes_what_it_started(&world, &mut reaped);
}

/// The client prints two containers and ends; the reaper, a container with the socket, removes them.
fn removes_what_it_started(world: &World, client: &mut Command) {
    client.env("RYUK_CONTAINER_IMAGE", "reaper:1");
    client.env("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE", world.server.socket());
    let said = world.said(&run(client));
    assert_eq!(said.split_whitespace().filter(|id| id.len() == 64).count(), 2, "{said}");
    eventually("the reaper has removed them", || {
        let all = world.server.ok(&["ps", "-aq", "--no-trunc"]);
        said.split_whitespace().all(|id| !all.contains(id))
    });
    let left: Vec<String> = world.server.ok(&["ps", "-aq"]).lines().map(str::to_owned).collect();
    for id in left {
        world.server.docker(&["rm", "-f", &id]);
    }
}

/// Those of bollard's tests that do not apply, by a part of their names, and why. Its tests of swarm (node, service, task,
/// secret, config), of plugins, of podman and of BuildKit's export are not built at all.
const NOT_APPLICABLE: [(&str, &str); 3] = [
    ("integration_test_search_images", "it asks docker's index, which is not on this machine"),
    ("integration_test_create_image_wasm", "its image is in a public registry"),
    ("test_version_http", "it takes a server on a TCP port without TLS"),
];

/// One of bollard's tests knows no socket but this one.
const USUAL_SOCKET: &str =
    "mount -t tmpfs run /run && ln -s \"${DOCKER_HOST#unix://}\" /run/docker.sock && exec \"$@\"";

#[test]
fn bollards_own_tests_and_testcontainers_for_rust() {
    let Some(tools) = tools() else { return };
    let programs = match api_clients::rust_tests(&sources().join("rust")) {
        Ok(programs) => programs,
        Err(why) => return skip::skip(&format!("the Rust clients cannot be built: {why}")),
    };
    let Some(world) = World::start() else { return };
    world.debian(&tools);
    fill_registry(&world);
    let mut failed = Vec::new();
    for (name, program) in &programs {
        let mut command = world.command("unshare", &["--mount", "sh", "-c", USUAL_SOCKET, "sh"]);
        command.arg(program).arg("--test-threads=1").env("RUST_BACKTRACE", "0");
        command.env("REGISTRY_HTTP_ADDR", "localhost:5000").env("REGISTRY_PASSWORD", "none");
        for (part, _) in NOT_APPLICABLE {
            command.args(["--skip", part]);
        }
        let outcome = run(&mut command);
        println!("{name}: {:?}", outcome.took);
        if !outcome.success() {
            failed.push(outcome.to_string());
        }
    }
    let log = world.server.log();
    assert!(failed.is_empty(), "{}\n--- the server's log\n{log}", failed.join("\n"));
    assert_eq!(programs.len(), 10);
}

/// Puts the images that bollard's tests pull into the registry.
fn fill_registry(world: &World) {
    let hello = "RUN printf '#!/bin/sh\\necho\\necho Hello from Docker!\\n' > /hello && chmod +x /hello\nCMD [\"/hello\"]";
    let server = "RUN mkdir -p /usr/sbin /www /etc/config && printf '\\nconfig uhttpd main\\n' > /etc/config/uhttpd && \
         printf '#!/bin/sh\\nexec httpd \"$@\"\\n' > /usr/sbin/run_uhttpd && chmod +x /usr/sbin/run_uhttpd\n\
         CMD [\"/usr/sbin/run_uhttpd\", \"-f\", \"-p\", \"80\", \"-h\", \"/www\"]";
    let images = [
        ("hello-world:linux", hello),
        ("alpine:latest", "CMD [\"/bin/sh\"]"),
        ("fussybeaver/uhttpd:latest", server),
    ];
    for (name, lines) in images {
        let tag = format!("localhost:5000/{name}");
        let dockerfile = format!("work/{}/Dockerfile", name.replace([':', '/'], "-"));
        let dockerfile = world.t.write(&dockerfile, format!("FROM busybox\n{lines}\n"));
        let context = dockerfile.parent().and_then(|parent| parent.to_str()).expect("a plain path");
        let build = ["build", "-q", "-t", &tag, context];
        run(world.server.docker_command(&build).env("DOCKER_BUILDKIT", "0")).ok();
        world.server.ok(&["push", "-q", &tag]);
        world.server.ok(&["rmi", &tag]);
    }
}

/// What it sends, by docker's client, as seen on the socket: HEAD /_ping before every command; filters as objects of booleans;
/// build with a Dockerfile that the client adds to the context, in a tar that ends after the data of its last file; events with
/// the filter `event=start`; create, attach, wait?condition=next-exit and start of one container; and exec with a shell whose
/// stdin stays open while it probes the container, half-closed in the end.
#[test]
fn a_dev_container_is_built_and_entered() {
    let Some(tools) = tools() else { return };
    let Some(world) = World::with_node() else { return };
    world.debian(&tools);
    let project = world.t.path("work/project");
    run(Command::new("cp").arg("-r").arg(sources().join("devcontainer")).arg(&project)).ok();
    let devcontainer = |words: &[&str]| {
        let modules = api_clients::node_modules(&sources().join("node")).expect("it is installed");
        let program = modules.join("@devcontainers/cli/devcontainer.js");
        let mut command = world.command("node", &[program.to_str().unwrap(), words[0]]);
        command.args(["--workspace-folder", project.to_str().unwrap()]).args(&words[1..]);
        run(command.env("DOCKER_BUILDKIT", "0"))
    };
    let up = devcontainer(&["up", "--buildkit", "never"]);
    let answer: serde_json::Value = serde_json::from_str(world.said(&up).lines().last().unwrap()).unwrap();
    assert_eq!(answer["outcome"], "success", "{up}");
    assert_eq!(answer["remoteUser"], "dev", "{up}");
    let script = "id -un; cat /tmp/created /word file; pwd; echo $A$C; exit 7";
    let entered = devcontainer(&["exec", "sh", "-c", script]);
    assert_eq!(entered.code(), 7, "{entered}");
    assert_eq!(
        entered.stdout, "dev\ncreated\nafter\ngiven\ncontents\n/workspaces/project\nbd\n",
        "{entered}"
    );
    // The second time it is found.
    let again = devcontainer(&["up", "--buildkit", "never"]);
    assert!(world.said(&again).contains(answer["containerId"].as_str().unwrap()), "{again}");
    world.server.ok(&["rm", "-f", "-v", answer["containerId"].as_str().unwrap()]);
}

#[test]
fn ansible_makes_a_container_and_enters_it() {
    let Some(tools) = tools() else { return };
    let collections = match api_clients::collections() {
        Ok(collections) => collections,
        Err(why) => return skip::skip(&format!("Ansible's collection cannot be installed: {why}")),
    };
    let Some(world) = World::start() else { return };
    world.debian(&tools);
    let playbook = sources().join("python/ansible.yml");
    let mut command = world.command("ansible-playbook", &["-i", "localhost,", playbook.to_str().unwrap()]);
    command.env("ANSIBLE_COLLECTIONS_PATH", collections).env("ANSIBLE_HOME", world.t.path("work/ansible"));
    let outcome = run(command.env("ANSIBLE_NOCOLOR", "1"));
    assert!(world.said(&outcome).contains("failed=0"), "{outcome}");
    assert_eq!(std::fs::read_to_string(world.t.path("work/fetched")).unwrap(), "written\n");
}
