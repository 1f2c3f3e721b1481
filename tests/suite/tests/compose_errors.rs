//! Bad compose files: `hull compose up` says which file, line and key is wrong, exits with 1 as Docker Compose does, and leaves
//! nothing.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use hull_test_support::outcome::{Outcome, run};
use hull_test_support::{Scenario, registry};

struct Bad {
    about: &'static str,
    /// The text of `compose.yaml`.
    text: &'static str,
    /// That of `other.yaml`.
    other: &'static str,
    /// `FILE:LINE:COLUMN: ` of the error, and what it says.
    at: &'static str,
    says: &'static [&'static str],
}

const BAD: &[Bad] = &[
    Bad {
        about: "a relative working directory",
        text: "services:\n  a:\n    image: busybox\n    command: sleep 9\n    working_dir: app\n",
        other: "",
        at: "compose.yaml:5:18: ",
        says: &["services.a.working_dir: \"app\" is not an absolute path"],
    },
    Bad {
        about: "a volume with a name of one letter",
        text: "services:\n  a:\n    image: busybox\n    command: sleep 9\n    volumes:\n      - n:/data\nvolumes:\n  n:\n",
        other: "",
        at: "compose.yaml:6:9: ",
        says: &[
            "services.a.volumes[0].target: \"n:/data\" is not an absolute path",
            "hint: a source of one letter",
        ],
    },
    Bad {
        about: "a secret whose file is missing",
        text: "services:\n  a:\n    image: busybox\n    command: sleep 9\n    secrets: [s]\nsecrets:\n  s:\n    file: \
               ./absent\n",
        other: "",
        at: "compose.yaml:8:11: ",
        says: &["secrets.s.file: there is no file ", "/absent\n"],
    },
    Bad {
        about: "a tab",
        text: "services:\n\ta:\n\t\timage: busybox\n",
        other: "",
        at: "compose.yaml:2:2: tabs",
        says: &["hint: indent with spaces"],
    },
    Bad {
        about: "a key that is too far to the left",
        text: "services:\n  a:\n    image: busybox\n   command: sleep 9\n",
        other: "",
        at: "compose.yaml:4:4: ",
        says: &["hint: keys of one mapping have the same indentation"],
    },
    Bad {
        about: "a config whose target leaves its directory",
        text: "services:\n  a:\n    image: busybox\n    configs:\n      - {source: c, target: /etc/../../c}\nconfigs: \
               {c: {content: x}}\n",
        other: "",
        at: "compose.yaml:5:9: ",
        says: &["services.a.configs[0]", "must not contain .."],
    },
    Bad {
        about: "services that depend on each other",
        text: "services:\n  a:\n    image: busybox\n    depends_on: [b]\n  b:\n    image: busybox\n    depends_on:\n      \
               - c\n  c:\n    image: busybox\n    depends_on: [a]\n",
        other: "",
        at: "compose.yaml:",
        says: &["a -> b -> c -> a"],
    },
    Bad {
        about: "services that extend each other",
        text: "services:\n  a:\n    extends: {service: b}\n  b:\n    extends: {service: a}\n",
        other: "",
        at: "compose.yaml:",
        says: &["Circular reference", "a in ", "extends b in "],
    },
    Bad {
        about: "files that extend each other",
        text: "services:\n  a:\n    extends: {file: other.yaml, service: b}\n",
        other: "services:\n  b:\n    extends: {file: compose.yaml, service: a}\n",
        at: "compose.yaml:3:14: ",
        says: &["Circular reference", "other.yaml"],
    },
    Bad {
        about: "files that include each other",
        text: "include:\n  - other.yaml\nservices: {a: {image: busybox}}\n",
        other: "include:\n  - path: compose.yaml\n",
        at: "other.yaml:2:5: ",
        says: &["include cycle", "compose.yaml"],
    },
    Bad {
        about: "an unknown key",
        text: "services:\n  a:\n    image: busybox\n    comand: sleep 9\n",
        other: "",
        at: "compose.yaml:4:5: ",
        says: &["services.a", "\"comand\"", "hint: did you mean command?"],
    },
    Bad {
        about: "an unknown key at the top",
        text: "service:\n  a:\n    image: busybox\n",
        other: "",
        at: "compose.yaml:1:1: ",
        says: &["\"service\"", "did you mean services?"],
    },
    Bad {
        about: "a value of another type",
        text: "services:\n  a:\n    image: busybox\n    ports: 80\n",
        other: "",
        at: "compose.yaml:4:12: ",
        says: &["services.a.ports", "must be a list, but it is a number"],
    },
    Bad {
        about: "a date, which is no string",
        text: "services:\n  a:\n    image: busybox\n    environment:\n      SINCE: 2001-12-14\n",
        other: "",
        at: "compose.yaml:5:14: ",
        says: &["services.a.environment.SINCE"],
    },
    Bad {
        about: "a variable that must be set",
        text: "services:\n  a:\n    image: busybox:${TAG:?say which}\n",
        other: "",
        at: "compose.yaml:3:12: ",
        says: &["services.a.image", "required variable TAG is missing a value: say which"],
    },
    Bad {
        about: "a template that does not end",
        text: "services:\n  a:\n    image: busybox\n    command: echo ${TAG\n",
        other: "",
        at: "compose.yaml:4:14: ",
        says: &["services.a.command", "${TAG"],
    },
    Bad {
        about: "two services with one port of the host",
        text: "services:\n  a:\n    image: busybox\n    command: sleep 9\n    ports: [\"8080:80\"]\n  b:\n    image: \
               busybox\n    command: sleep 9\n    ports:\n      - 8081:81\n      - target: 90\n        published: 8080\n",
        other: "",
        at: "compose.yaml:11:9: ",
        says: &["services.b.ports[1]", "8080/tcp", "\"a\""],
    },
    Bad {
        about: "two services with one name of a container",
        text: "services:\n  a:\n    image: busybox\n    container_name: name\n  b:\n    image: busybox\n    container_name: \
               name\n",
        other: "",
        at: "compose.yaml:7:21: ",
        says: &["services.b", "container_name", "\"name\""],
    },
    Bad {
        about: "more containers than there can be",
        text: "services:\n  a:\n    image: busybox\n    command: sleep 9\n    scale: 2000000000\n",
        other: "",
        at: "compose.yaml:5:12: ",
        says: &["services.a.scale", "more than 10000 containers"],
    },
    Bad {
        about: "a directory that is missing",
        text: "services:\n  a:\n    image: busybox\n    command: sleep 9\n    volumes:\n      - type: bind\n        source: \
               ./missing\n        target: /x\n        bind: {create_host_path: false}\n",
        other: "",
        at: "compose.yaml:7:17: ",
        says: &["services.a.volumes[0].source", "missing"],
    },
    Bad {
        about: "an env file that is missing",
        text: "services:\n  a:\n    image: busybox\n    env_file:\n      - missing.env\n",
        other: "",
        at: "compose.yaml:",
        says: &["missing.env"],
    },
    Bad {
        about: "a file of a web server",
        text: "include:\n  - https://example.com/compose.git\nservices: {a: {image: busybox}}\n",
        other: "",
        at: "compose.yaml:2:5: ",
        says: &["https://example.com/compose.git", "hull reads local files only"],
    },
    Bad {
        about: "a file of a git repository",
        text: "include:\n  - path:\n      - git@example.com:some/project.git\n",
        other: "",
        at: "compose.yaml:3:9: ",
        says: &["git@example.com:some/project.git", "local files only"],
    },
    Bad {
        about: "a file of a registry",
        text: "services:\n  a:\n    extends:\n      file: oci://example.com/project\n      service: a\n",
        other: "",
        at: "compose.yaml:4:",
        says: &["oci://example.com/project", "local files only"],
    },
    Bad {
        about: "a mistake in an included file",
        text: "include: [other.yaml]\n",
        other: "services:\n  b:\n    image: busybox\n    restart: {always: true}\n",
        at: "other.yaml:4:14: ",
        says: &["services.b.restart"],
    },
    Bad {
        about: "an alias in its own node",
        text: "services: &services\n  a:\n    image: busybox\n    x-all: *services\n",
        other: "",
        at: "compose.yaml:4:12: ",
        says: &["an alias stands inside of its own node"],
    },
    Bad {
        about: "a key that is there twice",
        text: "services:\n  a:\n    image: busybox\n    image: busybox\n",
        other: "",
        at: "compose.yaml:4:5: ",
        says: &["services.a", "\"image\" already defined at line 3"],
    },
    Bad {
        about: "a key that is a number",
        text: "services:\n  a:\n    image: busybox\n    environment: {1: one}\n",
        other: "",
        at: "compose.yaml:4:19: ",
        says: &["non-string key in services.a.environment: 1"],
    },
    Bad {
        about: "a tab",
        text: "services:\n  a:\n\timage: busybox\n",
        other: "",
        at: "compose.yaml:3:2: ",
        says: &["tab"],
    },
    Bad {
        about: "a text without an end, with what a terminal would interpret",
        text: "services:\n  a:\n    image: \"\u{1b}[2Jbusybox\n",
        other: "",
        at: "compose.yaml:3:12: ",
        says: &["\"\\x1b[2Jbusybox\n"],
    },
    Bad {
        about: "a network that is not there",
        text: "services:\n  a:\n    image: busybox\n    networks:\n      front: {}\n",
        other: "",
        at: "compose.yaml:",
        says: &["services.a", "front"],
    },
];

/// A project in a directory of its own.
struct Project<'a> {
    scenario: &'a Scenario,
    name: String,
}

impl<'a> Project<'a> {
    fn new(scenario: &'a Scenario, name: String, text: &str) -> Self {
        let project = Self { scenario, name };
        project.write("compose.yaml", text);
        project
    }

    fn write(&self, file: &str, text: &str) {
        self.scenario.write(&format!("{}/{file}", self.name), text);
    }

    fn compose(&self, args: &[&str]) -> Outcome {
        let args = [&["compose"], args].concat();
        run(self.scenario.command(&args).current_dir(self.scenario.path(&self.name)))
    }
}

/// Everything that a project could leave.
fn objects(scenario: &Scenario) -> String {
    let lists: [&[&str]; 4] =
        [&["ps", "-aq"], &["network", "ls", "-q"], &["volume", "ls", "-q"], &["images", "-q"]];
    lists.map(|list| scenario.ok(list)).concat()
}

/// The complaints about an answer.
fn judge(bad: &Bad, found: &Outcome) -> Option<String> {
    let text = &found.stderr;
    let mut wrong = Vec::new();
    if found.code() != 1 {
        wrong.push(format!("the exit code is {}", found.code()));
    }
    if !text.starts_with(&format!("hull: {}", bad.at)) {
        wrong.push(format!("it does not begin with {:?}", bad.at));
    }
    wrong.extend(
        bad.says.iter().filter(|part| !text.contains(*part)).map(|part| format!("it lacks {part:?}")),
    );
    if !text.lines().any(|line| line.starts_with("     | ") && line.ends_with('^')) {
        wrong.push("there is no caret".into());
    }
    (!wrong.is_empty()).then(|| format!("{}: {}\n{found}", bad.about, wrong.join(", ")))
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_key_and_nothing_is_left() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    registry::network_up();
    let before = objects(&scenario);
    let mut complaints = Vec::new();
    for (index, bad) in BAD.iter().enumerate() {
        let project = Project::new(&scenario, format!("project{index}"), bad.text);
        if !bad.other.is_empty() {
            project.write("other.yaml", bad.other);
        }
        complaints.extend(judge(bad, &project.compose(&["up", "-d"])));
        if objects(&scenario) != before {
            complaints.push(format!("{}: something is left", bad.about));
            project.compose(&["down", "-v", "-t", "0"]);
        }
        assert!(!scenario.path(format!("project{index}/missing")).exists());
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Lists of ten aliases each of the list before.
fn bomb() -> String {
    let mut text = "x-0: &l0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..=12 {
        let aliases = vec![format!("*l{}", level - 1); 10].join(", ");
        writeln!(text, "x-{level}: &l{level} [{aliases}]").expect("a string");
    }
    text + "services: {a: {image: busybox}}\n"
}

/// Merges of mappings that merge the one before twice.
fn merges() -> String {
    let entries: String = (0..1000).map(|number| format!("k{number}: v, ")).collect();
    let mut text = format!("x-0: &m0 {{{entries}}}\n");
    for level in 1..=1000 {
        writeln!(text, "x-{level}: &m{level} {{<<: *m{}, own: {level}}}", level - 1).expect("a string");
    }
    text + "services: {a: {image: busybox}}\n"
}

#[test]
fn files_that_expand_without_end_are_refused_at_once() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    let long: String = (0..110_000).map(|number| format!("      V{number}: {}\n", "x".repeat(90))).collect();
    let services = "services:\n  a:\n    image: busybox\n";
    let deep = |open: &str, close: &str| {
        format!("{services}    x-a: {}1{}\n", open.repeat(100_000), close.repeat(100_000))
    };
    let template = format!("{services}    command: \"{}x{}\"\n", "${A:-".repeat(20_000), "}".repeat(20_000));
    for (about, text, says) in [
        ("aliases of aliases", bomb(), "compose.yaml:6:"),
        ("merges of merges", merges(), "compose.yaml:"),
        (
            "ten megabytes",
            format!("{services}    environment:\n{long}"),
            "the file is larger than 8388608 bytes",
        ),
        ("brackets", deep("[", "]"), "compose.yaml:4:"),
        ("mappings", deep("{a: ", "}"), "compose.yaml:4:"),
        ("open brackets", "[".repeat(1 << 20), "compose.yaml:1:"),
        ("templates in templates", template, "compose.yaml:4:14: "),
        ("a long key", format!("{services}    ? {}\n    : 1\n", "key".repeat(1 << 20)), "compose.yaml:4:7: "),
        (
            "a long name",
            format!("{services}    depends_on: [{}]\n", "a".repeat(1 << 20)),
            "compose.yaml:4:18: ",
        ),
    ] {
        let project = Project::new(&scenario, about.replace(' ', "-"), &text);
        let start = Instant::now();
        let found = project.compose(&["up", "-d"]);
        let took = start.elapsed();
        assert!(found.fails(1).contains(says), "{about}: {found}");
        // Less than a second in an optimised build.
        assert!(took < Duration::from_secs(20), "{about}: {took:?}");
        assert!(found.stderr.len() < 4000, "{about}: {}", found.stderr.len());
    }
    assert_eq!(scenario.ok(&["ps", "-aq"]), "");
}

#[test]
fn what_is_no_compose_file_is_told() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    let project = Project::new(&scenario, "project".into(), "services: {a: {image: busybox}}\n");
    let file = scenario.path("project/compose.yaml");
    let broken = |found: Outcome, says: &str| {
        assert!(found.fails(1).contains(says), "{says}: {found}");
    };
    broken(project.compose(&["-f", "none.yaml", "up", "-d"]), "none.yaml: no such file or directory");
    broken(project.compose(&["-f", "/dev/zero", "up", "-d"]), "/dev/zero: the file is larger than");
    broken(project.compose(&["-f", "https://example.com/a.git", "up", "-d"]), "local files only");
    broken(project.compose(&["-f", "oci://example.com/a", "up", "-d"]), "local files only");
    std::fs::write(&file, b"services:\n  a: {image: \xff}\n").expect("own file");
    broken(project.compose(&["up", "-d"]), "is not UTF-8");
    std::fs::write(&file, b"").expect("own file");
    broken(project.compose(&["up", "-d"]), "empty compose file");
    std::fs::remove_file(&file).expect("own file");
    std::fs::create_dir(&file).expect("own directory");
    broken(project.compose(&["up", "-d"]), "is a directory");
    std::fs::remove_dir(&file).expect("own directory");
    broken(project.compose(&["up", "-d"]), "no configuration file provided: not found");
    assert!(!Path::new(&file).exists());
}
