//! Debian's docker-registry on an address of the scenario's own network namespace: plain, or with TLS from a private
//! authority and passwords.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::scenario::Scenario;
use crate::skip;

/// An address that is not this machine's loopback: no leniency for those is in the way. Nothing outside the scenario
/// can reach it, nor is it reached from there.
pub const ADDRESS: &str = "10.99.0.1";

/// The only user that may log in, where the registry asks for a password.
pub const USER: (&str, &str) = ("tester", "secret:with-colon");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// With a certificate of [`Registry::authority`], and [`USER`].
    Locked,
    /// With the same certificate, and only for those who have one too.
    Mutual,
}

/// A registry that ends with its owner.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    directory: PathBuf,
    pub host: String,
}

impl Registry {
    /// Plain HTTP on the loopback interface. `None`, said aloud, where it is not installed.
    pub fn plain(scenario: &Scenario) -> Option<Self> {
        Self::start(scenario, Kind::Plain, "127.0.0.1", 5000)
    }

    pub fn start(scenario: &Scenario, kind: Kind, address: &str, port: u16) -> Option<Self> {
        for program in ["docker-registry", "htpasswd", "openssl"] {
            if skip::find_program(program).is_none() {
                skip::skip(&format!("{program} is not installed"));
                return None;
            }
        }
        network_up();
        let directory = scenario.path(format!("registry-{port}"));
        std::fs::create_dir_all(directory.join("store")).expect("the scenario's directory can be written");
        let mut config = format!(
            "version: 0.1\nlog: {{level: info, accesslog: {{disabled: false}}}}\nstorage:\n  filesystem: \
             {{rootdirectory: {dir}/store}}\n  delete: {{enabled: true}}\n",
            dir = directory.display()
        );
        let mut http = format!("http:\n  addr: \"{address}:{port}\"\n");
        if kind != Kind::Plain {
            certificates(&directory, address);
            let dir = directory.display();
            http.push_str(&format!("  tls:\n    certificate: {dir}/server.crt\n    key: {dir}/server.key\n"));
            if kind == Kind::Mutual {
                http.push_str(&format!("    clientcas: [{dir}/ca.crt]\n"));
            }
        }
        if kind == Kind::Locked {
            let line = output(Command::new("htpasswd").args(["-Bbn", USER.0, USER.1]));
            std::fs::write(directory.join("htpasswd"), line).expect("its directory can be written");
            let path = directory.join("htpasswd");
            config.push_str(&format!("auth:\n  htpasswd: {{realm: test, path: {}}}\n", path.display()));
        }
        std::fs::write(directory.join("config.yml"), config + &http).expect("its directory can be written");
        let log = std::fs::File::create(directory.join("log")).expect("its directory can be written");
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(directory.join("config.yml")).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("descriptors")).stderr(log);
        // Its traces would otherwise look for somebody to tell.
        command.env("OTEL_TRACES_EXPORTER", "none");
        let process = command.spawn().expect("the registry starts");
        let host = format!("{address}:{port}");
        let registry = Self { process, directory, host };
        registry.wait();
        Some(registry)
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(&self.host).is_err() {
            assert!(Instant::now() < deadline, "the registry does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A name in this registry.
    pub fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.host)
    }

    /// The authority's certificate, and a certificate and a key that it signed for a client.
    pub fn authority(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }

    pub fn client(&self) -> (PathBuf, PathBuf) {
        (self.directory.join("client.crt"), self.directory.join("client.key"))
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// The requests so far, `GET /v2/x/…`, of the method and with a part of the path.
    pub fn requests(&self, method: &str, part: &str) -> Vec<String> {
        let log = self.log();
        let request = |line: &str| line.split('"').nth(1).map(str::to_owned);
        let lines = log.lines().filter(|line| line.contains("HTTP/1.1\"")).filter_map(request);
        lines.filter(|request| request.starts_with(method) && request.contains(part)).collect()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The loopback interface of this thread's network namespace, with [`ADDRESS`] on it.
pub fn network_up() {
    output(Command::new("ip").args(["link", "set", "lo", "up"]));
    let _ = Command::new("ip").args(["addr", "add", &format!("{ADDRESS}/32"), "dev", "lo"]).output();
}

/// `ca`, `server` and `client`, each `.crt` and `.key`.
pub fn certificates(directory: &Path, address: &str) {
    let openssl = |args: &str| {
        let mut command = Command::new("openssl");
        output(command.args(args.split_whitespace()).current_dir(directory));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.crt -days 30 -subj /CN=test-authority"));
    for name in ["server", "client"] {
        let extensions = format!("subjectAltName=IP:{address}\nextendedKeyUsage=serverAuth,clientAuth\n");
        std::fs::write(directory.join("extensions"), extensions).expect("its directory can be written");
        openssl(&format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile extensions -out {name}.crt"
        ));
    }
}

fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("an installed program starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
