//! The duration of each test program, which decides in what size of `cargo xtask test` it runs.

use super::programs::Program;

/// How many tests run. A larger size includes all smaller ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// `--fast`, at most two minutes.
    Fast,
    /// Without a flag, at most six.
    Usual,
    /// `--long`, as long as it takes.
    Long,
}

/// The seconds from which a program is not part of `--fast`, and those from which it is part of `--long` alone.
const LIMITS: [u32; 2] = [3, 13];

/// The seconds of every program that takes two or more, on two processors with nothing else to do. A program that is not
/// in the table counts as quick: a new suite is part of `--fast` until somebody measures it.
#[rustfmt::skip]
const SECONDS: &[(&str, &str, u32)] = &[
    ("tests/suite", "system_moves", 15),
    ("tests/suite", "system_snapshots", 8),
    ("tests/suite", "system_snapshots_killed", 75),
    ("tests/suite", "system_boot", 60),
    ("tests/suite", "system_devices", 12),
    ("tests/suite", "system_nics", 30),
    ("tests/suite", "lxc_tools", 12),
    ("tests/suite", "system_images", 12),
    ("tests/suite", "system_isolation", 5),
    ("tests/suite", "system_config", 13),
    ("steps/04-overlay", "lesson", 2),
    ("final/crates/storage", "hull_storage", 2),
    ("tests/suite", "terminal", 2),
    ("tests/suite", "rootless_machines", 2),
    ("tests/suite", "oci_streams", 2),
    ("tests/suite", "roots", 2),
    ("tests/suite", "registry_round_trip", 2),
    ("tests/book", "look", 2),
    ("tests/suite", "oci_checkpoint", 2),
    ("tests/suite", "oci_process", 2),
    ("tests/suite", "command_line", 2),
    ("tests/suite", "inspect", 2),
    ("tests/suite", "listings", 2),
    ("tests/suite", "volume_archives", 2),
    ("tests/suite", "volume_flags", 2),
    ("tests/suite", "compose_config", 8),
    ("tests/suite", "system_storage", 12),
    ("tests/suite", "system_pools", 25),
    ("tests/suite", "compose_up", 3),
    ("tests/suite", "compose_up_killed", 26),
    ("tests/suite", "compose_up_rolling", 9),
    ("tests/suite", "compose_config_live", 20),
    ("tests/suite", "api_server", 4),
    ("tests/suite", "api_systemd", 6),
    ("tests/suite", "api_transports", 13),
    ("tests/suite", "api_faults", 22),
    ("final/crates/api", "hull_api", 2),
    ("tests/suite", "compose_errors", 4),
    ("tests/suite", "compose_behaviour", 10),
    ("tests/suite", "compose_behaviour_peers", 50),
    ("tests/suite", "compose_watch", 3),
    ("tests/suite", "compose_attached", 6),
    ("tests/suite", "compose_services", 20),
    ("tests/suite", "volumes", 4),
    ("tests/suite", "mount", 5),
    ("tests/suite", "prune", 9),
    ("tests/suite", "api_containers", 8),
    ("tests/suite", "registry_documents", 2),
    ("steps/02-pid-mount", "lesson", 3),
    ("tests/suite", "oci_flags", 3),
    ("tests/suite", "oci_systemd", 3),
    ("final/crates/runtime", "hull_runtime", 3),
    ("steps/03-cgroups", "lesson", 3),
    ("final/crates/build", "fuzz", 2),
    ("final/crates/composefile", "fuzz", 3),
    ("final/crates/build", "official_parser", 3),
    ("final/crates/runtime", "fuzz", 3),
    ("tests/suite", "rootless", 3),
    ("tests/suite", "hostile_registry", 3),
    ("tests/suite", "oci_verbs", 3),
    ("tests/suite", "sparse_files", 3),
    ("tests/suite", "oci_engines", 4),
    ("tests/suite", "registry", 4),
    ("tests/suite", "names", 4),
    ("tests/suite", "errors", 4),
    ("tests/suite", "image_commands", 4),
    ("tests/suite", "oci_update", 4),
    ("steps/06-images", "lesson", 5),
    ("tests/suite", "limits", 5),
    ("tests/suite", "user_mode_network", 5),
    ("tests/suite", "image_store", 5),
    ("tests/suite", "update", 5),
    ("tests/suite", "stats", 7),
    ("tests/suite", "commit", 5),
    ("tests/suite", "selection", 4),
    ("tests/suite", "oci_mounts", 5),
    ("steps/05-veth-bridge", "lesson", 6),
    ("tests/suite", "damaged", 6),
    ("tests/suite", "bridge_parent", 6),
    ("final/crates/image", "hull_image", 6),
    ("steps/07-security", "lesson", 7),
    ("tests/suite", "logs", 7),
    ("tests/suite", "log_drivers", 7),
    ("tests/suite", "generate_systemd", 7),
    ("tests/suite", "boot", 9),
    ("tests/suite", "system_files", 6),
    ("tests/suite", "system_lists", 4),
    ("tests/suite", "killed_monitor", 4),
    ("tests/suite", "macvlan", 8),
    ("tests/suite", "ports", 8),
    ("final/crates/network", "hull_network", 8),
    ("tests/suite", "vxlan", 10),
    ("tests/suite", "build_check", 2),
    ("tests/suite", "build_cli", 12),
    ("tests/suite", "api_images", 3),
    ("tests/suite", "api_uploads", 4),
    ("tests/suite", "api_build", 5),
    ("tests/suite", "build_context", 10),
    ("tests/suite", "build_copy", 3),
    ("tests/suite", "build_outputs", 6),
    ("tests/suite", "build_screens", 4),
    ("tests/suite", "build_cache", 9),
    ("tests/suite", "isolation", 10),
    ("tests/suite", "container_attacks", 11),
    ("tests/suite", "oci", 11),
    ("tests/suite", "network_isolation", 11),
    ("tests/suite", "images", 12),
    ("tests/suite", "health", 12),
    ("tests/suite", "store_check", 13),
    ("tests/suite", "api_sdk", 10),
    ("tests/suite", "api_objects", 12),
    ("tests/suite", "hostile_blobs", 13),
    ("tests/suite", "lifecycle", 14),
    ("tests/suite", "stop_and_remove", 14),
    ("tests/suite", "build_attacks", 15),
    ("tests/suite", "stopped_monitor", 15),
    ("tests/suite", "api_streams", 22),
    ("tests/suite", "api_compose", 15),
    ("tests/suite", "compose_requests", 6),
    ("tests/suite", "compose_attributes", 5),
    ("tests/suite", "compose_commands", 12),
    ("tests/suite", "api_docker_cli", 12),
    ("tests/suite", "api_docker_cli_20", 15),
    ("tests/suite", "attach", 16),
    ("tests/suite", "network", 18),
    ("tests/suite", "engines", 20),
    ("tests/suite", "health_load", 22),
    ("tests/suite", "other_runtimes", 30),
    ("tests/suite", "docker_coexistence", 24),
    ("tests/suite", "clients", 26),
    ("tests/suite", "faults", 27),
    ("tests/steps", "behaviours", 28),
    ("tests/book", "book", 41),
    ("tests/suite", "oci_hostile", 43),
    ("tests/book", "pages", 51),
    ("tests/suite", "build_solve", 10),
    ("tests/suite", "build_cases", 20),
    ("tests/suite", "build_faults", 40),
    ("tests/suite", "build_real", 60),
    ("tests/suite", "api_sdk_clients", 110),
    ("tests/suite", "bundles", 71),
    ("tests/suite", "lxc_peers", 20),
    ("tests/suite", "lxd_peers", 20),
    ("tests/suite", "build_peers", 240),
    ("tests/suite", "api_recorded", 45),
    ("tests/suite", "api_recorded_dockerd", 150),
];

/// Programs of which two run at a time, because they measure nothing: suites that wait for another engine most of the time,
/// and crates' tests whose fuzzers take a time that is set.
const PATIENT: [(&str, &str); 11] = [
    ("tests/suite", "api_recorded_dockerd"),
    ("tests/suite", "api_sdk_clients"),
    ("tests/suite", "build_peers"),
    ("tests/suite", "build_real"),
    ("tests/suite", "bundles"),
    ("tests/suite", "oci_hostile"),
    ("final/crates/api", "hull_api"),
    ("final/crates/build", "fuzz"),
    ("final/crates/composefile", "fuzz"),
    ("final/crates/image", "hull_image"),
    ("final/crates/runtime", "fuzz"),
];

pub fn is_patient(program: &Program) -> bool {
    PATIENT.contains(&(program.directory.as_str(), program.name.as_str()))
}

/// The crates' own tests and the lessons are part of every size, independent of their duration.
const ALWAYS: [&str; 2] = ["final", "steps/"];

pub fn size_of(program: &Program) -> Size {
    match seconds(program) {
        _ if ALWAYS.iter().any(|beginning| program.directory.starts_with(beginning)) => Size::Fast,
        seconds if seconds < LIMITS[0] => Size::Fast,
        seconds if seconds < LIMITS[1] => Size::Usual,
        _ => Size::Long,
    }
}

/// Cheap ones come first, and those of one package together.
pub fn order(program: &Program) -> (u32, &str, &str) {
    (seconds(program), &program.directory, &program.name)
}

fn seconds(program: &Program) -> u32 {
    let is_it = |row: &&(&str, &str, u32)| (row.0, row.1) == (&program.directory, &program.name);
    SECONDS.iter().find(is_it).map_or(1, |row| row.2)
}

#[test]
fn every_row_of_the_table_is_a_program() {
    let packages = super::programs::packages().unwrap();
    for (directory, name, _) in SECONDS {
        let package = packages.iter().find(|package| package.directory == *directory);
        let package = package.unwrap_or_else(|| panic!("there is no package in {directory}"));
        let is_unit = package.name.replace('-', "_") == *name;
        assert!(is_unit || package.tests.iter().any(|test| test == name), "{directory} has no test {name}");
    }
}
