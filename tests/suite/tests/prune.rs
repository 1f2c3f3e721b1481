//! hull prunes the same objects as docker and reports the same reclaimable space: the same objects in dockerd and in hull,
//! the same commands, and the same output.

use std::collections::BTreeSet;
use std::fs;

use hull_test_support::damage::damage;
use hull_test_support::outcome::run;
use hull_test_support::peers::Dockerd;
use hull_test_support::{Outcome, Scenario, fixtures};

/// hull and docker, side by side.
struct Both<'a> {
    hull: &'a Scenario,
    docker: &'a Dockerd,
}

impl Both<'_> {
    fn each(&self, words: &[&str]) -> [Outcome; 2] {
        [self.hull.hull(words), run(&mut self.docker.command(words))]
    }

    #[track_caller]
    fn ok(&self, words: &[&str]) {
        for outcome in self.each(words) {
            outcome.ok();
        }
    }

    /// The same exit code and the same output. Ids are masked, and lines that `is_shared` refuses are left out.
    #[track_caller]
    fn same(&self, words: &[&str], is_shared: fn(&str) -> bool) {
        let [ours, theirs] = self.each(words);
        let shown = |outcome: &Outcome| {
            let lines = outcome.stdout.lines().filter(|line| is_shared(line));
            let mut lines: Vec<String> = lines.map(mask).collect();
            // The order of a list differs between the engines.
            lines.sort();
            lines.join("\n")
        };
        assert_eq!(shown(&ours), shown(&theirs), "{words:?}\n{ours}\n{theirs}");
        assert_eq!(ours.code(), theirs.code(), "{words:?}\n{ours}\n{theirs}");
    }

    fn populate(&self) {
        let tar = fixtures::busybox();
        let import = ["import", "-c", "CMD [\"sh\"]", "-c", "ENV PATH=/bin", tar.to_str().unwrap()];
        self.ok(&[&import[..], &["busybox"]].concat());
        self.ok(&["tag", "busybox", "other:1"]);
        self.ok(&["volume", "create", "free"]);
        self.ok(&["volume", "create", "--label", "keep=1", "labelled"]);
        let write = "echo hello > /file; echo 12345 > /x/y; echo more > /anon/z";
        let ended =
            ["run", "--name", "ended", "-l", "keep=1", "--network", "none", "-v", "used:/x", "-v", "/anon"];
        self.ok(&[&ended[..], &["busybox", "sh", "-c", write]].concat());
        self.ok(&["run", "-d", "--name", "running", "--network", "none", "busybox", "sleep", "300"]);
        self.ok(&["create", "--name", "new", "--network", "none", "busybox"]);
        self.ok(&["network", "create", "red"]);
        self.ok(&["network", "create", "--label", "keep=1", "blue"]);
    }
}

/// Replaces the parts that differ from engine to engine or from second to second.
fn mask(line: &str) -> String {
    let word = |word: &str| {
        let hex = word.trim_start_matches("sha256:");
        let is_id = hex.len() >= 12 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id { "ID".to_owned() } else { word.to_owned() }
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

fn both(test: impl FnOnce(&Both<'_>)) {
    let Some(t) = Scenario::start() else { return };
    let Some(dockerd) = Dockerd::start(&t, &t.path("docker")) else { return };
    let both = Both { hull: &t, docker: &dockerd };
    both.populate();
    test(&both);
    both.docker.ok(&["rm", "-f", "running"]);
    both.docker.ok(&["network", "prune", "-f"]);
}

const ALL: fn(&str) -> bool = |_| true;

#[test]
fn sizes_are_dockers() {
    both(|both| {
        both.same(&["ps", "-a", "--format", "{{.Names}} {{.Size}}"], ALL);
        both.same(&["inspect", "-s", "-f", "{{.SizeRw}} {{.SizeRootFs}}", "ended"], ALL);
        both.same(&["inspect", "-s", "-f", "{{.SizeRw}}", "new"], ALL);
        both.same(&["container", "inspect", "--size", "-f", "{{.SizeRootFs}}", "running"], ALL);
        let ignored = both.hull.hull(&["inspect", "-s", "used"]);
        assert!(ignored.success() && ignored.stderr.contains("--size ignored for volume"), "{ignored}");
        let [ours, theirs] = both.each(&["ps", "-as"]);
        assert_eq!(ours.stdout.lines().next().map(mask), theirs.stdout.lines().next().map(mask));
        both.same(&["system", "df"], ALL);
        let [ours, theirs] = both.each(&["system", "df", "--format", "json"]);
        let lines = |outcome: &Outcome| {
            let lines = outcome.ok().lines().map(|line| serde_json::from_str(line).unwrap());
            lines.collect::<Vec<serde_json::Value>>()
        };
        assert_eq!(lines(&ours), lines(&theirs));
        for format in ["{{.Type}} {{.Active}} {{.Reclaimable}}", "table {{.Type}}\t{{.Size}}"] {
            both.same(&["system", "df", "--format", format], ALL);
        }
        // The headings, and the columns of each row that do not depend on the time.
        let no_times: fn(&str) -> bool = |line| !line.contains("ago") && !line.contains(" second");
        both.same(&["system", "df", "-v"], no_times);
        let images = "{{range .Images}}{{.Repository}} {{.Size}} {{.SharedSize}} {{.UniqueSize}} {{.Containers}}|{{end}}";
        both.same(&["system", "df", "-v", "--format", images], ALL);
        let [ours, theirs] = both.each(&["system", "df", "-v", "--format", "json"]);
        let keys = |outcome: &Outcome| {
            let json: serde_json::Value = serde_json::from_str(outcome.ok()).unwrap();
            let keys =
                |kind: &str| json[kind][0].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
            (keys("Images"), keys("Volumes"), json["BuildCache"].clone())
        };
        assert_eq!(keys(&ours), keys(&theirs));
    });
}

/// docker prints which parts of its build cache it removes. hull has no build cache.
const NO_BUILDS: fn(&str) -> bool = |line| !line.contains("build cache");

#[test]
fn prunes_ask_and_refuse_as_docker() {
    both(|both| {
        for words in [
            &["system", "prune"][..],
            &["system", "prune", "-a", "--volumes", "--filter", "label=x", "--filter", "label!=y"],
            &["container", "prune"],
            &["network", "prune"],
            &["image", "prune"],
            &["image", "prune", "-a"],
            &["system", "prune", "-f", "--volumes", "--filter", "until=1h"],
            &["system", "prune", "-f", "--filter", "colour=blue"],
            &["system", "prune", "-f", "--filter", "colour"],
            &["volume", "prune", "-f", "--filter", "until=1h"],
            &["container", "prune", "-f", "--filter", "until=x"],
        ] {
            both.same(words, NO_BUILDS);
        }
        let refused = both.hull.hull(&["system", "prune", "-f", "--volumes", "--filter", "until=1h"]);
        assert!(
            refused.stderr.contains("The \"until\" filter is not supported with \"--volumes\""),
            "{refused}"
        );
    });
}

#[test]
fn filters_choose_what_is_pruned() {
    both(|both| {
        // All objects are younger than an hour.
        for object in ["container", "network", "image"] {
            both.same(&[object, "prune", "-f", "--filter", "until=1h"], ALL);
        }
        both.same(&["system", "prune", "-af", "--filter", "until=1h"], NO_BUILDS);
        both.same(&["container", "prune", "-f", "--filter", "label!=keep"], ALL);
        both.same(&["network", "prune", "-f", "--filter", "label=keep=1"], ALL);
        both.same(&["ps", "-a", "--format", "{{.Names}}"], ALL);
        both.same(&["network", "ls", "--format", "{{.Name}}", "--filter", "type=custom"], ALL);
        both.same(&["system", "prune", "-f", "--filter", "label=keep=1"], NO_BUILDS);
        both.same(&["ps", "-a", "--format", "{{.Names}}"], ALL);
        both.ok(&["commit", "running", "child"]);
        both.ok(&["rmi", "other:1"]);
        both.same(&["image", "prune", "-f"], |line| !line.starts_with("deleted"));
        // docker also reports each layer.
        both.same(&["image", "prune", "-af"], |line| !line.starts_with("deleted"));
        both.same(&["image", "ls", "--format", "{{.Repository}}"], ALL);
        both.same(&["system", "prune", "-f"], NO_BUILDS);
    });
}

/// dockerd 20.10 also removes named volumes, which docker 23 changed. This test looks at hull alone.
#[test]
fn only_anonymous_volumes_are_pruned_unless_all_are_asked_for() {
    let Some(t) = Scenario::with_busybox() else { return };
    let volumes = || t.ok(&["volume", "ls", "-q"]).lines().map(str::to_owned).collect::<Vec<_>>();
    t.ok(&["volume", "create", "--label", "a=1", "one"]);
    t.ok(&["volume", "create", "--label", "b=1", "two"]);
    t.ok(&["volume", "create", "--label", "b=1"]);
    t.ok(&[
        "run",
        "--name",
        "box",
        "--network",
        "none",
        "-v",
        "/anonymous",
        "-v",
        "used:/x",
        "busybox",
        "true",
    ]);
    assert_eq!(volumes().len(), 5);
    let asked = t.hull(&["volume", "prune"]);
    assert!(
        asked.ok().starts_with("WARNING! This will remove anonymous local volumes not used by"),
        "{asked}"
    );
    t.ok(&["volume", "prune", "-f", "--filter", "label!=b"]);
    assert_eq!(volumes().len(), 5);
    assert!(t.ok(&["volume", "prune", "-f", "--filter", "label=b"]).starts_with("Deleted Volumes:\n"));
    assert_eq!(volumes().len(), 4);
    assert!(t.ok(&["volume", "prune", "-f", "--filter", "all=1", "--filter", "label=a=1"]).contains("one"));
    assert!(t.ok(&["volume", "prune", "-af"]).contains("two"));
    assert_eq!(volumes().len(), 2);
    t.ok(&["rm", "box"]);
    t.ok(&["system", "prune", "-f", "--volumes"]);
    assert_eq!(volumes(), ["used"]);
}

#[test]
fn a_damaged_container_keeps_all_volumes() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["create", "--name", "box", "--network", "none", "-v", "/data", "-v", "mine:/x", "busybox"]);
    t.ok(&["volume", "create"]);
    let id = t.inspect("box", "{{.Id}}");
    let record = t.data_root().join("containers").join(id).join("container.json");
    let good = fs::read(&record).unwrap();
    for how in ["half", "empty", "garbage"] {
        damage(&record, how);
        for words in [
            &["volume", "prune", "-f"][..],
            &["volume", "prune", "-af"],
            &["system", "prune", "-f", "--volumes"],
        ] {
            let refused = t.hull(words);
            assert!(refused.fails(1).contains("it may use any volume, so none is removed"), "{refused}");
            assert!(refused.stderr.contains("box"), "{refused}");
        }
        assert_eq!(t.ok(&["volume", "ls", "-q", "-f", "dangling=true"]), "");
        assert_eq!(t.ok(&["volume", "ls", "-q"]).lines().count(), 3);
        fs::write(&record, &good).unwrap();
    }
    t.ok(&["volume", "prune", "-f"]);
    assert_eq!(t.ok(&["volume", "ls", "-q"]).lines().count(), 2, "the one that nobody uses is gone");
    damage(&record, "half");
    t.ok(&["rm", "-f", "box"]);
    t.ok(&["volume", "prune", "-af"]);
    assert_eq!(t.ok(&["volume", "ls", "-q"]), "");
}
