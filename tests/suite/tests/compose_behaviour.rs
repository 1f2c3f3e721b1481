//! `hull compose` with the projects that Docker Compose comes up with on dockerd: the same commands print the same.
//!
//! Those of `api_compose/` are also played by Docker Compose on `hull serve`, in `api_compose.rs`, and were recorded on
//! dockerd. Those of `compose_behaviour/` are played by all three: see `compose_behaviour_peers.rs`.

#[path = "compose_behaviour/projects.rs"]
mod projects;

use std::path::Path;

use hull_test_support::Composer;
use hull_test_support::composer::Kind;

fn recorded(name: &str) {
    let Some(composer) = Composer::start(Kind::Hull) else { return };
    composer.play(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api_compose").join(name));
}

fn project(name: &str) {
    let Some(composer) = Composer::start(Kind::Hull) else { return };
    composer.play(&projects::directory(name));
}

#[test]
fn a_site_waits_for_its_healthy_database() {
    recorded("web");
}

#[test]
fn images_are_built() {
    recorded("build");
}

#[test]
fn services_of_a_profile_start_when_asked_for() {
    recorded("profiles");
}

#[test]
fn networks_have_aliases_addresses_and_borders() {
    recorded("networks");
}

#[test]
fn volumes_outlive_their_containers() {
    recorded("volumes");
}

#[test]
fn secrets_and_configs_are_files_inside() {
    recorded("secrets");
}

#[test]
fn a_service_is_scaled_up_and_down() {
    recorded("scale");
}

#[test]
fn files_extend_and_override_each_other() {
    recorded("extends");
}

#[test]
fn limits_and_restart_policies_hold() {
    recorded("restart");
}

#[test]
fn run_cp_events_pull_and_push() {
    recorded("tools");
}

#[test]
fn dependencies_are_waited_for_and_their_failures_told() {
    project("order");
}

#[test]
fn only_what_differs_is_made_again() {
    project("converge");
}

#[test]
fn services_share_namespaces_and_names() {
    project("shared");
}

#[test]
fn an_image_s_labels_make_no_container_a_project_s() {
    project("labelled");
}

#[test]
fn hooks_run_after_the_start_and_before_the_stop() {
    project("hooks");
}

#[test]
fn an_attached_up_ends_as_its_containers_do() {
    project("attached");
}

#[test]
fn services_have_what_they_ask_for() {
    project("attributes");
}
