//! The projects of `compose_behaviour.rs` with Docker Compose, on dockerd and on `hull serve`; and projects that hull and
//! Docker Compose work on in turn.

#[path = "compose_behaviour/projects.rs"]
mod projects;

use hull_test_support::Composer;
use hull_test_support::composer::Kind;

fn play_all(kind: Kind) {
    let Some(composer) = Composer::start(kind) else { return };
    projects::ALL.iter().for_each(|name| composer.play(&projects::directory(name)));
}

#[test]
fn docker_compose_on_dockerd_does_the_same() {
    play_all(Kind::ComposeOnDockerd);
}

#[test]
fn docker_compose_on_hull_serve_does_the_same() {
    play_all(Kind::ComposeOnHull);
}

#[test]
fn either_goes_on_with_what_the_other_has_begun() {
    let Some(composer) = Composer::start(Kind::ComposeOnHull) else { return };
    composer.play(&projects::directory("takeover"));
}
