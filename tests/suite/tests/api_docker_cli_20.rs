//! docker's client 20.10, which Debian's package docker.io has, on `hull serve`: API 1.41.
//!
//! The transcripts are those of `api_docker_cli.rs`, recorded with this client, because its messages are its own.

#[path = "api_docker_cli/player.rs"]
mod player;
#[path = "api_docker_cli/sessions.rs"]
mod sessions;

use hull_test_support::docker_server::{DockerServer, clients};
use hull_test_support::{Scenario, skip};

fn start() -> Option<(Scenario, DockerServer)> {
    let Some((_, client)) = clients().into_iter().find(|(version, _)| version.starts_with("20.")) else {
        skip::skip("docker's client 20.10 is not installed");
        return None;
    };
    let scenario = Scenario::start()?;
    let server = DockerServer::start_for(&scenario, client);
    server.busybox();
    Some((scenario, server))
}

fn play(name: &str) {
    let Some((scenario, server)) = start() else { return };
    player::write_registry_configuration(&scenario);
    player::play(&server, &format!("client_20/{name}"));
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
    play("registry.session");
}

#[test]
fn terminals_are_resized_interrupted_left_and_entered() {
    let Some((_scenario, server)) = start() else { return };
    sessions::run_and_exec(&server);
    sessions::detach_and_attach(&server);
    sessions::interrupted(&server);
}
