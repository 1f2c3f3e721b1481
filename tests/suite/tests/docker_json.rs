//! What hull says of containers, images, networks, volumes and itself is compared key by key with what dockerd says of the
//! same ones. `docker_json/dockerd.json` is what dockerd 28.5 said; `write_what_dockerd_says` makes it anew.

#[path = "engines/sandbox.rs"]
#[allow(dead_code, reason = "each suite uses what it needs")]
mod sandbox;

#[path = "engines/hull_and_docker.rs"]
mod hull_and_docker;

#[path = "docker_json/differences.rs"]
mod differences;
#[path = "docker_json/world.rs"]
mod world;

use std::collections::BTreeSet;

use differences::{DIFFERENT, LEFT_OUT, OF_MACHINE, OWN};
use hull_test_support::skip;
use sandbox::Sandbox;
use serde_json::Value;
use world::{Engine, describe};

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docker_json/dockerd.json");

#[test]
fn every_key_of_docker_has_its_type_and_value() {
    let Some(sandbox) = Sandbox::start() else { return };
    let run = |words: &[&str]| sandbox.hull(words);
    let said = describe(&Engine { run: &run, directory: sandbox.path("").trim_end_matches('/').to_owned() });
    let reference = std::fs::read_to_string(REFERENCE).expect("the reference is beside the test");
    let reference: Value = serde_json::from_str(&reference).expect("the reference is JSON");
    let mut comparison = Comparison::default();
    comparison.compare("", &reference, &said);
    let unused = comparison.unused();
    assert!(
        comparison.faults.is_empty() && unused.is_empty(),
        "{}\nlisted, but as docker has it: {unused:#?}",
        comparison.faults.join("\n")
    );
    sandbox.end(&["hull"]);
}

#[test]
#[ignore = "writes docker_json/dockerd.json, with the dockerd that is first in PATH"]
fn write_what_dockerd_says() {
    for needed in ["dockerd", "docker", "containerd", "iptables"] {
        if skip::find_program(needed).is_none() {
            return skip::skip(&format!("{needed} is not installed"));
        }
    }
    let Some(sandbox) = Sandbox::start() else { return };
    let mut dockerd = sandbox.dockerd();
    let run = |words: &[&str]| sandbox.docker(words);
    let said = describe(&Engine { run: &run, directory: sandbox.path("").trim_end_matches('/').to_owned() });
    let text = serde_json::to_string_pretty(&said).expect("it is JSON");
    std::fs::write(REFERENCE, text + "\n").expect("the reference can be written");
    sandbox::terminate(&mut dockerd);
    sandbox.end(&[]);
}

#[derive(Default)]
struct Comparison {
    faults: Vec<String>,
    /// The entries of the tables that were needed.
    used: BTreeSet<&'static str>,
}

impl Comparison {
    /// Whether a table has the path; an entry that ends in `.*` is for everything below.
    fn is_listed(&mut self, table: &[(&'static str, &'static str)], path: &str) -> bool {
        let covers = |entry: &str| {
            entry == path || entry.strip_suffix('*').is_some_and(|above| path.starts_with(above))
        };
        let found = table.iter().find(|(entry, _)| covers(entry));
        self.used.extend(found.map(|(entry, _)| entry));
        found.is_some()
    }

    /// The names of single containers, networks and so on are not part of a path.
    fn below(path: &str, key: &str) -> String {
        match path {
            "" => key.to_owned(),
            "container" | "image" | "network" | "volume" => path.to_owned() + ".",
            _ => format!("{}.{key}", path.trim_end_matches('.')),
        }
    }

    fn compare(&mut self, path: &str, docker: &Value, hull: &Value) {
        match (docker, hull) {
            (Value::Object(docker), Value::Object(hull)) => {
                for (key, docker) in docker {
                    let path = Self::below(path, key);
                    match hull.get(key) {
                        Some(hull) => self.compare(&path, docker, hull),
                        None if self.is_listed(LEFT_OUT, &path) => {}
                        None => self.faults.push(format!("{path} ({key}) is missing; docker has {docker}")),
                    }
                }
                for (key, value) in hull.iter().filter(|(key, _)| !docker.contains_key(*key)) {
                    let path = Self::below(path, key);
                    if !self.is_listed(OWN, &path) {
                        self.faults.push(format!("{path} ({key}) is hull's only: {value}"));
                    }
                }
            }
            (Value::Array(docker), Value::Array(hull)) if docker.len() == hull.len() => {
                for (docker, hull) in docker.iter().zip(hull) {
                    self.compare(path, docker, hull);
                }
            }
            _ if docker == hull => {}
            _ if same_type(docker, hull)
                && (self.is_listed(DIFFERENT, path) || self.is_listed(OF_MACHINE, path)) => {}
            _ => self.faults.push(format!("{path} is {hull}; docker has {docker}")),
        }
    }

    /// Entries of the tables that were not needed.
    fn unused(&self) -> Vec<&'static str> {
        let all = [LEFT_OUT, OWN, DIFFERENT].into_iter().flatten().map(|(entry, _)| *entry);
        all.filter(|entry| !self.used.contains(entry)).collect()
    }
}

/// Whether both values have the same type. Go's null is an empty list, an empty map or a pointer to nothing.
fn same_type(docker: &Value, hull: &Value) -> bool {
    docker.is_null() || hull.is_null() || std::mem::discriminant(docker) == std::mem::discriminant(hull)
}
