//! `hull build` on the command line: its words under each name, what it shows on terminals and elsewhere, and how it fails.

#[path = "build_cli/names.rs"]
mod names;

use std::os::unix::process::CommandExt;
use std::process::Command;

use hull_test_support::outcome::{eventually, run};
use hull_test_support::{Outcome, Scenario, Terminal};

/// A scenario with a base image, and a context with this Dockerfile.
fn scenario(dockerfile: &str) -> Option<Scenario> {
    let t = Scenario::with_busybox()?;
    t.write("context/Dockerfile", dockerfile);
    Some(t)
}

/// The command line, as a program of this name.
fn named(t: &Scenario, name: &str, args: &[&str]) -> Command {
    let mut command = t.command(args);
    command.arg0(name);
    command
}

fn build(t: &Scenario, args: &[&str]) -> Outcome {
    t.hull(&[&["build"], args, &["context"]].concat())
}

/// Whether the text has these lines in this order, with others between them. Numbers of seconds are `N`.
#[track_caller]
fn assert_lines(text: &str, wanted: &[&str]) {
    let mut lines = text.lines().map(without_seconds);
    for want in wanted {
        assert!(lines.any(|line| line == *want), "no {want:?} at its place in:\n{text}");
    }
}

/// `#2 0.123 text` and `#2 DONE 0.1s` with N for the number.
fn without_seconds(line: &str) -> String {
    let is_seconds = |word: &str| {
        let number = word.strip_suffix('s').unwrap_or(word);
        number.contains('.') && number.parse::<f64>().is_ok()
    };
    let word = |word: &str| if is_seconds(word) { "N".to_owned() } else { word.to_owned() };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn without_a_terminal_progress_is_lines_on_stderr() {
    let Some(t) = scenario("FROM busybox\nRUN echo hello; echo there >&2\n") else { return };
    let built = build(&t, &["-t", "built:1", "-t", "other"]);
    assert_eq!(built.ok(), "", "nothing is printed on stdout");
    assert_lines(
        &built.stderr,
        &[
            "#1 [1/2] FROM busybox",
            "#2 [2/2] RUN echo hello; echo there >&2",
            "#2 N hello",
            "#2 N there",
            "#2 DONE N",
            "",
        ],
    );
    assert_lines(
        &built.stderr,
        &[
            "#3 exporting to image",
            "#3 naming to docker.io/library/built:1 done",
            "#3 naming to docker.io/library/other:latest done",
            "#3 DONE N",
        ],
    );
    let again = build(&t, &["-t", "built:1"]);
    again.ok();
    assert_lines(&again.stderr, &["#2 [2/2] RUN echo hello; echo there >&2", "#2 CACHED"]);
    assert!(!again.stderr.contains(" hello\n"), "{again}");
}

#[test]
fn quiet_prints_the_id_which_files_get_too() {
    let Some(t) = scenario("FROM busybox\nRUN echo hello\n") else { return };
    let built = build(&t, &["-q", "--iidfile", "id", "--metadata-file", "metadata", "-t", "built"]);
    let id = built.ok().to_owned();
    assert_eq!(built.stderr, "");
    assert_eq!(id, t.inspect("built", "{{.Id}}"));
    assert_eq!(std::fs::read_to_string(t.path("id")).unwrap(), id);
    let metadata = std::fs::read_to_string(t.path("metadata")).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(metadata["containerimage.config.digest"], id);
    assert_eq!(metadata["image.name"], "docker.io/library/built:latest");
}

#[test]
fn an_exact_failure_is_shown_with_its_output_and_its_lines() {
    let file = "FROM busybox\nRUN seq 1 50\nRUN echo about to fail && \\\n  exit 3\nUSER none\n";
    let Some(t) = scenario(file) else { return };
    let failed = build(&t, &["--iidfile", "id"]);
    let shown = failed.fails(1);
    let command = "/bin/sh -c echo about to fail &&   exit 3";
    assert_lines(
        shown,
        &[
            "#3 N about to fail",
            &format!("#3 ERROR: process \"{command}\" did not complete successfully: exit code: 3"),
            "------",
            " > [3/3] RUN echo about to fail &&   exit 3:",
            "N about to fail",
            "------",
            "Dockerfile:3",
            "--------------------",
            "   2 |     RUN seq 1 50",
            "   3 | >>> RUN echo about to fail && \\",
            "   4 | >>>   exit 3",
            "   5 |     USER none",
            "--------------------",
            &format!("hull: Dockerfile:3: process \"{command}\" did not complete successfully: exit code: 3"),
        ],
    );
    assert!(!t.path("id").exists(), "a failed build has no id");
    // podman's exit code is that of the program, and docker's is not.
    let as_podman = run(&mut named(&t, "podman", &["build", "context"]));
    assert!(as_podman.fails(3).contains("\nError: Dockerfile:3: process"), "{as_podman}");
    let as_docker = run(&mut named(&t, "docker", &["build", "context"]));
    assert!(as_docker.fails(1).contains("\ndocker: Dockerfile:3: process"), "{as_docker}");
    // The id is all that --quiet prints, and a failure is shown nevertheless.
    let quiet = build(&t, &["-q"]);
    assert!(quiet.fails(1).starts_with("------\n > [3/3] RUN") && quiet.stdout.is_empty(), "{quiet}");
}

#[test]
fn errors_of_the_dockerfile_name_its_line() {
    let Some(t) = scenario("FROM busybox\n\nRUNN true\n") else { return };
    let shown = build(&t, &[]);
    assert_lines(
        shown.fails(1),
        &[
            "Dockerfile:3",
            "   3 | >>> RUNN true",
            "hull: Dockerfile:3: unknown instruction: RUNN (did you mean RUN?)",
        ],
    );
}

#[test]
fn the_live_view_shows_running_steps_and_leaves_their_list() {
    let file = "FROM busybox\nRUN for i in $(seq 1 9); do echo line $i; sleep 0.1; done\nRUN echo second\n";
    let Some(t) = scenario(file) else { return };
    let mut terminal = Terminal::start(&t.command(&["build", "-t", "built", "context"]));
    terminal.expect("[+] Building");
    terminal.expect("(1/3)");
    terminal.expect("=> [2/3] RUN for i in");
    terminal.expect("=> => # line 7");
    // In a narrow and low window nothing may wrap: the view would climb over what was above it.
    terminal.resize(6, 30);
    terminal.expect("FINIS");
    terminal.expect("=> [3/3] RUN ec");
    terminal.expect("exporting to image");
    let seen = terminal.seen();
    assert_eq!(terminal.wait(), 0);
    assert!(!seen.contains("\x1b[2J"), "the screen is never erased");
    let narrow = seen.rsplit("FINIS").next().unwrap();
    let widest = narrow.lines().map(|line| strip(line).chars().count()).max().unwrap_or_default();
    assert!(widest < 30, "{widest} columns: {narrow:?}");
    let hidden = seen.matches("\x1b[?25l").count();
    assert_eq!(hidden, seen.matches("\x1b[?25h").count(), "the cursor is shown again");
}

/// A line without control sequences.
fn strip(line: &str) -> String {
    let mut plain = String::new();
    let mut parts = line.split('\x1b');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        plain.push_str(&part[end..]);
    }
    plain.trim_end_matches('\r').to_owned()
}

#[test]
fn no_color_is_honoured_and_progress_can_be_chosen() {
    let Some(t) = scenario("FROM busybox\nRUN echo hello\n") else { return };
    let mut terminal = Terminal::start(t.command(&["build", "context"]).env("NO_COLOR", "1"));
    terminal.expect("FINISHED");
    // Blue is the colour of steps that have ended; `ESC [ 3 A` moves the cursor.
    assert!(!terminal.seen().contains("\x1b[34m"), "{:?}", terminal.seen());
    assert_eq!(terminal.wait(), 0);
    let mut terminal = Terminal::start(&t.command(&["build", "--progress", "plain", "context"]));
    terminal.expect("#2 CACHED");
    assert_eq!(terminal.wait(), 0);
    let variable = run(t.command(&["build", "context"]).env("BUILDKIT_PROGRESS", "quiet"));
    assert_eq!((variable.ok(), &*variable.stderr), ("", ""));
    let refused = build(&t, &["--progress", "tty"]);
    assert!(refused.fails(1).contains("needs a terminal"), "{refused}");
    build(&t, &["--progress", "colourful"]).fails(125);
}

#[test]
fn raw_json_has_the_steps_and_their_output() {
    let Some(t) = scenario("FROM busybox\nRUN echo hello\n") else { return };
    let built = build(&t, &["--progress", "rawjson"]);
    built.ok();
    let lines: Vec<serde_json::Value> =
        built.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let vertexes = || lines.iter().filter_map(|line| line["vertexes"].as_array()).flatten();
    let step = vertexes().find(|vertex| vertex["name"] == "[2/2] RUN echo hello").unwrap();
    assert!(vertexes().any(|vertex| vertex["digest"] == step["digest"] && vertex["completed"].is_string()));
    let logs = || lines.iter().filter_map(|line| line["logs"].as_array()).flatten();
    assert!(logs().any(|log| log["vertex"] == step["digest"] && log["data"] == "aGVsbG8K"), "{built}");
}

#[test]
fn what_run_prints_does_not_control_the_terminal() {
    let Some(t) = scenario(
        "FROM busybox\nRUN printf '\\033]0;title\\007\\033[31mred\\033[2J\\nover\\rwritten\\n'; sleep 0.3\n",
    ) else {
        return;
    };
    let mut terminal = Terminal::start(&t.command(&["build", "context"]));
    terminal.expect("=> => # red");
    terminal.expect("FINISHED");
    let seen = terminal.seen();
    assert_eq!(terminal.wait(), 0);
    assert!(!seen.contains("\x1b]0;") && !seen.contains("\x1b[2J"), "{seen:?}");
}

#[test]
fn ctrl_c_ends_the_build_and_leaves_nothing_but_cache() {
    let file = "FROM busybox\nRUN echo kept\nRUN echo sleeping; sleep 300\n";
    let Some(t) = scenario(file) else { return };
    let mut terminal = Terminal::start(&t.command(&["build", "context"]));
    terminal.expect("=> => # sleeping");
    terminal.send("\x03");
    terminal.expect("cancelled");
    assert_eq!(terminal.wait(), 130);
    eventually("no container is left", || t.ok(&["ps", "-aq"]).is_empty());
    t.write("context/Dockerfile", file.replace("; sleep 300", ""));
    let again = build(&t, &[]);
    again.ok();
    assert_lines(&again.stderr, &["#2 [2/3] RUN echo kept", "#2 CACHED"]);
}

#[test]
fn sigterm_ends_the_build_as_well() {
    let Some(t) = scenario("FROM busybox\nRUN echo sleeping; sleep 300\n") else { return };
    let running = t.spawn(&["build", "--logfile", "log", "context"]);
    let log = || std::fs::read_to_string(t.path("log")).unwrap_or_default();
    eventually("the step runs", || log().contains(" sleeping\n"));
    let pid = nix::unistd::Pid::from_raw(running.pid());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    running.wait().fails(130);
}

#[test]
fn the_log_file_gets_what_the_terminal_does_not_keep() {
    let Some(t) = scenario("FROM busybox\nRUN echo hello\n") else { return };
    let built = build(&t, &["-q", "--logfile", "log"]);
    built.ok();
    assert_lines(
        &std::fs::read_to_string(t.path("log")).unwrap(),
        &["#2 [2/2] RUN echo hello", "#2 N hello"],
    );
}

#[test]
fn a_check_shows_each_mistake_with_its_lines_and_builds_nothing() {
    let Some(t) = scenario("FROM nowhere.invalid/none:1 AS Base\nMAINTAINER me\n") else { return };
    let checked = build(&t, &["--check"]);
    checked.fails(1);
    assert_lines(
        &checked.stdout,
        &[
            "Stage name 'Base' should be lowercase",
            "Dockerfile:1",
            "   1 | >>> FROM nowhere.invalid/none:1 AS Base",
        ],
    );
    assert!(checked.stdout.contains("warnings have been found!"), "{checked}");
    let json = build(&t, &["--call", "check,format=json,ignorestatus=true"]);
    let json: serde_json::Value = serde_json::from_str(json.ok()).unwrap();
    assert_eq!(json["warnings"][0]["ruleName"], "StageNameCasing");
    // hadolint's file of settings is read from the context.
    t.write("context/.hadolint.yaml", "ignored: [DL4000]\n");
    let settled = build(&t, &["--check"]);
    assert!(!settled.stdout.contains("DL4000") && checked.stdout.contains("DL4000"), "{settled}");
    t.write("context/Dockerfile", "FROM busybox:1\nUSER 1000\n");
    let clean = build(&t, &["--check"]);
    assert!(clean.ok().ends_with("Check complete, no warnings found."), "{clean}");
}

#[test]
fn the_one_builder_is_listed_and_no_other_is_taken() {
    let Some(t) = Scenario::start() else { return };
    assert!(t.ok(&["buildx", "ls"]).contains("default*"));
    assert!(t.ok(&["buildx", "ls", "--format", "{{.Name}}"]).starts_with("default"));
    assert!(t.ok(&["builder", "inspect", "--bootstrap"]).starts_with("Name:   default"));
    assert!(t.ok(&["buildx", "version"]).contains(" v0."));
    t.ok(&["buildx", "use", "default"]);
    assert!(t.hull(&["buildx", "use", "other"]).fails(1).contains("no builder \"other\" found"));
    assert!(t.hull(&["buildx", "create", "--use"]).fails(1).contains("hull builder ls"));
    t.write("context/Dockerfile", "FROM scratch\n");
    assert!(build(&t, &["--builder", "other"]).fails(125).contains("no builder"));
}

#[test]
fn a_wrong_flag_is_refused_before_anything_is_built() {
    let Some(t) = Scenario::start() else { return };
    t.write("context/Dockerfile", "FROM nowhere.invalid/none\n");
    t.write("large", vec![0; 512 * 1024]);
    for (flags, sentence) in [
        ("-t UPPER", "for --tag"),
        (
            "-t name@sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "a tag has no digest",
        ),
        ("--platform linux/", "for --platform"),
        ("--secret src=x", "secret missing ID"),
        ("--secret id=a,src=missing", "cannot read the secret \"a\""),
        ("--secret id=a,env=HULL_TEST_UNSET", "HULL_TEST_UNSET"),
        ("--secret id=a,src=large", "too big"),
        ("--ssh default", "$SSH_AUTH_SOCK is not set"),
        ("--output type=zip", "there is no type \"zip\""),
        ("--output type=local", "dest is required"),
        ("--cache-to type=gha", "there is no type \"gha\""),
        ("--build-context only", "expected key=value"),
        ("--add-host nocolon", "for --add-host"),
        ("--ulimit files=1", "for --ulimit"),
        ("--memory much", "for --memory"),
        ("--shm-size much", "for --shm-size"),
        ("--allow everything", "network.host or security.insecure"),
        ("--pull=sometimes", "always, missing, newer or never"),
        ("--sbom=true", "attestation is not supported"),
        ("--provenance=mode=max", "attestation is not supported"),
        ("--attest type=sbom", "attestation is not supported"),
        ("--layers=false", "--layers=false"),
        ("--push --load", "push and load"),
        ("--isolation hyperv", "it takes one of default"),
        ("--call bake", "build, check, outline or targets"),
        ("--squash", "COPY --from"),
        ("--label =x", "it has no name"),
        ("--build-arg =x", "for --build-arg"),
    ] {
        let flags: Vec<&str> = flags.split(' ').collect();
        let mut command = t.command(&[&["build"], &flags[..], &["context"]].concat());
        command.env_remove("SSH_AUTH_SOCK");
        let refused = run(&mut command);
        assert!(!refused.success(), "{refused}");
        assert!(refused.stderr.contains(sentence) && !refused.stderr.contains("nowhere"), "{refused}");
    }
    for flags in [
        "--sbom=false --provenance=false --attest type=sbom,disabled=true",
        "--rm --force-rm --compress",
        "--builder default",
    ] {
        let flags: Vec<&str> = flags.split(' ').collect();
        let started = build(&t, &flags);
        assert!(started.fails(1).contains("nowhere.invalid"), "{started}");
    }
}

#[test]
fn a_shell_opens_in_the_root_of_a_step_that_failed() {
    let file =
        "FROM busybox\nENV SEEN=variable\nWORKDIR /work\nRUN echo written > file && rm /bin/cat && exit 4\n";
    let Some(t) = scenario(file) else { return };
    let mut terminal = Terminal::start(&t.command(&["build", "--shell-on-failure", "context"]));
    terminal.expect("   4 | >>> RUN echo written");
    terminal.expect("/work # ");
    terminal.send("read line < file; echo $SEEN-$line; ls /bin/cat; tty; stty size\n");
    terminal.expect("variable-written");
    terminal.expect("No such file");
    terminal.expect("/dev/pts/0");
    terminal.expect("24 80");
    terminal.send("echo more > other; exit 9\n");
    terminal.expect("exit code: 4");
    assert_eq!(terminal.wait(), 1, "the exit code is the build's");
    let left = std::fs::read_dir(t.data_root().join("containers")).unwrap().count();
    assert_eq!(left, 0, "nothing is left of the step");
}

#[test]
fn a_user_without_privileges_sees_the_same() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    let home = t.data_root().ancestors().nth(3).unwrap().to_owned();
    let context = home.join("context");
    std::fs::create_dir(&context).unwrap();
    std::fs::write(context.join("Dockerfile"), "FROM busybox\nRUN echo hello; exit 3\n").unwrap();
    let failed = t.hull(&["build", context.to_str().unwrap()]);
    assert_lines(failed.fails(1), &["#2 N hello", "Dockerfile:2", "   2 | >>> RUN echo hello; exit 3"]);
}

#[test]
fn never_pulls_means_that_no_registry_is_asked() {
    let Some(t) = scenario("FROM nowhere.invalid/none\n") else { return };
    let refused = build(&t, &["--pull=never"]);
    let said = refused.fails(1);
    assert!(
        said.contains("Dockerfile:1") && said.contains("No such image: nowhere.invalid/none"),
        "{refused}"
    );
    assert!(!said.contains("failed to lookup"), "{refused}");
    t.write("context/Dockerfile", "FROM busybox\n");
    build(&t, &["--pull=never", "-q"]).ok();
}

#[test]
fn several_results_and_files_of_one_build_are_told() {
    let Some(t) = scenario("FROM busybox\nRUN echo hello > /hello\n") else { return };
    let built = build(&t, &["-o", "type=local,dest=out", "--progress", "plain"]);
    built.ok();
    assert!(t.path("out/hello").exists(), "{built}");
    let tar = build(&t, &["-o", "-"]);
    assert!(
        tar.success() && tar.stdout.contains("ustar"),
        "a tar is on stdout, and nothing else: {}",
        tar.stderr
    );
    let mut terminal = Terminal::start(&t.command(&["build", "-o", "-", "context"]));
    terminal.expect("refusing to write to a terminal");
    assert_eq!(terminal.wait(), 1);
}

#[test]
fn why_says_what_has_changed() {
    let Some(t) = scenario("FROM busybox\nARG WORD=one\nCOPY file /file\nRUN echo $WORD\nRUN true\n") else {
        return;
    };
    t.write("context/file", "first");
    build(&t, &["--why"]).ok();
    let same = build(&t, &["--why"]);
    same.ok();
    let whys = |outcome: &Outcome| outcome.stderr.lines().filter(|line| line.contains(" why: ")).count();
    assert_eq!(whys(&same), 3, "{same}");
    t.write("context/file", "second");
    let file = build(&t, &["--why"]);
    file.ok();
    assert!(file.stderr.lines().any(|line| line.contains(" why: ") && line.contains("file")), "{file}");
    let argument = build(&t, &["--why", "--build-arg", "WORD=two"]);
    argument.ok();
    assert!(
        argument.stderr.lines().any(|line| line.contains(" why: ") && line.contains("WORD")),
        "{argument}"
    );
    let silent = build(&t, &["--build-arg", "WORD=three"]);
    assert_eq!(whys(&silent), 0, "{silent}");
}

#[test]
fn a_step_that_prints_without_end_is_shown_at_once_and_ends_the_same() {
    let Some(t) = scenario("FROM busybox\nRUN yes | head -c 20000000; echo; echo the end; exit 5\n") else {
        return;
    };
    let failed = build(&t, &[]);
    assert!(failed.fails(1).contains("exit code: 5"), "{} bytes", failed.stderr.len());
    assert!(failed.took.as_secs() < 20, "{:?}", failed.took);
}
