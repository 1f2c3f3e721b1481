//! Where the programs under test are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Names the `hull` to test; without it the one beside the test's own executable is built and used.
pub const HULL_BINARY: &str = "HULL_BINARY";

/// The same for `hull-oci`. Any program with runc's command line can be named.
pub const HULL_OCI_BINARY: &str = "HULL_OCI_BINARY";

/// The engine under test.
pub fn hull() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| named_or_built(HULL_BINARY, "hull"))
}

/// The OCI runtime under test.
pub fn hull_oci() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| named_or_built(HULL_OCI_BINARY, "hull-oci"))
}

fn named_or_built(variable: &str, binary: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| build().join(binary), PathBuf::from)
}

/// Builds the binaries and returns their directory: `cargo test` does not build binaries of other packages.
fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--package", "hull", "--bins"])
        .current_dir(workspace())
        .status()
        .expect("cargo runs");
    assert!(status.success(), "hull does not build");
    // This executable is target/<triple>/<profile>/deps/<test>-<hash>.
    let own = std::env::current_exe().expect("/proc is mounted");
    let target = own.ancestors().nth(3).expect("a test lives in a target directory");
    target.join("debug")
}

/// The root of the workspace these tests were built from.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/support lies two levels down")
}

/// The directory for files that take long to make, kept between runs.
pub fn cache() -> PathBuf {
    let dir = match std::env::var_os("HULL_TEST_CACHE") {
        Some(dir) => PathBuf::from(dir),
        None => workspace().join("target/test-cache"),
    };
    std::fs::create_dir_all(&dir).expect("the test cache can be made");
    dir
}
