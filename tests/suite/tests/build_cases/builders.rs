//! The builders that are compared, in one sandbox: each has a store of its own with the same base images.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use hull_test_support::saved::{self, Base, Image, docker_archive};
use hull_test_support::{Outcome, fixtures};
use serde_json::{Value, json};

use crate::case::Case;
use crate::sandbox::Sandbox;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builder {
    /// Of dockerd, with Debian's own client, which speaks to it without a plugin.
    BuildKit,
    /// dockerd's builder before BuildKit.
    Legacy,
    /// buildah by its other name.
    Podman,
    Hull,
}

/// Debian's client. Another one may be before it in PATH, which refuses to use BuildKit without its plugin.
const DOCKER: &str = "/usr/bin/docker";

pub struct Builders<'a> {
    pub sandbox: &'a Sandbox,
    base: Base,
    started: u64,
}

impl<'a> Builders<'a> {
    /// Loads the image `base` into the stores of `of`.
    pub fn new(sandbox: &'a Sandbox, of: &[Builder]) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right").as_secs();
        let config = json!({"Env": ["PATH=/bin"], "Cmd": ["sh"]});
        let archive = archive(sandbox, "base", &config);
        let base = Image::read(Path::new(&archive)).and_then(|base| Base::new(&base)).expect("an archive");
        let builders = Self { sandbox, base, started: now - 60 };
        for builder in of {
            builders.load(*builder, &archive);
        }
        builders
    }

    /// Makes the context, and what the case has served.
    pub fn prepare(&self, case: &Case) -> String {
        let context = self.sandbox.path(&format!("contexts/{}", case.name));
        let served = self.sandbox.path(&format!("served/{}", case.name));
        for (directory, section) in [(&context, "context"), (&served, "served")] {
            std::fs::create_dir_all(directory).expect("the scenario's directory can be written");
            if section == "context" {
                let dockerfile = case.section("Dockerfile").expect("every case has a Dockerfile");
                std::fs::write(format!("{directory}/Dockerfile"), dockerfile).expect("it can be written");
            }
            let script = case.section(section).unwrap_or_default();
            let times = "find . -newermt '1 hour ago' -exec touch -h -d @1577836800 {} +";
            let script = format!("set -eu; umask 022; cd {directory}\n{script}\n{times}");
            self.sandbox.run(&["sh", "-c", &script]).ok();
        }
        context
    }

    /// Loads the images that the case needs.
    pub fn load_images(&self, builder: Builder, case: &Case) {
        for (name, config) in case.images() {
            let config =
                serde_json::from_str(config).unwrap_or_else(|error| panic!("{}: {error}", case.name));
            self.load(builder, &archive(self.sandbox, name, &config));
        }
    }

    /// Builds the case, and describes the image. The error is what the builder has printed.
    pub fn build(&self, builder: Builder, case: &Case, context: &str) -> Result<Vec<String>, Outcome> {
        let tag = format!("case-{}", case.name);
        let flags = case.lines("flags");
        // A case may name its Dockerfile and its context.
        let flags: Vec<String> = flags.iter().map(|flag| flag.replace("$CONTEXT", context)).collect();
        let mut words = vec!["-t", &tag];
        words.extend(flags.iter().map(String::as_str));
        words.push(context);
        let built = match builder {
            Builder::Podman => {
                // Its cache takes steps of other cases for the same, also if their base images differ.
                let own = ["build", "--no-cache", "--format", "docker", "--network", "host"];
                self.call(builder, &[&own[..], &words[..]].concat())
            }
            _ => self.call(builder, &[&["build"], &words[..]].concat()),
        };
        if !built.success() {
            return Err(built);
        }
        let mut image = match self.save(builder, &tag) {
            Ok(image) => image,
            Err(outcome) => {
                return Ok(vec![format!("is built, and not saved: {}", outcome.stderr.trim_end())]);
            }
        };
        // podman signs each image with its version.
        if let Some(labels) = image.config["config"]["Labels"].as_object_mut() {
            labels.remove("io.buildah.version");
        }
        Ok(saved::describe(&image, &self.base, self.started).expect("a sound archive"))
    }

    fn save(&self, builder: Builder, tag: &str) -> Result<Image, Outcome> {
        let file = self.sandbox.path(&format!("saved-{builder:?}.tar"));
        let _ = std::fs::remove_file(&file);
        let format: &[&str] = if builder == Builder::Podman { &["--format", "docker-archive"] } else { &[] };
        let saved = self.call(builder, &[&["save", "-o", &file], format, &[tag]].concat());
        if !saved.success() {
            return Err(saved);
        }
        Ok(Image::read(Path::new(&file)).expect("an archive"))
    }

    fn load(&self, builder: Builder, archive: &str) {
        self.call(builder, &["load", "-i", archive]).ok();
    }

    fn call(&self, builder: Builder, words: &[&str]) -> Outcome {
        let socket = self.sandbox.docker_socket();
        let (root, run) = (self.sandbox.path("podman"), self.sandbox.path("podman-run"));
        let buildkit = format!("DOCKER_BUILDKIT={}", u8::from(builder == Builder::BuildKit));
        let global: Vec<&str> = match builder {
            Builder::Hull => return self.sandbox.hull(words),
            Builder::BuildKit | Builder::Legacy => vec!["env", &buildkit, DOCKER, "-H", &socket],
            Builder::Podman => {
                let driver = ["--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"];
                let store = ["podman", "--root", &root, "--runroot", &run, "--events-backend", "none"];
                // Debian's crun refuses cgroups of both versions.
                [&store[..], &driver, &["--runtime", "runc"]].concat()
            }
        };
        self.sandbox.run(&[&global[..], words].concat())
    }
}

/// An archive with busybox's files and this configuration.
fn archive(sandbox: &Sandbox, name: &str, config: &Value) -> String {
    let layer = std::fs::read(fixtures::busybox()).expect("a fixture");
    let archive = docker_archive(&format!("{name}:latest"), config, &layer).expect("an archive");
    let path = sandbox.path(&format!("image-{}.tar", name.replace('/', "-")));
    std::fs::write(&path, archive).expect("the scenario's directory can be written");
    path
}
