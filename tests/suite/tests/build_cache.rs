//! The build cache: what it holds, what pruning leaves, and caches elsewhere that builds read and write.

use std::path::Path;
use std::process::Command;

use hull_test_support::cgroups;
use hull_test_support::outcome::{eventually, run};
use hull_test_support::peers::Dockerd;
use hull_test_support::registry::Registry;
use hull_test_support::{Outcome, Scenario};
use serde_json::Value;

const FILE: &str = "FROM busybox AS build\nRUN echo one >/one\nRUN cat /one >/copied\n\
                    FROM busybox\nCOPY --from=build /copied /\nRUN echo two >/two\nCMD [\"cat\", \"/copied\"]\n";

fn scenario(dockerfile: &str) -> Option<Scenario> {
    let t = Scenario::with_busybox()?;
    t.write("context/Dockerfile", dockerfile);
    Some(t)
}

/// Another root with the same base image, that builds the same context.
fn another(t: &Scenario) -> Scenario {
    let base = t.path("base.tar");
    t.ok(&["save", "-o", base.to_str().unwrap(), "busybox"]);
    let second = t.second_root();
    second.ok(&["load", "-i", base.to_str().unwrap()]);
    second
}

fn build(t: &Scenario, context: &Path, args: &[&str]) -> Outcome {
    t.hull(&[&["build", "--progress", "plain"], args, &[context.to_str().unwrap()]].concat())
}

/// How many steps with a layer were in the cache.
#[track_caller]
fn cached(built: &Outcome) -> usize {
    built.ok();
    let from = |line: &str| line.contains("] FROM ");
    let mut steps = std::collections::BTreeMap::new();
    for line in built.stderr.lines() {
        if let Some((number, rest)) = line.split_once(' ').filter(|(number, _)| number.starts_with('#')) {
            let step = steps.entry(number.to_owned()).or_insert((from(line), false));
            step.1 |= rest == "CACHED";
        }
    }
    steps.values().filter(|(from, cached)| !from && *cached).count()
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The lines of a table of `builder du` without its title and sums.
fn usage(t: &Scenario, args: &[&str]) -> Vec<Value> {
    let lines = t.ok(&[&["builder", "du", "--format", "json"], args].concat());
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_cache_serves_the_builds_that_name_it_and_no_other() {
    let Some(t) = scenario(FILE) else { return };
    let context = t.path("context");
    let cache = format!("type=local,dest={},mode=max", t.path("cache").display());
    build(&t, &context, &["-t", "a", "--cache-to", &cache]).ok();
    let second = another(&t);
    let from = format!("type=local,src={}", t.path("cache").display());
    let imported = build(&second, &context, &["-t", "a", "--cache-from", &from]);
    assert_eq!(cached(&imported), 4, "{imported}");
    assert_eq!(second.inspect("a", "{{.Id}}"), t.inspect("a", "{{.Id}}"));
    assert_eq!(second.ok(&["run", "--rm", "--network", "none", "a"]), "one");
    // A step on top of what came from elsewhere.
    t.write("context/Dockerfile", format!("{FILE}RUN echo three >/three\n"));
    let on_top = |args: &[&str]| cached(&build(&second, &context, args));
    assert_eq!(on_top(&["--cache-from", &from]), 4);
    assert_eq!(on_top(&["--cache-from", &from]), 5, "what was run on it is for those who name it, too");
    assert_eq!(on_top(&[]), 0, "nothing of it is for others");
    assert_eq!(on_top(&[]), 5);
    assert_eq!(on_top(&["--cache-from", &from, "--no-cache"]), 0);
}

#[test]
fn the_least_mode_has_the_results_steps_only() {
    let Some(t) = scenario(FILE) else { return };
    let context = t.path("context");
    let cache = format!("type=local,dest={},compression=zstd", t.path("cache").display());
    build(&t, &context, &["--cache-to", &cache]).ok();
    let second = another(&t);
    let from = format!("type=local,src={}", t.path("cache").display());
    let imported = build(&second, &context, &["--cache-from", &from]);
    // The steps of the first stage are run; what is copied of them is the same.
    assert_eq!(cached(&imported), 2, "{imported}");
}

#[test]
fn a_registry_keeps_caches_in_three_ways() {
    let Some(t) = scenario(FILE) else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let context = t.path("context");
    let (manifest, index, image) =
        (registry.name("c:manifest"), registry.name("c:index"), registry.name("c:image"));
    build(&t, &context, &["--cache-to", &format!("type=registry,ref={manifest},mode=max")]).ok();
    let as_index = format!("type=registry,ref={index},mode=max,image-manifest=false,oci-mediatypes=false");
    build(&t, &context, &["--cache-to", &as_index]).ok();
    build(&t, &context, &["-t", &image, "--push", "--cache-to", "type=inline"]).ok();
    let second = another(&t);
    for (name, steps) in [(&image, 2), (&index, 4), (&manifest, 4)] {
        second.ok(&["builder", "prune", "-af"]);
        let imported = build(&second, &context, &["--cache-from", name]);
        assert_eq!(cached(&imported), steps, "{name}: {imported}");
    }
    second.ok(&["builder", "prune", "-af"]);
    let missing = registry.name("c:missing");
    let built = build(&second, &context, &["--cache-from", &missing]);
    assert_eq!(cached(&built), 0);
    assert!(built.stderr.contains("is not used"), "{built}");
}

#[test]
fn a_copy_with_link_comes_from_a_cache_on_any_base() {
    let Some(t) = scenario("FROM busybox\nCOPY --link Dockerfile /file\n") else { return };
    let context = t.path("context");
    let cache = format!("type=local,dest={}", t.path("cache").display());
    build(&t, &context, &["--cache-to", &cache]).ok();
    let second = another(&t);
    second
        .write("context/Dockerfile", "FROM busybox\nRUN echo below >/below\nCOPY --link Dockerfile /file\n");
    let from = format!("type=local,src={}", t.path("cache").display());
    // The context differs in nothing but the Dockerfile, which is what is copied.
    std::fs::copy(context.join("Dockerfile"), t.path("original")).unwrap();
    let dockerfile = second.path("context/Dockerfile");
    let built =
        build(&second, &context, &["-f", dockerfile.to_str().unwrap(), "-t", "x", "--cache-from", &from]);
    assert_eq!(cached(&built), 1, "{built}");
    let shown = second.ok(&["run", "--rm", "--network", "none", "x", "cat", "/below", "/file"]);
    assert_eq!(
        shown,
        format!("below\n{}", std::fs::read_to_string(context.join("Dockerfile")).unwrap().trim_end())
    );
}

#[test]
fn a_cache_that_is_not_what_it_says_is_not_used() {
    let Some(t) = scenario("FROM busybox\nRUN echo one >/one\n") else { return };
    let context = t.path("context");
    let place = t.path("cache");
    build(&t, &context, &["--cache-to", &format!("type=local,dest={}", place.display())]).ok();
    let second = another(&t);
    let from = format!("type=local,src={}", place.display());
    let blobs = place.join("blobs/sha256");
    let find = |what: &str| {
        let mut names = entries(&blobs).into_iter();
        let is_it = |name: &String| {
            let bytes = std::fs::read(blobs.join(name)).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            text.starts_with(what)
        };
        blobs.join(names.find(is_it).unwrap())
    };
    // Another layer under the same name.
    let config: Value = serde_json::from_slice(&std::fs::read(find("{\"layers\"")).unwrap()).unwrap();
    let layers = config["layers"].as_array().unwrap();
    let hex = |at: usize| layers[at]["blob"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let (base, step) = (hex(0), hex(layers.len() - 1));
    let good = std::fs::read(blobs.join(&step)).unwrap();
    std::fs::copy(blobs.join(&base), blobs.join(&step)).unwrap();
    let built = build(&second, &context, &["--cache-from", &from]);
    assert_eq!(cached(&built), 0, "{built}");
    assert!(built.stderr.contains("diff ID"), "{built}");
    std::fs::write(blobs.join(&step), &good[..good.len() / 2]).unwrap();
    second.ok(&["builder", "prune", "-af"]);
    assert_eq!(cached(&build(&second, &context, &["--cache-from", &from])), 0);
    // Documents that are none.
    for name in ["{\"layers\"", "{\"schemaVersion\""] {
        let path = find(name);
        let before = std::fs::read(&path).unwrap();
        for text in ["", "{", "[]", &"{".repeat(100_000)] {
            std::fs::write(&path, text).unwrap();
            second.ok(&["builder", "prune", "-af"]);
            let built = build(&second, &context, &["--cache-from", &from]);
            assert_eq!(cached(&built), 0);
            assert!(built.stderr.contains("is not used"), "{built}");
        }
        std::fs::write(&path, before).unwrap();
    }
}

#[test]
fn buildkit_reads_hulls_cache_and_hull_reads_buildkits() {
    let Some(t) = scenario("FROM busybox\nRUN echo one >/one\n") else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let Some(dockerd) = Dockerd::start(&t, &t.path("run/dockerd")) else { return };
    let context = t.path("context");
    let base = t.path("base.tar");
    t.ok(&["save", "-o", base.to_str().unwrap(), "busybox"]);
    dockerd.ok(&["load", "-i", base.to_str().unwrap()]);
    let name = registry.name("cache:hull");
    build(&t, &context, &["--cache-to", &format!("type=registry,ref={name},image-manifest=false")]).ok();
    let buildkit = |args: &[&str]| {
        let whole =
            [&["build", "--progress", "plain", "--network", "none"], args, &[context.to_str().unwrap()]]
                .concat();
        // Debian's own client speaks to BuildKit without a plugin.
        let command = dockerd.command(&whole);
        run(Command::new("/usr/bin/docker").args(command.get_args()).env("DOCKER_BUILDKIT", "1"))
    };
    let read = buildkit(&["--cache-from", &name]);
    read.ok();
    let imported = read.stderr.lines().find(|line| line.contains("importing cache manifest")).unwrap();
    let number = imported.split(' ').next().unwrap();
    assert!(read.stderr.contains(&format!("{number} DONE")), "it is read without an error: {read}");

    let name = registry.name("cache:buildkit");
    buildkit(&["-t", &name, "--build-arg", "BUILDKIT_INLINE_CACHE=1"]).ok();
    dockerd.ok(&["push", &name]);
    let read = build(&t, &context, &["--cache-from", &name, "--no-cache-filter", "none"]);
    read.ok();
    assert!(
        read.stderr.contains("importing cache manifest") && !read.stderr.contains("is not used"),
        "{read}"
    );
    drop(dockerd);
    // BuildKit leaves the parent of its containers' cgroups.
    eventually("BuildKit's cgroups are empty", || {
        let left = cgroups::below(t.cgroup_parent());
        left.iter().all(|directory| std::fs::remove_dir(directory).is_ok())
    });
}

#[test]
fn pruning_begins_with_what_was_not_used_for_the_longest_time() {
    let noise = "RUN head -c 1000000 /dev/urandom >/noise\n";
    let Some(t) = scenario(&format!("FROM busybox\n{noise}")) else { return };
    for (name, more) in
        [("old", "LABEL a=b\nRUN echo old >/old"), ("new", "RUN echo new >/new"), ("third", "WORKDIR /third")]
    {
        t.write("context/Dockerfile", format!("FROM busybox\n{more}\n{noise}"));
        build(&t, &t.path("context"), &["-t", name]).ok();
    }
    t.ok(&["rmi", "old", "new"]);
    let all = usage(&t, &[]);
    let shown: Vec<_> = all.iter().map(|entry| &entry["Description"]).collect();
    assert_eq!(all.len(), 6, "{shown:?}");
    let of_image: Vec<_> = all.iter().filter(|entry| entry["Shared"] == true).collect();
    assert_eq!(of_image.len(), 2, "what an image has is shared with it");
    t.ok(&["builder", "prune", "-f", "--keep-storage", "3mb"]);
    let left = usage(&t, &[]);
    let described = |text: &str| {
        left.iter().filter(|entry| entry["Description"].as_str().unwrap().contains(text)).count()
    };
    let shown: Vec<_> = left.iter().map(|entry| [&entry["Description"], &entry["Size"]]).collect();
    // What stands on a step goes before it.
    assert_eq!([described("echo new"), described("echo old"), described("noise")], [1, 1, 2], "{shown:?}");
    let pruned = t.ok(&["builder", "prune", "-f"]);
    assert!(pruned.contains("Total reclaimed space: 2"), "{pruned}");
    assert_eq!(usage(&t, &[]).len(), 2, "without --all, what images have stays");
    t.ok(&["builder", "prune", "-af", "--filter", "until=1h"]);
    assert_eq!(usage(&t, &[]).len(), 2);
    t.ok(&["builder", "prune", "-af"]);
    assert!(usage(&t, &[]).is_empty());
    assert!(t.ok(&["run", "--rm", "--network", "none", "third", "ls", "-l", "/noise"]).contains("1000000"));
    t.ok(&["rmi", "third", "busybox"]);
    assert_eq!(entries(&t.data_root().join("layers")), [""; 0]);
    assert_eq!(entries(&t.data_root().join("blobs/sha256")), [""; 0]);
}

#[test]
fn cache_mounts_are_listed_and_pruned() {
    let file = "FROM busybox\nRUN --mount=type=cache,target=/cache head -c 100000 /dev/zero >/cache/file\n";
    let Some(t) = scenario(file) else { return };
    build(&t, &t.path("context"), &["-t", "a"]).ok();
    let mounts = usage(&t, &["--filter", "type=exec.cachemount"]);
    assert_eq!(mounts.len(), 1);
    assert!(mounts[0]["Description"].as_str().unwrap().contains("/cache"), "{mounts:?}");
    assert!(
        t.ok(&["system", "df"]).lines().any(|line| line.starts_with("Build Cache") && line.contains("100kB"))
    );
    assert!(t.ok(&["system", "df", "-v"]).contains("exec.cachemount"));
    assert!(t.ok(&["system", "prune", "-f"]).contains("Deleted build cache objects:"));
    assert_eq!(usage(&t, &["--filter", "type=exec.cachemount"]).len(), 0);
    assert_eq!(entries(&t.data_root().join("build/mounts")), [""; 0]);
    let declined = t.hull_with_input(&["builder", "prune"], b"n\n");
    assert!(declined.ok().contains("WARNING! This will remove all dangling build cache."), "{declined}");
}

#[test]
fn a_running_build_keeps_what_it_uses() {
    let wait = "until [ -e /wait/go ]; do usleep 20000; done";
    let file = format!(
        "FROM busybox\nRUN echo first >/first\nRUN --mount=type=cache,id=kept,target=/cache touch /cache/x\n\
         RUN --mount=type=cache,id=kept,target=/cache --mount=type=bind,target=/wait touch /cache/started; {wait}\n\
         RUN cat /first >/last\n"
    );
    let Some(t) = scenario(&file) else { return };
    build(&t, &t.path("context"), &["--target", "none"]);
    // The context that the step sees is not a copy, so the step sees the file when it is made.
    let context = t.path("context");
    let args = ["build", "--progress", "plain", "-t", "a", context.to_str().unwrap()];
    let running = t.spawn(&args);
    let kept = t.data_root().join("build/mounts");
    eventually("the step has started", || {
        run(Command::new("find").arg(&kept).args(["-name", "started"])).stdout.contains("started")
    });
    let pruned = t.ok(&["builder", "prune", "-af"]);
    assert!(!pruned.contains("Deleted"), "{pruned}");
    assert!(usage(&t, &[]).iter().all(|entry| entry["Reclaimable"] == false));
    t.write("context/go", "");
    running.wait().ok();
    assert_eq!(t.ok(&["run", "--rm", "--network", "none", "a", "cat", "/last"]), "first");
    let pruned = t.ok(&["builder", "prune", "-af"]);
    assert!(pruned.contains("Deleted"), "{pruned}");
    assert_eq!(t.ok(&["run", "--rm", "--network", "none", "a", "cat", "/last"]), "first");
}

#[test]
fn what_a_killed_build_leaves_is_pruned() {
    let file = "FROM busybox\nRUN echo one >/one\nRUN --mount=type=cache,target=/cache touch /cache/started; sleep 100\n";
    let Some(t) = scenario(file) else { return };
    let context = t.path("context");
    let mut running = t.spawn(&["build", context.to_str().unwrap()]);
    let mounts = t.data_root().join("build/mounts");
    eventually("the step has started", || {
        run(Command::new("find").arg(&mounts).args(["-name", "started"])).stdout.contains("started")
    });
    running.kill();
    running.wait();
    // The step's monitor holds the cache mount until it has ended the step.
    eventually("nothing is in use", || usage(&t, &[]).iter().all(|entry| entry["Reclaimable"] == true));
    t.ok(&["builder", "prune", "-af"]);
    assert!(usage(&t, &[]).is_empty());
    t.ok(&["rmi", "busybox"]);
    assert_eq!(entries(&t.data_root().join("layers")), [""; 0]);
    assert_eq!(entries(&t.data_root().join("blobs/sha256")), [""; 0]);
    for name in ["steps", "locks", "running", "mounts"] {
        assert_eq!(entries(&t.data_root().join("build").join(name)), [""; 0], "{name}");
    }
}

#[test]
fn builds_and_prunes_at_the_same_time_agree() {
    let Some(t) =
        scenario("FROM busybox\nARG N\nRUN echo one >/one\nRUN echo $N >/n\nRUN cat /one /n >/both\n")
    else {
        return;
    };
    let context = t.path("context");
    let context = context.to_str().unwrap();
    for round in 0..6 {
        let builds: Vec<_> = (0..3)
            .map(|at| {
                let (tag, arg) = (format!("a{at}"), format!("N={}", round % 2 + at));
                t.spawn(&["build", "-q", "-t", &tag, "--build-arg", &arg, context])
            })
            .collect();
        let prunes: Vec<_> = (0..3).map(|_| t.spawn(&["builder", "prune", "-af"])).collect();
        for done in builds.into_iter().chain(prunes).map(|running| running.wait()) {
            done.ok();
        }
        for at in 0..3 {
            let shown = t.ok(&["run", "--rm", "--network", "none", &format!("a{at}"), "cat", "/both"]);
            assert_eq!(shown, format!("one\n{}", round % 2 + at));
        }
    }
    assert!(t.ok(&["system", "check"]).contains("what it should be"));
}
