//! Test programs: built by cargo, all at once, and run by us, in the order of their costs (`run_all`).
//!
//! `cargo test` runs its programs in alphabetical order and does not say how long each of them took to start, run and end.
//! It also resolves features for the packages it is given, so that a test built alone would compile the dependencies anew;
//! here everything is built as part of the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::workspace::{cargo, output, root, run, target};

/// A program that runs tests.
#[derive(Debug)]
pub struct Program {
    /// Its package's directory, relative to the workspace: `tests/suite`.
    pub directory: String,
    /// Its name in the package: `lifecycle`.
    pub name: String,
    executable: PathBuf,
}

/// The test programs to build.
#[derive(Debug, PartialEq, Eq)]
pub enum Selection {
    Workspace,
    /// One file of `tests/suite/tests`.
    Suite(String),
    /// All of one package.
    Package(String),
}

/// `hull`, `hull-oci` and the lessons' programs, which the tests start.
pub fn build_tools() -> Result<()> {
    run(&mut cargo(&["build", "--workspace", "--bins", "--quiet"]))
}

/// Builds the test programs of `selection`. Errors of the compiler are shown as usual.
pub fn build(selection: &Selection) -> Result<Vec<Program>> {
    let mut build = cargo(&["test", "--no-run", "--quiet", "--message-format", "json-render-diagnostics"]);
    match selection {
        Selection::Workspace => build.arg("--workspace"),
        Selection::Suite(name) => build.args(["--workspace", "--test", name]),
        Selection::Package(name) => build.args(["--package", name]),
    };
    build.stderr(std::process::Stdio::inherit());
    Ok(output(&mut build)?.lines().filter_map(parse).collect())
}

/// Reads one line of cargo's JSON: a test program, if the line reports one.
fn parse(line: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_test = message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
    let executable = message["executable"].as_str().filter(|_| is_test)?;
    let directory = Path::new(message["manifest_path"].as_str()?).parent()?.strip_prefix(root()).ok()?;
    Some(Program {
        directory: directory.to_str()?.to_owned(),
        name: message["target"]["name"].as_str()?.to_owned(),
        executable: executable.into(),
    })
}

/// Runs one program, whose output is shown at once.
pub fn run_one(program: &Program, arguments: &[&str]) -> Result<()> {
    run(command(program)?.args(arguments))
}

/// The program with the working directory and the environment that `cargo test` would give it.
pub fn command(program: &Program) -> Result<Command> {
    let directory = root().join(&program.directory);
    let binaries = target()?.join("debug");
    let mut command = Command::new(&program.executable);
    command.current_dir(&directory).env("CARGO_MANIFEST_DIR", &directory);
    command.env("HULL_BINARY", binaries.join("hull")).env("HULL_OCI_BINARY", binaries.join("hull-oci"));
    Ok(command)
}

/// Compiles and runs the examples in the documentation, with rustdoc.
pub fn documentation(package: Option<&str>) -> Result<()> {
    let mut test = cargo(&["test", "--quiet", "--doc"]);
    match package {
        Some(package) if !has_library(package)? => return Ok(()),
        Some(package) => test.args(["--package", package]),
        None => test.arg("--workspace"),
    };
    run(&mut test)
}

fn has_library(package: &str) -> Result<bool> {
    let packages = packages()?;
    let found = packages.iter().find(|one| one.name == package).context("a package of the workspace")?;
    Ok(found.has_library)
}

/// A package of the workspace, as cargo describes it.
#[derive(Debug)]
pub struct Package {
    pub name: String,
    pub directory: String,
    /// The names of its integration tests.
    pub tests: Vec<String>,
    has_library: bool,
}

pub fn packages() -> Result<Vec<Package>> {
    let text = output(&mut cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&text).context("reading cargo's metadata")?;
    let packages = metadata["packages"].as_array().context("cargo's metadata has no packages")?;
    packages.iter().map(|package| describe(package).context("a package in cargo's metadata")).collect()
}

fn describe(package: &Value) -> Option<Package> {
    let directory = Path::new(package["manifest_path"].as_str()?).parent()?.strip_prefix(root()).ok()?;
    let targets = package["targets"].as_array()?;
    let is = |target: &Value, kind: &str| target["kind"].as_array().is_some_and(|kinds| kinds[0] == kind);
    let tests = targets.iter().filter(|target| is(target, "test"));
    Some(Package {
        name: package["name"].as_str()?.to_owned(),
        directory: directory.to_str()?.to_owned(),
        tests: tests.filter_map(|target| target["name"].as_str().map(String::from)).collect(),
        has_library: targets.iter().any(|target| is(target, "lib")),
    })
}
