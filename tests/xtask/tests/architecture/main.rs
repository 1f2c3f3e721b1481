//! The arrows between crates and between modules, as ARCHITECTURE.md draws them.

mod modules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Each crate, and the crates of the workspace that it may use.
const CRATES: [(&str, &[&str]); 19] = [
    ("hull-sys", &[]),
    ("hull-docker", &[]),
    ("hull-printable", &[]),
    ("hull-usage", &[]),
    ("hull-yaml", &[]),
    ("hull-lxd", &["hull-yaml"]),
    ("hull-netlink", &["hull-sys"]),
    ("hull-template", &["hull-docker", "hull-printable"]),
    ("hull-storage", &["hull-sys"]),
    ("hull-runtime", &["hull-netlink", "hull-sys"]),
    ("hull-network", &["hull-netlink", "hull-storage", "hull-sys"]),
    ("hull-image", &["hull-lxd", "hull-storage", "hull-sys", "hull-yaml"]),
    (
        "hull-engine",
        &[
            "hull-docker",
            "hull-image",
            "hull-lxd",
            "hull-network",
            "hull-runtime",
            "hull-storage",
            "hull-sys",
            "hull-yaml",
        ],
    ),
    ("hull-api", &["hull-build", "hull-docker", "hull-engine", "hull-image", "hull-storage", "hull-sys"]),
    (
        "hull",
        &[
            "hull-api",
            "hull-build",
            "hull-compose",
            "hull-composefile",
            "hull-docker",
            "hull-engine",
            "hull-image",
            "hull-lxd",
            "hull-network",
            "hull-printable",
            "hull-runtime",
            "hull-storage",
            "hull-sys",
            "hull-template",
            "hull-usage",
            "hull-yaml",
        ],
    ),
    ("hull-composefile", &["hull-docker", "hull-yaml"]),
    (
        "hull-compose",
        &[
            "hull-build",
            "hull-composefile",
            "hull-docker",
            "hull-engine",
            "hull-image",
            "hull-storage",
            "hull-sys",
        ],
    ),
    ("hull-build", &["hull-docker", "hull-engine", "hull-image", "hull-storage", "hull-sys"]),
    ("hull-test-support", &[]),
];

/// Modules that use each other: the crate's sources, the modules, and why they stay so.
const CYCLES: &[(&str, &[&str], &str)] = &[
    (
        "engine/src",
        &["net/drivers", "net/endpoint", "net/record"],
        "a network's record holds its driver's configuration, and a driver is given the record and an endpoint",
    ),
    (
        "image/src",
        &["catalog", "store"],
        "the catalog is the part of the store that is about names; its calls are methods of the store",
    ),
    (
        "image/src",
        &["registry/client", "registry/token"],
        "a client fetches the token that a registry wants with its own connection",
    ),
    (
        "image/src",
        &["registry/failure", "registry/http"],
        "a failed request is described by the response, and a request fails with that description",
    ),
];

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies two levels down")
}

#[test]
fn a_crate_uses_only_those_that_stand_below_it() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(workspace())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().expect("there are packages") {
        let name = text(&package["name"]);
        let is_part_of_hull = package["manifest_path"].as_str().is_some_and(|path| path.contains("/final/"));
        if !is_part_of_hull {
            continue;
        }
        let Some((_, allowed)) = CRATES.iter().find(|(known, _)| *known == name) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let (used, kind) = (text(&dependency["name"]), &dependency["kind"]);
            if kind.is_null() && used.starts_with("hull-") && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{name} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "ARCHITECTURE.md, \"Crates\", does not draw these arrows: {wrong:#?}");
}

#[test]
fn modules_use_each_other_in_one_direction() {
    let (mut wrong, mut found) = (Vec::new(), BTreeSet::new());
    let mut crates: Vec<_> = std::fs::read_dir(workspace().join("final/crates"))
        .expect("there are crates")
        .map(|entry| entry.expect("an entry").path().join("src"))
        .collect();
    crates.push(workspace().join("final/src"));
    for source in crates {
        let graph = modules::graph(&source);
        // First between the directories of a crate, then between the files of each directory.
        for (level, graph) in [("directories", modules::directories(&graph)), ("files", graph)] {
            for cycle in cycles(&graph) {
                let known = CYCLES.iter().position(|(at, modules, _)| {
                    source.ends_with(at) && modules.iter().copied().eq(cycle.iter().map(String::as_str))
                });
                match known {
                    Some(index) => drop(found.insert(index)),
                    None => wrong.push(format!("{}, {level}: {}", source.display(), cycle.join(" "))),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these modules use each other in a circle:\n{}", wrong.join("\n"));
    let gone: Vec<_> =
        (0..CYCLES.len()).filter(|index| !found.contains(index)).map(|i| CYCLES[i].1).collect();
    assert!(gone.is_empty(), "these circles are gone, so they can leave the table: {gone:?}");
}

/// The groups of modules that can all be reached from each other, each sorted.
fn cycles(graph: &modules::Graph) -> Vec<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|from| (from, reachable(graph, from))).collect();
    let mut found = BTreeSet::new();
    for (from, targets) in &reach {
        let back = |to: &&&String| reach.get(**to).is_some_and(|targets| targets.contains(from));
        let cycle: Vec<String> = targets.iter().filter(back).map(|to| (*to).clone()).collect();
        if cycle.len() > 1 {
            found.insert(cycle);
        }
    }
    found.into_iter().collect()
}

fn reachable<'g>(graph: &'g modules::Graph, from: &String) -> BTreeSet<&'g String> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&String> = graph.get(from).into_iter().flatten().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(graph.get(module).into_iter().flatten());
        }
    }
    reached
}

#[test]
fn a_circle_is_found() {
    let graph: modules::Graph = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")]
        .map(|(from, to)| (from.to_owned(), BTreeSet::from([to.to_owned()])))
        .into();
    assert_eq!(cycles(&graph), [["a", "b", "c"]]);
}
