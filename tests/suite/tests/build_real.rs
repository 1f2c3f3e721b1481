//! Real applications are built, run, and asked over a published port: one of Python, one of Rust, one of Node, and a static
//! site. Their packages come from the registries that this machine uses, with the settings that it uses for them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use hull_test_support::outcome::{eventually_some, wrapped};
use hull_test_support::{Scenario, fixtures, registry, skip};

/// How this machine's programs reach registries: files become secrets of a build, and proxies arguments.
struct Settings {
    flags: Vec<String>,
}

impl Settings {
    fn of_this_machine() -> Self {
        let mut settings = Self { flags: vec![] };
        let home = std::env::var("HOME").unwrap_or_default();
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let certificates = [variable("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt".into()];
        settings.secret("certificates", &certificates);
        settings.secret("pip", &[variable("PIP_CONFIG_FILE"), "/etc/pip.conf".into()]);
        settings.secret("npm", &[variable("NPM_CONFIG_USERCONFIG"), format!("{home}/.npmrc")]);
        settings.secret("cargo", &[format!("{home}/.cargo/config.toml")]);
        for name in ["http_proxy", "https_proxy", "no_proxy"] {
            let value = [variable(name), variable(&name.to_uppercase())].into_iter().find(|v| !v.is_empty());
            settings.flags.extend(value.map(|value| format!("--build-arg={name}={value}")));
        }
        settings
    }

    fn secret(&mut self, id: &str, candidates: &[String]) {
        let found = candidates.iter().find(|file| Path::new(file).is_file());
        self.flags.extend(found.map(|file| format!("--secret=id={id},src={file}")));
    }
}

/// A scenario with an image of Debian, whose builds reach the machine's registries.
struct Workshop {
    scenario: Scenario,
    settings: Settings,
}

impl Workshop {
    fn open() -> Option<Self> {
        let debian = match fixtures::debian() {
            Ok(debian) => debian,
            Err(why) => {
                skip::skip(&why);
                return None;
            }
        };
        let scenario = Scenario::start()?;
        registry::network_up();
        let debian = debian.to_str().expect("a plain path");
        scenario.ok(&["import", "--change", "CMD [\"bash\"]", debian, "debian"]);
        Some(Self { scenario, settings: Settings::of_this_machine() })
    }

    /// A build context with these files, and those that it has already.
    fn context(&self, files: &[(&str, &str)]) -> PathBuf {
        for (name, text) in files {
            self.scenario.write(&format!("context/{name}"), text);
        }
        self.scenario.path("context")
    }

    /// Builds the image `app`. Registries are reached from the machine's own network, by the RUNs of the build only.
    #[track_caller]
    fn build(&self, files: &[(&str, &str)]) {
        let context = self.context(files);
        let mut words = vec!["build", "--progress", "plain", "-t", "app", "--network", "host"];
        words.extend(self.settings.flags.iter().map(String::as_str));
        words.push(context.to_str().expect("a plain path"));
        // The test's thread has a network of its own; the process has the machine's.
        let network = format!("--net=/proc/{}/ns/net", std::process::id());
        let mut command = wrapped(&["nsenter", &network, "--"], &self.scenario.command(&words));
        let output = command.output().expect("nsenter is installed");
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the build ends with {}:\n{log}", output.status);
    }

    /// Runs the image, and returns what it answers on the port.
    #[track_caller]
    fn ask(&self, port: u16, path: &str) -> String {
        let published = format!("127.0.0.1:9000:{port}");
        self.scenario.ok(&["run", "-d", "--name", "app", "-p", &published, "app"]);
        let answer = eventually_some("the application answers", || get(path));
        self.scenario.ok(&["rm", "-f", "app"]);
        answer
    }
}

/// The answer to a request, if there is one with the status 200.
fn get(path: &str) -> Option<String> {
    let mut stream = TcpStream::connect("127.0.0.1:9000").ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.lines().next()?.contains(" 200 ").then(|| body.trim().to_owned())
}

#[test]
fn a_python_application_with_packages_of_pip_answers() {
    let Some(workshop) = Workshop::open() else { return };
    let dockerfile = r#"
FROM debian
ENV DEBIAN_FRONTEND=noninteractive
RUN --mount=type=cache,target=/var/cache/apt --mount=type=cache,target=/var/lib/apt/lists <<SCRIPT
set -e
apt-get update -qq
apt-get install -qq --no-install-recommends python3 python3-venv > /dev/null
python3 -m venv /app
SCRIPT
WORKDIR /app
COPY requirements.txt .
RUN --mount=type=secret,id=certificates,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=cache,target=/root/.cache/pip \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt bin/pip install --quiet -r requirements.txt
COPY app.py .
USER nobody
EXPOSE 8000
CMD ["bin/python", "app.py"]
"#;
    let application = r#"
import flask

app = flask.Flask(__name__)

@app.get("/<name>")
def hello(name):
    return f"hello {name}"

app.run(host="0.0.0.0", port=8000)
"#;
    workshop.build(&[
        ("Dockerfile", dockerfile),
        ("requirements.txt", "flask\n"),
        ("app.py", application),
        (".dockerignore", "*\n!requirements.txt\n!app.py\n"),
    ]);
    assert_eq!(workshop.ask(8000, "/world"), "hello world");
}

#[test]
fn a_rust_program_of_two_stages_with_cache_mounts_answers() {
    let Some(workshop) = Workshop::open() else { return };
    import_toolchain(&workshop.scenario);
    let dockerfile = r#"
FROM debian AS build
RUN --mount=type=cache,target=/var/cache/apt --mount=type=cache,target=/var/lib/apt/lists \
    apt-get update -qq && apt-get install -qq --no-install-recommends gcc libc6-dev > /dev/null
WORKDIR /source
COPY . .
RUN --mount=type=bind,from=toolchain,target=/toolchain \
    --mount=type=secret,id=certificates,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=secret,id=cargo,target=/root/.cargo/config.toml \
    --mount=type=cache,target=/root/.cargo/registry \
    --mount=type=cache,target=/source/target \
    PATH=/toolchain/bin:$PATH cargo build --quiet && cp target/debug/app /app

FROM debian
COPY --from=build --chmod=755 /app /usr/local/bin/app
USER 65534:65534
ENTRYPOINT ["app"]
"#;
    let manifest = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
        [dependencies]\nitoa = \"1\"\n";
    let program = r#"
use std::io::{Read, Write};

fn main() {
    let listener = std::net::TcpListener::bind("0.0.0.0:8000").unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).unwrap();
        let mut number = itoa::Buffer::new();
        write!(stream, "HTTP/1.0 200 OK\r\n\r\nanswer {}", number.format(42)).unwrap();
    }
}
"#;
    let files = [("Dockerfile", dockerfile), ("Cargo.toml", manifest), ("src/main.rs", program)];
    workshop.build(&files);
    assert_eq!(workshop.ask(8000, "/"), "answer 42");
    // After a change of the source, the cache mounts still have what has not changed.
    workshop.build(&[("src/main.rs", &program.replace("42", "43"))]);
    assert_eq!(workshop.ask(8000, "/"), "answer 43");
    let layers = workshop.scenario.ok(&["image", "inspect", "-f", "{{len .RootFS.Layers}}", "app"]);
    assert_eq!(layers, "2", "Debian's layer and one file");
}

/// The image `toolchain`: the compiler that has built this test.
fn import_toolchain(scenario: &Scenario) {
    let tar = scenario.path("toolchain.tar");
    let tar = tar.to_str().expect("a plain path");
    let pack = format!(
        "cd $(rustc --print sysroot) && host=$(rustc -vV | sed -n 's/^host: //p') && \
         tar -cf {tar} bin/cargo bin/rustc lib/*.so* lib/rustlib/$host"
    );
    fixtures::run_quietly(Command::new("sh").args(["-c", &pack])).expect("the toolchain can be packed");
    scenario.ok(&["import", tar, "toolchain"]);
    std::fs::remove_file(tar).expect("it is there");
}

#[test]
fn a_node_application_with_packages_of_npm_answers() {
    let Some(workshop) = Workshop::open() else { return };
    let dockerfile = r#"
FROM debian
RUN --mount=type=cache,target=/var/cache/apt --mount=type=cache,target=/var/lib/apt/lists \
    apt-get update -qq && apt-get install -qq --no-install-recommends nodejs npm > /dev/null
WORKDIR /app
COPY package.json ./
RUN --mount=type=secret,id=certificates,target=/run/certificates \
    --mount=type=secret,id=npm,target=/root/.npmrc \
    --mount=type=cache,target=/root/.npm \
    NODE_EXTRA_CA_CERTS=/run/certificates npm install --no-audit --no-fund
COPY server.js ./
USER nobody
HEALTHCHECK --interval=30s CMD node -e 0
CMD ["node", "server.js"]
"#;
    let server = r#"
const ms = require("ms");
require("http").createServer((_, answer) => answer.end(`a day has ${ms("1d")} ms`)).listen(8000);
"#;
    let package = r#"{"name": "app", "version": "1.0.0", "private": true, "dependencies": {"ms": "2.1.3"}}"#;
    workshop.build(&[("Dockerfile", dockerfile), ("package.json", package), ("server.js", server)]);
    assert_eq!(workshop.ask(8000, "/"), "a day has 86400000 ms");
}

#[test]
fn a_static_site_of_nginx_answers() {
    let Some(workshop) = Workshop::open() else { return };
    let dockerfile = r#"
FROM debian
RUN --mount=type=cache,target=/var/cache/apt --mount=type=cache,target=/var/lib/apt/lists \
    apt-get update -qq && apt-get install -qq --no-install-recommends nginx-light > /dev/null
COPY --link site/ /var/www/html/
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
"#;
    workshop.build(&[
        ("Dockerfile", dockerfile),
        ("site/index.html", "<p>index</p>\n"),
        ("site/pages/deep.html", "<p>deep</p>\n"),
    ]);
    assert_eq!(workshop.ask(80, "/pages/deep.html"), "<p>deep</p>");
}
