//! Selecting containers without their names: the latest, all, those that match a filter, those whose ids are in files; and
//! podman's `--ignore` and `--if-exists`.

use hull_test_support::Scenario;

fn sleeping(t: &Scenario, name: &str) -> String {
    t.ok(&["run", "-d", "--name", name, "--label", "kind=sleeper", "busybox", "sleep", "300"])
}

fn state(t: &Scenario, name: &str) -> String {
    t.inspect(name, "{{.State.Status}}")
}

#[test]
fn the_latest_container_is_meant_without_a_name() {
    let Some(t) = Scenario::with_busybox() else { return };
    sleeping(&t, "first");
    let id = t.ok(&[
        "run",
        "-d",
        "--name",
        "second",
        "-p",
        "8080:80",
        "busybox",
        "sh",
        "-c",
        "echo hello; touch /made; exec sleep 300",
    ]);
    assert_eq!(t.ok(&["ps", "-lq", "--no-trunc"]), id);
    assert_eq!(t.ok(&["inspect", "-l", "-f", "{{.Name}}"]), "/second");
    assert_eq!(t.ok(&["exec", "-l", "echo", "inside"]), "inside");
    hull_test_support::outcome::eventually("its output", || t.ok(&["logs", "-l"]) == "hello");
    assert_eq!(t.ok(&["port", "-l"]), t.ok(&["port", "second"]));
    assert_eq!(t.ok(&["port", "-l", "80"]), t.ok(&["port", "second", "80"]));
    let all = t.ok(&["port", "-a"]);
    assert!(all.starts_with(&format!("{}\t80/tcp -> 0.0.0.0:8080", &id[..12])), "{all}");
    assert!(t.ok(&["diff", "-l"]).contains("A /made"));
    assert!(t.ok(&["top", "-l"]).contains("sleep 300"));
    assert!(t.ok(&["top", "-l", "--", "-eo", "pid,args"]).contains("sleep 300"));
    assert!(t.ok(&["top", "second", "-l"]).contains("PRI"), "after a name, it is ps's own flag");
    assert!(t.ok(&["stats", "-l", "--no-stream"]).contains("second"));
    assert_eq!(t.ok(&["pause", "-l"]), id);
    assert_eq!(state(&t, "second"), "paused");
    assert_eq!(t.ok(&["unpause", "-l"]), id);
    assert_eq!(t.ok(&["kill", "-l"]), id);
    assert_eq!(t.ok(&["wait", "-l"]), "137");
    assert_eq!(t.ok(&["start", "-l"]), id);
    assert_eq!(t.ok(&["restart", "-lt", "0"]), id);
    assert_eq!(t.ok(&["stop", "-lt", "0"]), id);
    assert_eq!(t.ok(&["rm", "-l"]), id);
    assert_eq!(t.ok(&["stop", "-lt", "0"]), t.inspect("first", "{{.Id}}"), "the next one is the latest");
    t.ok(&["rm", "-l"]);
    assert!(t.hull(&["start", "-l"]).fails(1).contains("there are none"));
    for words in [
        &["stop", "-l", "x"][..],
        &["stop", "-a", "x"],
        &["stop", "-a", "-l"],
        &["logs", "-l", "x"],
        &["inspect", "-l", "x"],
        &["wait", "-l", "x"],
        &["exec", "-l"],
        &["stop"],
        &["wait"],
        &["port"],
    ] {
        t.hull(words).fails(1);
    }
}

#[test]
fn all_and_filter_mean_those_in_a_state_for_it() {
    let Some(t) = Scenario::with_busybox() else { return };
    let (one, two) = (sleeping(&t, "one"), sleeping(&t, "two"));
    let done = t.ok(&["create", "--name", "done", "busybox", "true"]);
    let both = format!("{two}\n{one}");
    assert_eq!(t.ok(&["pause", "--all"]), both);
    assert_eq!(t.ok(&["pause", "--all"]), "", "none is left to be frozen");
    assert_eq!(t.ok(&["unpause", "-f", "name=one"]), one);
    assert_eq!(t.ok(&["unpause", "-a"]), two);
    assert_eq!(t.ok(&["stop", "-t", "0", "--filter", "label=kind=sleeper", "--filter", "name=two"]), two);
    assert_eq!(state(&t, "one"), "running");
    assert_eq!(t.ok(&["start", "--filter", "label=kind=sleeper"]), two);
    assert_eq!(sorted(&t.ok(&["kill", "-a"])), sorted(&both));
    t.ok(&["wait", "one", "two"]);
    assert_eq!(sorted(&t.ok(&["restart", "-t", "0", "-f", "label=kind=sleeper"])), sorted(&both));
    t.hull(&["rm", "--filter", "label=kind=sleeper"]).fails(1);
    assert_eq!(t.ok(&["rm", "--filter", "status=created"]), done);
    assert_eq!(sorted(&t.ok(&["rm", "-fa"])), sorted(&both));
    assert_eq!(t.ok(&["ps", "-aq"]), "");
    assert_eq!(t.ok(&["rm", "-a"]), "");
    assert!(t.hull(&["stop", "--filter", "nonsense=1"]).fails(1).contains("nonsense"));
}

fn sorted(lines: &str) -> Vec<&str> {
    let mut lines: Vec<_> = lines.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn ids_in_files_name_containers() {
    let Some(t) = Scenario::with_busybox() else { return };
    let file = t.path("id").display().to_string();
    let id = t.ok(&["run", "-d", "--cidfile", &file, "busybox", "sleep", "300"]);
    let absent = t.path("none").display().to_string();
    assert_eq!(t.ok(&["pause", "--cidfile", &file]), id);
    assert_eq!(t.ok(&["unpause", "--cidfile", &file]), id);
    assert!(t.hull(&["stop", "--cidfile", &absent]).fails(1).contains(&absent));
    assert_eq!(t.ok(&["stop", "-i", "-t", "0", "--cidfile", &absent, "--cidfile", &file]), id);
    let empty = t.write("empty", "\n").display().to_string();
    assert!(t.hull(&["rm", "--cidfile", &empty]).fails(1).contains("holds no container's id"));
    assert_eq!(t.ok(&["rm", "--cidfile", &file]), id);
    t.hull(&["rm", "--cidfile", &file]).fails(1);
    assert_eq!(t.ok(&["rm", "--ignore", "--cidfile", &file]), "");
    assert_eq!(t.ok(&["stop", "--ignore", "nobody"]), "");
    assert_eq!(t.ok(&["wait", "--ignore", "nobody"]), "-1");
}

#[test]
fn exists_answers_by_its_exit_code() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["create", "--name", "box", "busybox"]);
    t.ok(&["volume", "create", "data"]);
    t.ok(&["network", "create", "net"]);
    for (kind, name) in [("container", "box"), ("image", "busybox"), ("volume", "data"), ("network", "net")] {
        assert_eq!(t.ok(&[kind, "exists", name]), "");
        for absent in ["absent", "no such/NAME"] {
            let outcome = t.hull(&[kind, "exists", absent]);
            assert_eq!((outcome.code(), &*outcome.stdout, &*outcome.stderr), (1, "", ""), "{kind} {absent}");
        }
        t.hull(&[kind, "exists"]).fails(1);
    }
    let record = t.data_root().join("containers").join(t.inspect("box", "{{.Id}}")).join("container.json");
    std::fs::write(record, "{").unwrap();
    assert_ne!(t.hull(&["container", "exists", "box"]).stderr, "", "a damaged container is no absent one");
    t.hull(&["container", "exists", "box"]).fails(125);
    t.ok(&["rm", "-f", "box"]);
}

#[test]
fn a_name_in_use_can_be_taken_or_kept() {
    let Some(t) = Scenario::with_busybox() else { return };
    let old = sleeping(&t, "box");
    assert!(t.hull(&["create", "--name", "box", "busybox"]).fails(1).contains("box"));
    let new = t.ok(&["run", "-d", "--replace", "--name", "box", "busybox", "sleep", "300"]);
    assert_ne!(old, new);
    assert_eq!(t.ok(&["ps", "-aq", "--no-trunc"]), new);
    t.ok(&["create", "--replace", "--name", "other", "busybox"]);
    t.hull(&["create", "--replace", "busybox"]).fails(125);
    t.ok(&["rm", "-fa"]);
    for kind in ["volume", "network"] {
        let first = t.ok(&[kind, "create", "mine"]);
        let again = t.hull(&[kind, "create", "--ignore", "mine"]);
        assert_eq!(again.ok(), "mine", "{kind} {first}");
    }
    t.ok(&["volume", "create", "-l", "a=b", "second"]);
    assert_eq!(sorted(&t.ok(&["volume", "rm", "-a"])), ["mine", "second"]);
    t.ok(&["tag", "busybox", "another"]);
    assert_eq!(t.ok(&["rmi", "-i", "absent"]), "");
    t.hull(&["rmi", "absent"]).fails(1);
    t.ok(&["rmi", "-af"]);
    assert_eq!(t.ok(&["images", "-q"]), "");
}
