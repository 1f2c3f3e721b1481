//! The command line as docker's users know it: help, exit codes, messages about mistakes, values of flags.

use hull_test_support::Scenario;
use hull_test_support::outcome::run;

/// The exit codes of docker 28: a wrong flag is 125, a wrong command or argument is 1.
const MISTAKES: &[(&[&str], i32)] = &[
    (&["nonsense"], 1),
    (&["--nonsense"], 125),
    (&["--root"], 125),
    (&["help", "nonsense"], 1),
    (&["events", "--nonsense"], 125),
    (&["events", "x"], 1),
    (&["events", "-f", "nonsense"], 125),
    (&["stats", "--nonsense"], 125),
    (&["stats", "--no-stream=maybe"], 125),
    (&["update"], 1),
    (&["update", "--nonsense", "one"], 125),
    (&["update", "-m", "x", "one"], 125),
    (&["update", "--cpus", "x", "one"], 125),
    (&["update", "--restart"], 125),
    (&["run", "--health-interval", "x", "image"], 125),
    (&["run", "--health-timeout=-1s", "image"], 125),
    (&["run", "--health-start-period", "1", "image"], 125),
    (&["run", "--blkio-weight-device", "/dev/null:5", "image"], 125),
    (&["run", "--device-read-bps", "/dev/null:x", "image"], 125),
    (&["run", "--cpu-rt-runtime", "x", "image"], 125),
    (&["run", "-a", "nonsense", "image"], 125),
    (&["run", "--gpus", "x=y", "image"], 125),
    (&["run", "--userns", "nonsense", "image"], 125),
    (&["run", "--mount", "type=volume,source=v,target=/x,volume-subpath", "image"], 125),
    (&["run", "--mount", "type=bind,source=/tmp,target=/x,bind-recursive=nonsense", "image"], 125),
    (&["run", "-v", "/a:/b:z,Z", "image"], 125),
    (&["run", "--log-driver", "nonsense", "image"], 125),
    (&["volume", "create", "--driver"], 125),
    (&["volume", "create", "-o", "nonsense", "one"], 1),
    (&["volume", "prune", "-f", "--filter", "nonsense"], 125),
    (&["volume", "prune", "-f", "--filter", "nonsense=1"], 1),
    (&["system", "df", "x"], 1),
    (&["system", "prune", "-f", "--filter", "nonsense"], 125),
    (&["network", "create", "--aux-address", "x=y", "one"], 1),
    (&["logs", "--details=maybe", "one"], 125),
    (&["inspect", "--size=x", "one"], 125),
    (&["ps", "-s=maybe"], 125),
    (&["import", "--nonsense", "x"], 125),
    (&["commit", "-c", "nonsense", "one"], 1),
    (&["swarm"], 1),
    (&["swarm", "init", "--nonsense"], 1),
    (&["help", "swarm"], 1),
    (&["help", "network", "nonsense"], 1),
    (&["run"], 1),
    (&["run", "--rm"], 1),
    (&["run", "--nonsense"], 125),
    (&["run", "-Z", "image"], 125),
    (&["run", "-m"], 125),
    (&["run", "-m", "x", "image"], 125),
    (&["run", "--pull", "sometimes", "image"], 125),
    (&["run", "--privileged=maybe", "image"], 125),
    (&["run", "-it=false"], 1),
    (&["container", "run", "--nonsense"], 125),
    (&["create"], 1),
    (&["create", "--nonsense"], 125),
    (&["create", "--env-file", "/no/such/file", "image"], 125),
    (&["create", "-v", "/a:/b:xx:yy", "image"], 125),
    (&["create", "--mount", "type=bind", "image"], 125),
    (&["exec"], 1),
    (&["exec", "one"], 1),
    (&["exec", "--nonsense"], 125),
    (&["exec", "--env-file", "/no/such/file", "one", "true"], 1),
    (&["start"], 1),
    (&["stop"], 1),
    (&["stop", "-t", "x", "one"], 125),
    (&["restart", "-t", "x", "one"], 125),
    (&["kill"], 1),
    (&["kill", "-s"], 125),
    (&["rm"], 1),
    (&["rm", "-x", "one"], 125),
    (&["ps", "x"], 1),
    (&["ps", "--all=maybe"], 125),
    (&["ps", "--last", "x"], 125),
    (&["ps", "-f", "nonsense"], 125),
    (&["ps", "-f", "nonsense=1"], 1),
    (&["ps", "--format", "{{"], 1),
    (&["logs"], 1),
    (&["logs", "one", "two"], 1),
    (&["inspect"], 1),
    (&["inspect", "--type", "nonsense", "one"], 1),
    (&["inspect", "-f", "{{", "one"], 64),
    (&["version", "--format", "{{"], 64),
    (&["wait"], 1),
    (&["wait", "--nonsense"], 125),
    (&["attach"], 1),
    (&["attach", "--nonsense", "one"], 125),
    (&["pause"], 1),
    (&["restore", "box"], 1),
    (&["cp", "one"], 1),
    (&["port"], 1),
    (&["port", "one", "2", "3"], 1),
    (&["rename", "one"], 1),
    (&["commit"], 1),
    (&["commit", "-p=maybe", "one"], 125),
    (&["diff"], 1),
    (&["export"], 1),
    (&["images", "one", "two"], 1),
    (&["images", "-f", "nonsense"], 125),
    (&["tag", "one"], 1),
    (&["rmi"], 1),
    (&["save"], 1),
    (&["load", "x"], 1),
    (&["import"], 1),
    (&["history"], 1),
    (&["pull"], 1),
    (&["pull", "--nonsense"], 125),
    (&["push"], 1),
    (&["login", "--password", "x", "--password-stdin"], 1),
    (&["logout", "one", "two"], 1),
    (&["search"], 1),
    (&["search", "--limit", "x", "term"], 125),
    (&["network", "nonsense"], 1),
    (&["network", "create"], 1),
    (&["network", "create", "--nonsense"], 125),
    (&["network", "rm"], 1),
    (&["network", "connect", "one"], 1),
    (&["container", "prune", "-x"], 125),
    (&["container", "prune", "x"], 1),
    (&["volume", "nonsense"], 1),
    (&["volume", "create", "one", "two"], 1),
    (&["volume", "rm"], 1),
    (&["image", "nonsense"], 1),
    (&["system", "nonsense"], 1),
    (&["system", "df", "x"], 1),
    (&["info", "x"], 1),
    // Compose has one exit code for all mistakes.
    (&["compose", "nonsense"], 1),
    (&["compose", "--nonsense"], 1),
    (&["compose", "publish", "x"], 1),
    (&["compose", "ps", "--nonsense"], 1),
    (&["compose", "-p", "x", "port", "one"], 1),
    (&["compose", "-p", "x", "port", "one", "two"], 1),
    (&["compose", "exec", "one"], 1),
    (&["compose", "run"], 1),
    (&["compose", "--progress", "nonsense", "-p", "x", "kill"], 1),
    (&["compose", "build", "--print"], 1),
];

#[test]
fn mistakes_have_dockers_exit_codes_and_hulls_words() {
    let Some(t) = Scenario::start() else { return };
    for (words, code) in MISTAKES {
        let outcome = t.hull(words);
        let said = outcome.fails(*code);
        assert!(said.starts_with("hull: ") && !said.contains("error:"), "{outcome}");
        let other = said.lines().skip(1).find(|line| !line.starts_with("hint: "));
        assert_eq!(other, None, "{outcome}");
        assert_eq!(outcome.stdout, "", "{outcome}");
    }
}

#[test]
fn help_is_printed_where_it_is_asked_for() {
    let Some(t) = Scenario::start() else { return };
    let all = t.ok(&[]);
    assert!(all.contains("\nCommands:\n") && all.contains("\n  help "), "{all}");
    assert_eq!(t.ok(&["help"]), all);
    assert_eq!(t.ok(&["--root", "/nowhere", "--help"]), all);
    assert_eq!(t.ok(&["help", "run"]), t.ok(&["run", "--help"]));
    assert_eq!(t.ok(&["help", "container", "run"]), t.ok(&["container", "run", "--help"]));
    assert_eq!(t.ok(&["help", "network", "create"]), t.ok(&["network", "create", "--help"]));
    for group in ["compose", "container", "image", "network", "volume", "system"] {
        assert_eq!(t.ok(&["help", group]), t.ok(&[group]), "{group}");
    }
}

#[test]
fn docker_compose_is_a_name_for_compose() {
    let Some(t) = Scenario::start() else { return };
    let link = t.path("docker-compose");
    std::os::unix::fs::symlink(hull_test_support::program::hull(), &link).unwrap();
    let compose = |words: &[&str]| {
        let mut command = t.command(&[]);
        let mut own = std::process::Command::new(&link);
        own.args(words);
        for (name, value) in command.env("COLUMNS", "100").get_envs() {
            value.map(|value| own.env(name, value));
        }
        run(&mut own)
    };
    assert_eq!(compose(&["version", "--short"]).stdout, "2.40.3\n");
    assert_eq!(compose(&["--version"]).stdout, "Docker Compose version v2.40.3\n");
    assert_eq!(t.ok(&["compose", "-v"]), "Docker Compose version v2.40.3");
    assert_eq!(
        compose(&["ps", "--help"]).stdout.lines().nth(2),
        Some("Usage: docker-compose ps [OPTIONS] [SERVICE]...")
    );
    assert_eq!(compose(&[]).stdout, compose(&["--help"]).stdout);
    let usage = "docker-compose: SERVICE is missing\nhint: usage: docker-compose exec [OPTIONS] SERVICE COMMAND [ARG]...\n";
    assert_eq!(compose(&["exec"]).fails(1), usage);
    let near =
        "docker-compose: unknown command: docker-compose sacle\nhint: did you mean docker-compose scale?\n";
    assert_eq!(compose(&["sacle"]).fails(1), near);
}

#[test]
fn the_version_is_told_in_dockers_ways() {
    let Some(t) = Scenario::start() else { return };
    let version = t.ok(&["--version"]);
    assert!(version.starts_with("hull "), "{version}");
    assert_eq!(t.ok(&["-v"]), version);
    assert_eq!(t.ok(&["-V"]), version);
}

#[test]
fn hints_do_not_lead_astray() {
    let Some(t) = Scenario::with_busybox() else { return };
    // A verb that other engines have is explained instead of being treated as a typing error.
    for (words, sentence) in [
        (&["swarm", "init"][..], "hint: hull runs containers on one machine and has no swarm"),
        (&["help", "swarm"], "hint: hull runs containers on one machine and has no swarm"),
        (&["pod", "create"], "hint: hull has no pods"),
        (
            &["shell", "box"],
            "hint: `hull exec --interactive --tty` with a container and sh opens a shell in it",
        ),
        (&["strat"], "hint: did you mean hull start?"),
        (&["contianer", "ls"], "hint: did you mean hull container?"),
        (&["star"], "hint: did you mean hull start?"),
        (&["nonsense"], "hint: hull --help lists the commands"),
    ] {
        let outcome = t.hull(words);
        assert!(outcome.fails(1).contains(sentence), "{outcome}");
    }
    for (words, sentence) in [
        (&["run", "--isolation=process", "busybox"][..], "hint: it is for containers of Windows"),
        (&["--host", "unix:///x", "ps"], "hint: hull connects to no server"),
        (&["run", "--nmae", "x", "busybox"], "hint: did you mean --name?"),
        (&["run", "--x", "busybox"], "hint: hull run --help lists the flags"),
    ] {
        let outcome = t.hull(words);
        assert!(outcome.fails(125).contains(sentence), "{outcome}");
    }
    // docker's exit code, for `run` and for the other verbs.
    let outcome = t.hull(&["run", "--rm", "-it", "busybox", "true"]);
    assert!(outcome.fails(1).contains("not a TTY"), "{outcome}");
    let outcome = t.hull(&["run", "--rm", "--pull", "always", "busybox", "true"]);
    let said = outcome.fails(125);
    assert!(!said.contains("Unable to find") && !said.contains("did you mean"), "it is here: {outcome}");
}

#[test]
fn flags_behind_the_image_are_said_to_belong_before_it() {
    let Some(t) = Scenario::with_busybox() else { return };
    let outcome = t.hull(&["run", "busybox", "--rm", "true"]);
    assert!(
        outcome.fails(127).contains("hint: flags go before the image: hull run --rm busybox"),
        "{outcome}"
    );
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    let outcome = t.hull(&["exec", "box", "-w", "/tmp", "pwd"]);
    assert!(outcome.fails(127).contains("flags go before the container: hull exec -w box"), "{outcome}");
    let outcome = t.hull(&["exec", "box", "--", "true"]);
    assert!(outcome.fails(127).contains("no -- stands between the container and its command"), "{outcome}");
    assert!(!t.hull(&["run", "--rm", "busybox", "nothing"]).stderr.contains("flags go"));
}

#[test]
fn a_flag_that_is_on_or_off_may_say_which() {
    let Some(t) = Scenario::with_busybox() else { return };
    let out =
        t.ok(&["run", "--rm=true", "-d=false", "-it=false", "--privileged=F", "busybox", "echo", "here"]);
    assert_eq!(out, "here");
    let id = t.ok(&["run", "-d=T", "--rm=0", "--init=1", "--read-only=TRUE", "busybox", "sleep", "300"]);
    assert_eq!(t.inspect(&id, "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Init}}"), "true true");
    assert_eq!(t.ok(&["ps", "--quiet=true", "--no-trunc=t", "--all=False"]), id);
    t.ok(&["rm", "--force=1", &id]);
    assert_eq!(t.ok(&["ps", "-aq=true"]), "", "of two containers one was removed by --rm=true");
    // The last of several values counts.
    assert_eq!(
        t.ok(&[
            "run", "--rm", "--rm", "--name", "one", "--name", "two", "-h", "a", "-h", "b", "busybox",
            "hostname"
        ]),
        "b"
    );
    // A word after the image belongs to the program.
    assert_eq!(t.ok(&["run", "--rm=true", "busybox", "echo", "--rm=maybe"]), "--rm=maybe");
}

#[test]
fn values_with_commas_are_quoted_as_in_csv() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("with,comma/file", "seen");
    let source = format!("type=bind,\"src={}\",dst=/x,readonly=T", t.path("with,comma").display());
    assert_eq!(t.ok(&["run", "--rm", "--mount", &source, "busybox", "cat", "/x/file"]), "seen");
    let refused = t.hull(&["run", "--rm", "--mount", "type=bind,src=\"/a,b\",dst=/x", "busybox", "true"]);
    assert!(refused.fails(125).contains("quote the whole field"), "{refused}");
}

#[test]
fn load_names_what_it_loaded() {
    let Some(t) = Scenario::with_busybox() else { return };
    let archive = t.path("image.tar");
    let archive = archive.to_str().unwrap();
    t.ok(&["tag", "busybox", "named:1"]);
    t.ok(&["save", "-o", archive, "named:1"]);
    t.ok(&["rmi", "named:1"]);
    assert_eq!(t.ok(&["load", "-q", "-i", archive]), "Loaded image: named:1");
}

#[test]
fn the_command_line_of_hull_oci_has_the_same_style() {
    let mut command = std::process::Command::new(hull_test_support::program::hull_oci());
    let outcome = run(command.args(["run", "--nonsense"]));
    assert!(outcome.fails(1).starts_with("hull-oci: unknown flag: --nonsense\nhint: "), "{outcome}");
}
