//! docker's own command-line client on `hull serve`.
//!
//! The transcripts in `api_docker_cli/` were recorded with client 28.2 on dockerd 28.5. To play them on a dockerd:
//! `HULL_API_ORACLE=/usr/sbin/dockerd cargo test -p hull-test-suite --test api_docker_cli`, with `HULL_BLESS=1` to record
//! them again.

#[path = "api_docker_cli/player.rs"]
mod player;
#[path = "api_docker_cli/sessions.rs"]
mod sessions;

use std::path::Path;
use std::process::Command;

use hull_test_support::docker_server::clients;
use hull_test_support::outcome::run;
use hull_test_support::{DockerServer, Scenario, skip};

fn start() -> Option<(Scenario, DockerServer)> {
    let scenario = Scenario::start()?;
    let server = DockerServer::start(&scenario)?;
    server.busybox();
    Some((scenario, server))
}

/// Plays `api_docker_cli/NAME`.
fn play(name: &str) {
    let Some((_scenario, server)) = start() else { return };
    player::play(&server, name);
}

#[test]
fn run_passes_options_streams_and_exit_codes() {
    play("run.session");
}

#[test]
fn containers_are_created_started_stopped_and_listed() {
    play("lifecycle.session");
}

#[test]
fn exec_attach_and_logs_stream() {
    play("streams.session");
}

#[test]
fn cp_copies_both_ways() {
    play("cp.session");
}

#[test]
fn images_are_tagged_committed_saved_and_loaded() {
    play("images.session");
}

#[test]
fn networks_and_volumes_are_made_used_and_removed() {
    play("objects.session");
}

#[test]
fn events_stats_df_and_prune() {
    play("system.session");
}

#[test]
fn build_uses_the_classic_builder() {
    play("build.session");
}

#[test]
fn images_go_to_a_registry_and_come_back() {
    if skip::find_program("docker-registry").is_none() {
        hull_test_support::skip!("docker-registry is not installed");
    }
    let Some((scenario, server)) = start() else { return };
    player::write_registry_configuration(&scenario);
    player::play(&server, "registry.session");
}

#[test]
fn a_terminal_is_resized_interrupted_and_ended() {
    let Some((_scenario, server)) = start() else { return };
    sessions::run_and_exec(&server);
}

#[test]
fn a_terminal_is_left_by_its_detach_keys_and_entered_again() {
    let Some((_scenario, server)) = start() else { return };
    sessions::detach_and_attach(&server);
}

#[test]
fn clients_that_follow_are_interrupted() {
    let Some((_scenario, server)) = start() else { return };
    sessions::interrupted(&server);
}

/// curl sends `Expect: 100-continue` with a large body, and waits a second for the answer before it sends it anyway.
#[test]
fn large_uploads_are_taken_in_chunks_and_after_100_continue() {
    let Some((scenario, server)) = start() else { return };
    server.ok(&["create", "--name", "box", "busybox", "sleep", "1000"]);
    let file = scenario.path("home/large");
    let mut generator = 1u64;
    let mut noise = || {
        generator = generator.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        generator.to_be_bytes()
    };
    std::fs::write(&file, (0..50 << 17).flat_map(|_| noise()).collect::<Vec<u8>>()).unwrap();
    run(Command::new("tar").args(["-cf", "large.tar", "large"]).current_dir(scenario.path("home"))).ok();
    let url = "http://docker/containers/box/archive?path=/tmp";
    for (path, headers) in [("-T", "Expect: 100-continue"), ("-T", "Transfer-Encoding: chunked")] {
        let mut curl = server.command("curl", &["-sS", "-f", "--unix-socket"]);
        curl.arg(server.socket()).args([
            "-X",
            "PUT",
            "-H",
            headers,
            path,
            "large.tar",
            url,
            "-w",
            "%{http_code}",
        ]);
        let outcome = run(&mut curl);
        assert_eq!(outcome.ok(), "200", "{headers}");
        let sum = "docker cp box:/tmp/large - | tar xO | cmp - large && docker start box && docker exec box rm /tmp/large";
        run(&mut server.command("sh", &["-c", sum])).ok();
    }
    server.ok(&["rm", "-f", "box"]);
}

#[test]
fn an_unprivileged_user_has_a_server() {
    let Some(scenario) = Scenario::rootless() else { return };
    let Some(server) = DockerServer::start(&scenario) else { return };
    if server.is_oracle() {
        return;
    }
    server.busybox();
    player::play(&server, "rootless.session");
}

/// Verbs of swarms, and programs that are not part of the client.
const NOT_PLAYED: [&str; 4] = ["manifest", "plugin", "trust", "buildx*"];

#[test]
fn every_command_of_the_client_is_played() {
    let Some((_, client)) = clients().into_iter().next() else {
        hull_test_support::skip!("docker is not installed")
    };
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api_docker_cli");
    let files = std::fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path());
    let played: String = files.filter(|f| f.is_file()).map(|f| std::fs::read_to_string(f).unwrap()).collect();
    let help = run(Command::new(client).arg("--help"));
    let commands = help.ok().split("Global Options:").next().unwrap().lines();
    let names =
        commands.filter(|line| line.starts_with("  ")).filter_map(|line| line.split_whitespace().next());
    let missing: Vec<&str> = names
        .filter(|name| !NOT_PLAYED.contains(name) && !played.contains(&format!("docker {name} ")))
        .filter(|name| !played.contains(&format!("&[\"{name}\"")))
        .collect();
    assert!(missing.is_empty(), "not played: {missing:?}");
}
