//! A server of docker's API, a registry beside it, and the clients' environment.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hull_test_support::outcome::{Outcome, eventually, run};
use hull_test_support::{DockerServer, Scenario, api_clients, fixtures, skip};

/// Where the clients' programs are in this repository.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api_sdk")
}

/// The fields are dropped in their order.
pub struct World {
    registry: Child,
    pub server: DockerServer,
    pub t: Scenario,
    python: PathBuf,
    node_modules: Option<PathBuf>,
}

/// Skips the test, and says why.
fn installed<T>(result: Result<T, String>) -> Option<T> {
    result.inspect_err(|why| skip::skip(&format!("the clients cannot be installed: {why}"))).ok()
}

impl World {
    /// With Python's clients.
    pub fn start() -> Option<Self> {
        // They are downloaded, so they come before the namespace without a network.
        let python = installed(api_clients::python())?;
        Self::with(python, None)
    }

    /// With Node's clients.
    pub fn with_node() -> Option<Self> {
        let python = installed(api_clients::python())?;
        let modules = installed(api_clients::node_modules(&sources().join("node")))?;
        Self::with(python, Some(modules))
    }

    fn with(python: PathBuf, node_modules: Option<PathBuf>) -> Option<Self> {
        if skip::find_program("docker-registry").is_none() {
            skip::skip("docker-registry is not installed");
            return None;
        }
        let t = Scenario::start()?;
        let server = DockerServer::start(&t)?;
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: \
             true}}\nhttp:\n  addr: \"127.0.0.1:5000\"\n",
            t.path("registry").display()
        );
        let config = t.write("registry.yml", config);
        let mut serve = server.command("docker-registry", &["serve", config.to_str().expect("a plain path")]);
        serve.env("OTEL_TRACES_EXPORTER", "none");
        serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let registry = serve.spawn().expect("the registry starts");
        let world = Self { registry, server, t, python, node_modules };
        let listens = "import socket; socket.create_connection(('127.0.0.1', 5000))";
        eventually("the registry listens", || world.client("python3", &["-c", listens]).success());
        world.import(&fixtures::busybox(), "busybox", &["CMD [\"sh\"]", "ENV PATH=/bin"]);
        Some(world)
    }

    /// Puts a root file system into the server's store.
    pub fn import(&self, tar: &Path, name: &str, changes: &[&str]) {
        let mut words = vec!["import"];
        for change in changes {
            words.extend(["--change", change]);
        }
        words.extend([tar.to_str().expect("a plain path"), name]);
        if self.server.is_oracle() {
            self.server.ok(&words);
        } else {
            self.t.ok(&words);
        }
    }

    /// Debian with a database and Python as `debian-tools:1`, `database:1`, and a stand-in for testcontainers' reaper as
    /// `reaper:1`.
    pub fn debian(&self, tools: &Path) {
        let path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        self.import(tools, "debian-tools:1", &["CMD [\"bash\"]", path]);
        for name in ["database", "reaper"] {
            let context = sources().join("images").join(name);
            let tag = format!("{name}:1");
            let words = ["build", "-q", "-t", &tag, context.to_str().expect("a plain path")];
            run(self.server.docker_command(&words).env("DOCKER_BUILDKIT", "0")).ok();
        }
    }

    /// A client beside the server. It finds Python's and Node's programs first.
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = self.server.command(program, args);
        let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path);
        let path = path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        let work = self.t.path("work");
        std::fs::create_dir_all(&work).expect("the scenario's directory is ours");
        command.env("PATH", format!("{}:{path}", self.python.display())).env("WORK", &work);
        command.env("REGISTRY", "127.0.0.1:5000").env("PYTHONDONTWRITEBYTECODE", "1").env("TMPDIR", &work);
        if let Some(modules) = &self.node_modules {
            command.env("NODE_PATH", modules);
        }
        command
    }

    /// Runs a client to its end.
    pub fn client(&self, program: &str, args: &[&str]) -> Outcome {
        run(&mut self.command(program, args))
    }

    /// Runs one of Python's programs, which must succeed; what it printed.
    #[track_caller]
    pub fn python(&self, script: &str, args: &[&str]) -> String {
        let script = sources().join("python").join(script);
        let words = [&[script.to_str().expect("a plain path")], args].concat();
        self.said(&self.client("python3", &words))
    }

    /// The same for Node.
    #[track_caller]
    pub fn node(&self, script: &str, args: &[&str]) -> String {
        let script = sources().join("node").join(script);
        let words = [&[script.to_str().expect("a plain path")], args].concat();
        self.said(&self.client("node", &words))
    }

    /// What a client printed, which must have succeeded.
    #[track_caller]
    pub fn said(&self, outcome: &Outcome) -> String {
        assert!(outcome.success(), "{outcome}\n--- the server's log\n{}", self.server.log());
        outcome.stdout.clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.registry.kill();
        let _ = self.registry.wait();
    }
}
