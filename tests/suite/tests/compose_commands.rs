//! What the commands of `hull compose` print: the columns, texts and exit codes of Docker Compose 2.40.3.
//!
//! The transcripts in `compose_commands/` were recorded with it on dockerd 20.10. To play them there:
//! `HULL_API_ORACLE=1 cargo test -p hull-test-suite --test compose_commands`, with `HULL_BLESS=1` to record them again.

use std::path::Path;

use hull_test_support::Composer;
use hull_test_support::composer::Kind;

fn play(name: &str) {
    let kind = match std::env::var_os("HULL_API_ORACLE") {
        Some(_) => Kind::ComposeOnDockerd,
        None => Kind::Hull,
    };
    let Some(composer) = Composer::start(kind) else { return };
    composer.play(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose_commands").join(name));
}

#[test]
fn containers_images_volumes_and_projects_are_listed() {
    play("lists");
}

#[test]
fn programs_run_and_files_are_copied() {
    play("files");
}

#[test]
fn images_are_built_and_not_pulled_twice() {
    play("images");
}
