//! Plays transcripts on a server that has the image busybox.

use std::path::Path;

use hull_test_support::{DockerServer, Scenario, transcript};

/// Plays a file below `tests/api_docker_cli` in an empty directory.
pub fn play(server: &DockerServer, name: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api_docker_cli");
    transcript::play(&directory.join(name), server.is_oracle(), |script| {
        server.command("sh", &["-c", script])
    });
}

/// The configuration of a registry that `registry.session` starts beside the server.
pub fn write_registry_configuration(scenario: &Scenario) {
    let config = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:5000\"}}\n",
        scenario.path("registry-store").display()
    );
    scenario.write("home/registry.yml", config);
}
