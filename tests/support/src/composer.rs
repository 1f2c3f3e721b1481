//! The command `docker compose` in a scenario, as hull's and as Docker Compose's, so that the same projects come up with
//! both.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::outcome::{run, wrapped};
use crate::{DockerServer, Scenario, program, python, skip, transcript};

/// What answers to `docker compose`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `hull compose`, without any server. `docker` is hull, too.
    Hull,
    /// Docker Compose, with docker's client, on `hull serve`.
    ComposeOnHull,
    /// The same on dockerd.
    ComposeOnDockerd,
}

/// It drops the server before the scenario.
#[derive(Debug)]
pub struct Composer {
    server: Option<DockerServer>,
    /// The directory of `docker`, where that is hull.
    bin: PathBuf,
    scenario: Scenario,
    kind: Kind,
}

impl Composer {
    /// Skips the test where there is no Docker Compose, or no dockerd.
    pub fn start(kind: Kind) -> Option<Self> {
        // Before the scenario, which has no network.
        let plugin = match kind {
            Kind::Hull => None,
            Kind::ComposeOnHull | Kind::ComposeOnDockerd => match python::compose() {
                Ok(plugin) => Some(plugin),
                Err(why) => {
                    skip::skip(&format!("Docker Compose cannot be had: {why}"));
                    return None;
                }
            },
        };
        let scenario = Scenario::start()?;
        crate::registry::network_up();
        std::fs::create_dir_all(scenario.path("home")).expect("the scenario's directory is ours");
        let server = match kind {
            Kind::Hull => None,
            Kind::ComposeOnHull => Some(DockerServer::start(&scenario)?),
            Kind::ComposeOnDockerd => Some(DockerServer::dockerd(&scenario)?),
        };
        if let (Some(server), Some(plugin)) = (&server, plugin) {
            server.busybox();
            let plugins = scenario.path("home/.docker/cli-plugins");
            std::fs::create_dir_all(&plugins).expect("the scenario's directory is ours");
            symlink(plugin, plugins.join("docker-compose")).expect("a new directory");
        } else {
            scenario.busybox();
        }
        let bin = scenario.path("bin");
        std::fs::create_dir_all(&bin).expect("the scenario's directory is ours");
        if kind == Kind::Hull {
            for name in ["docker", "docker-compose"] {
                symlink(program::hull(), bin.join(name)).expect("a new directory");
            }
        }
        symlink(program::hull(), bin.join("hull")).expect("a new directory");
        Some(Self { server, bin, scenario, kind })
    }

    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A shell in a directory of the scenario, in which `docker compose` is the one under test, and `hull` is hull.
    pub fn shell(&self, directory: &Path, script: &str) -> Command {
        let script = format!("cd {}\n{script}", directory.display());
        let mut command = match &self.server {
            None => {
                let mut command = wrapped(&["sh", "-c", &script], &self.scenario.command(&[]));
                command.env("DOCKER_CONFIG", self.scenario.path("home/.docker"));
                command
            }
            Some(server) if self.kind == Kind::ComposeOnHull => {
                // With hull's own roots, for projects that both work on.
                let mut command = server.command("sh", &["-c", &script]);
                for (name, value) in self.scenario.command(&[]).get_envs() {
                    if name.to_string_lossy().starts_with("HULL_") {
                        command.env(name, value.unwrap_or_default());
                    }
                }
                command
            }
            Some(server) => server.command("sh", &["-c", &script]),
        };
        let set = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value);
        let path = set.map(ToOwned::to_owned).or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        command.env("PATH", format!("{}:{}", self.bin.display(), path.to_string_lossy()));
        command
    }

    /// A copy of a project's directory, which the test may change.
    pub fn copy(&self, source: &Path) -> PathBuf {
        let copy = self.scenario.path("home").join(source.file_name().expect("a directory with a name"));
        run(Command::new("cp").arg("-r").arg(source).arg(&copy)).ok();
        let _ = std::fs::remove_file(copy.join("commands.session"));
        copy
    }

    /// Plays `commands.session` of a project in a copy of its directory.
    #[track_caller]
    pub fn play(&self, source: &Path) {
        let copy = self.copy(source);
        let is_oracle = self.kind == Kind::ComposeOnDockerd;
        transcript::play(&source.join("commands.session"), is_oracle, |script| self.shell(&copy, script));
    }
}
