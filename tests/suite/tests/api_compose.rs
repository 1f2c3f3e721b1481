//! Docker Compose v2 on `hull serve`: projects in the style of common ones, each a directory below `api_compose/`.
//!
//! What Compose 2.40 sends for `up -d`, on one kept connection, and on more of them when services start at the same time:
//!
//! ```text
//! HEAD /_ping, GET images/IMAGE/json for each image, GET version
//! GET networks/NAME, GET networks?filters={"name":{"NAME":true}}, POST networks/create; the same for volumes
//! GET containers/json?all=1&filters={"label":{"com.docker.compose.config-hash":true,"com.docker.compose.project=P":true}}
//! POST containers/create?name=N, GET containers/ID/json, GET containers/json with filters again
//! PUT containers/ID/archive?noOverwriteDirNonDir=true&path=/  before the start, for configs and secrets without a file
//! POST containers/ID/start
//! ```
//!
//! `down` sends stop, DELETE containers/ID?force=1 and DELETE networks/ID, and finds all of them by filters on labels; `logs`
//! inspects each container and asks for logs?stderr=1&stdout=1&tail=all; `restart` and `stop` have no `t` unless one is
//! given; `up` without -d follows events?filters={"label":{"com.docker.compose.project=P":true}}.
//!
//! The transcripts were recorded with client 28.2 on dockerd 28.5; `api_docker_cli.rs` says how to record them again.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use hull_test_support::outcome::run;
use hull_test_support::{DockerServer, Scenario, python, skip, transcript};

/// Plays `commands.session` in a copy of the project's directory.
fn project(name: &str) {
    let compose = match python::compose() {
        Ok(compose) => compose,
        Err(why) => return skip::skip(&format!("Docker Compose cannot be had: {why}")),
    };
    let Some(scenario) = Scenario::start() else { return };
    let Some(server) = DockerServer::start(&scenario) else { return };
    server.busybox();
    let plugins = scenario.path("home/.docker/cli-plugins");
    std::fs::create_dir_all(&plugins).unwrap();
    symlink(compose, plugins.join("docker-compose")).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api_compose").join(name);
    let copy = scenario.path("home").join(name);
    run(Command::new("cp").arg("-r").arg(&source).arg(&copy)).ok();
    std::fs::remove_file(copy.join("commands.session")).unwrap();
    transcript::play(&source.join("commands.session"), server.is_oracle(), |script| {
        server.command("sh", &["-c", &format!("cd {}\n{script}", copy.display())])
    });
}

#[test]
fn a_site_waits_for_its_healthy_database() {
    project("web");
}

#[test]
fn images_are_built_by_the_classic_builder() {
    project("build");
}

#[test]
fn services_of_a_profile_start_when_asked_for() {
    project("profiles");
}

#[test]
fn networks_have_aliases_addresses_and_borders() {
    project("networks");
}

#[test]
fn volumes_outlive_their_containers() {
    project("volumes");
}

#[test]
fn secrets_and_configs_are_files_inside() {
    project("secrets");
}

#[test]
fn a_service_is_scaled_up_and_down() {
    project("scale");
}

#[test]
fn files_extend_and_override_each_other() {
    project("extends");
}

#[test]
fn limits_and_restart_policies_hold() {
    project("restart");
}

#[test]
fn run_cp_events_pull_and_push() {
    project("tools");
}
