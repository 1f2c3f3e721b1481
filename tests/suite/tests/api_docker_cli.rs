//! docker's own command-line client on `hull serve`.
//!
//! The transcripts in `api_docker_cli/` were recorded with client 28.2 on dockerd 28.5. To play them on a dockerd:
//! `HULL_API_ORACLE=/usr/sbin/dockerd cargo test -p hull-test-suite --test api_docker_cli`, with `HULL_BLESS=1` to record
//! them again.

#[path = "api_docker_cli/sessions.rs"]
mod sessions;

use std::path::Path;
use std::process::Command;

use hull_test_support::outcome::run;
use hull_test_support::{DockerServer, Scenario, skip, transcript};

/// A server that has the image busybox.
fn start() -> Option<(Scenario, DockerServer)> {
    let scenario = Scenario::start()?;
    let server = DockerServer::start(&scenario)?;
    if server.is_oracle() {
        server.busybox();
    } else {
        scenario.busybox();
    }
    Some((scenario, server))
}

/// Plays `api_docker_cli/NAME.session`.
fn play(name: &str) {
    let Some((_scenario, server)) = start() else { return };
    play_on(&server, name);
}

fn play_on(server: &DockerServer, name: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api_docker_cli");
    transcript::play(&directory.join(name), |script| server.command("sh", &["-c", script]));
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
    let store = scenario.path("registry-store");
    let config = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:5000\"}}\n",
        store.display()
    );
    scenario.write("home/registry.yml", config);
    play_on(&server, "registry.session");
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
