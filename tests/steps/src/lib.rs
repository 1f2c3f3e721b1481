//! Tests of all lessons together, beside each lesson's own.
//!
//! ```text
//! superset    a step is the one before it, and little else has changed
//! behaviours  one table: what each step can do, which the one before cannot, and hull can
//! mutations   without the call that a lesson is about, its test goes red
//! traces      which system calls each step makes, in which order, as seen by strace
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use hull_test_support::program::workspace;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The directories of the lessons, in order.
pub const STEPS: [&str; 7] =
    ["01-uts", "02-pid-mount", "03-cgroups", "04-overlay", "05-veth-bridge", "06-images", "07-security"];

/// The directory of a lesson, counted from 1.
pub fn directory(step: usize) -> PathBuf {
    workspace().join("steps").join(STEPS[step - 1])
}

/// Its package.
pub fn package(step: usize) -> String {
    format!("step-{}", STEPS[step - 1])
}

/// Its program, built if need be.
pub fn program(step: usize) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--quiet"]).current_dir(workspace());
        command.args((1..=STEPS.len()).flat_map(|step| ["--package".to_owned(), package(step)]));
        assert!(command.status().expect("cargo runs").success(), "the lessons do not build");
        // This executable is target/<triple>/<profile>/deps/<test>-<hash>.
        let own = std::env::current_exe().expect("/proc is mounted");
        own.ancestors().nth(3).expect("a test lives in a target directory").join("debug")
    };
    DIRECTORY.get_or_init(build).join(package(step))
}

/// An OCI layout of one layer.
pub fn layout(directory: &Path, tar: &[u8]) {
    fs::create_dir_all(directory.join("blobs/sha256")).expect("own directory");
    let name =
        |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let blob = |kind: &str, bytes: &[u8]| {
        fs::write(directory.join("blobs/sha256").join(name(bytes)), bytes).expect("own directory");
        let kind = format!("application/vnd.oci.image.{kind}");
        json!({ "mediaType": kind, "digest": format!("sha256:{}", name(bytes)), "size": bytes.len() })
    };
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = json!({
        "os": "linux", "architecture": architecture,
        "config": { "Env": ["PATH=/bin", "FROM=image"], "Cmd": ["sh", "-c", "echo its own"] },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", name(tar))] },
    });
    let json = |kind: &str, value: &Value| blob(kind, value.to_string().as_bytes());
    let config = json("config.v1+json", &config);
    let layers = [blob("layer.v1.tar", tar)];
    let manifest =
        json("manifest.v1+json", &json!({ "schemaVersion": 2, "config": config, "layers": layers }));
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(directory.join("index.json"), index.to_string()).expect("own directory");
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("own directory");
}
