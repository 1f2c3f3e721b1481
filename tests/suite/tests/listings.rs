//! What the lists show: filters are docker's, sizes are measured, and text from other people never reaches a terminal as a
//! control sequence.

use hull_test_support::Scenario;
use hull_test_support::outcome::eventually;

/// Sets a terminal's title, clears the terminal, and changes the direction of writing.
const WILD: &str = "\u{1b}]0;pwned\u{7}\u{1b}[2J\u{9b}31m\u{202e}";

/// The characters of it that must not be printed.
fn is_obeyed(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}'
}

#[test]
fn no_listing_and_no_error_prints_what_a_terminal_obeys() {
    let Some(t) = Scenario::with_busybox() else { return };
    let label = format!("key={WILD}");
    t.ok(&[
        "run",
        "-d",
        "--name",
        "box",
        "-l",
        &label,
        "-e",
        &label,
        "busybox",
        "sh",
        "-c",
        &format!("sleep 300 # {WILD}"),
    ]);
    t.ok(&["commit", "-m", WILD, "-a", WILD, "-c", &format!("LABEL k=\"{WILD}\""), "box", "mine"]);
    t.ok(&["volume", "create", "--label", &label, "data"]);
    for words in [
        &["ps", "-a", "--no-trunc"][..],
        &["ps", "-a", "--format", "{{.Command}} {{.Labels}} {{.Label \"key\"}}"],
        &["ps", "-a", "--format", "table {{.Command}}\t{{.Labels}}"],
        &["ps", "-a", "--format", "json", "--no-trunc"],
        &["ps", "-a", "--format", "{{json .}}", "--no-trunc"],
        &["inspect", "box"],
        &["inspect", "-f", "{{.Config.Cmd}} {{json .Config}} {{index .Config.Labels \"key\"}}", "box"],
        &["inspect", "-f", "json", "box"],
        &["image", "inspect", "mine"],
        &["image", "inspect", "-f", "{{.Author}} {{.Config.Labels}}", "mine"],
        &["images", "--format", "json"],
        &["history", "--no-trunc", "mine"],
        &["history", "--no-trunc", "--format", "json", "mine"],
        &["history", "--no-trunc", "--format", "{{.Comment}} {{.CreatedBy}}", "mine"],
        &["image", "dockerfile", "mine"],
        &["image", "layers", "mine"],
        &["image", "tree", "mine"],
        &["volume", "ls", "--format", "{{.Labels}}"],
        &["volume", "inspect", "data"],
        &["top", "box"],
        &["top", "box", "-eo", "args"],
        &["exec", "box", WILD],
        &["inspect", WILD],
        &["run", "--rm", WILD],
        &["run", "--rm", "busybox", WILD],
        &["run", "--rm", "--name", WILD, "busybox"],
        &["run", "--rm", "--network", WILD, "busybox"],
        &["run", "--rm", "--mount", WILD, "busybox"],
        &["ps", "-f", WILD],
        &[WILD],
        &["ps", &format!("--{WILD}")],
        &["rm", WILD],
        &["network", "rm", WILD],
        &["volume", "rm", WILD],
        &["rmi", WILD],
        &["search", "--format", WILD, "--nonsense"],
    ] {
        let outcome = t.hull(words);
        assert!(
            !outcome.stdout.contains(is_obeyed) && !outcome.stderr.contains(is_obeyed),
            "{words:?}: {outcome:?}"
        );
    }
    // JSON escapes these characters, so their meaning is kept. `logs` and `attach` pass the container's own output on
    // unchanged.
    assert_eq!(t.inspect("box", "{{len (index .Config.Labels \"key\")}}"), WILD.len().to_string());
    let json: serde_json::Value = serde_json::from_str(&t.ok(&["inspect", "box"])).unwrap();
    assert_eq!(json[0]["Config"]["Labels"]["key"], WILD);
    assert_eq!(t.ok(&["run", "--name", "raw", "busybox", "printf", WILD]), WILD);
    assert_eq!(t.ok(&["logs", "raw"]), WILD);
    let shown = t.ok(&["ps", "--no-trunc", "--format", "{{.Command}}"]);
    assert!(shown.starts_with('"') && shown.contains("\\x1b]0;pwned\\x07"), "{shown}");
}

#[test]
fn filters_of_containers_are_dockers() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["volume", "create", "data"]);
    let id = t.ok(&[
        "run",
        "-d",
        "--name",
        "web",
        "-v",
        "data:/srv",
        "-p",
        "8080:80",
        "--expose",
        "90/udp",
        "-l",
        "a=1",
        "busybox",
        "sleep",
        "300",
    ]);
    t.ok(&["commit", "web", "child"]);
    t.ok(&["tag", "busybox", "moves:1"]);
    t.ok(&["create", "--name", "web-old", "--network", "none", "moves:1"]);
    t.ok(&["create", "--name", "young", "--network", "none", "child"]);
    t.hull(&["run", "--name", "failed", "--network", "none", "busybox", "false"]);
    let names = |filters: &[&str]| {
        let flags: Vec<&str> = filters.iter().flat_map(|filter| ["-f", filter]).collect();
        let mut names: Vec<String> = t
            .ok(&[&["ps", "-a", "--format", "{{.Names}}"][..], &flags].concat())
            .lines()
            .map(str::to_owned)
            .collect();
        names.sort_unstable();
        names.join(" ")
    };
    for (filters, wanted) in [
        (&["name=web"][..], "web web-old"),
        (&["name=^web$"], "web"),
        (&["name=^/web$"], "web"),
        (&["name=/web"], "web web-old"),
        (&["name=^we.*d$"], "web-old"),
        (&["name=young", "name=failed"], "failed young"),
        (&[&format!("id={}", &id[..12])], "web"),
        (&[&format!("id=^{}", &id[..5])], "web"),
        (&[&format!("id={}$", &id[60..])], "web"),
        (&["ancestor=busybox"], "failed web web-old young"),
        (&["ancestor=busybox:latest"], "failed web web-old young"),
        (&["ancestor=docker.io/library/busybox"], "failed web web-old young"),
        (&["ancestor=child"], "young"),
        (&["ancestor=nothing"], ""),
        (&["volume=data"], "web"),
        (&["volume=/srv"], "web"),
        (&["volume=/sr"], ""),
        (&["publish=8080"], "web"),
        (&["publish=8000-8100/tcp"], "web"),
        (&["publish=80"], ""),
        (&["expose=80"], "web"),
        (&["expose=90/udp"], "web"),
        (&["expose=90"], ""),
        (&["health=none"], "failed web web-old young"),
        (&["health=healthy"], ""),
        (&["is-task=true"], ""),
        (&["is-task=0"], "failed web web-old young"),
        (&["exited=1"], "failed"),
        (&["exited=0"], ""),
        (&["status=created"], "web-old young"),
        (&["status=created", "status=running"], "web web-old young"),
        (&["since=web-old"], "failed young"),
        (&["before=/web-old"], "web"),
        (&["network=bridge"], "web"),
        (&["network=none", "status=exited"], "failed"),
        (&["label=a"], "web young"),
        (&["label=a=2"], ""),
    ] {
        assert_eq!(names(filters), wanted, "{filters:?}");
    }
    let image = t.ok(&["image", "inspect", "-f", "{{.Id}}", "child"]);
    assert_eq!(names(&[&format!("ancestor={image}")]), "young");
    assert_eq!(names(&[&format!("ancestor={}", &image[7..19])]), "young");
    // A name means the image that it points to at this moment.
    assert_eq!(names(&["ancestor=moves:1"]), "failed web web-old young");
    t.ok(&["tag", "child", "moves:1"]);
    assert_eq!(names(&["ancestor=moves:1"]), "young");
    for wrong in
        ["status=asleep", "health=ill", "exited=x", "publish=x", "is-task=x", "name=[", "since=nobody"]
    {
        t.hull(&["ps", "-f", wrong]).fails(1);
    }
}

#[test]
fn filters_of_volumes_and_networks_are_dockers() {
    let Some(t) = Scenario::with_busybox() else { return };
    for (name, label) in [("data", "a=1"), ("database", "a=2")] {
        t.ok(&["volume", "create", "--label", label, name]);
    }
    t.ok(&["create", "-v", "data:/x", "busybox"]);
    let volumes = |filter| t.ok(&["volume", "ls", "-q", "-f", filter]).replace('\n', " ");
    for (filter, wanted) in [
        ("name=data", "data database"),
        ("name=^data$", "data"),
        ("label=a=2", "database"),
        ("driver=local", "data database"),
        ("driver=nfs", ""),
        ("dangling=1", "database"),
        ("dangling=false", "data"),
    ] {
        assert_eq!(volumes(filter), wanted, "{filter}");
    }
    t.hull(&["volume", "ls", "-f", "dangling=maybe"]).fails(1);
    t.ok(&["network", "create", "back"]);
    let networks =
        |filter| t.ok(&["network", "ls", "--format", "{{.Name}}", "-f", filter]).replace('\n', " ");
    for (filter, wanted) in [
        ("type=custom", "back"),
        ("type=builtin", "bridge host none"),
        ("name=^bac", "back"),
        ("scope=local", "back bridge host none"),
        ("scope=swarm", ""),
        ("driver=null", "none"),
    ] {
        let mut found: Vec<_> = networks(filter).split(' ').map(str::to_owned).collect();
        found.sort_unstable();
        assert_eq!(found.join(" "), wanted, "{filter}");
    }
}

#[test]
fn a_size_that_is_asked_for_is_measured() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "--name", "box", "busybox", "dd", "if=/dev/zero", "of=/f", "bs=1000000", "count=5"]);
    let size = t.ok(&["ps", "-a", "--format", "{{.Size}}"]);
    assert!(
        size.starts_with("5MB (virtual ") || size.starts_with("5.") && size.contains("MB (virtual "),
        "{size}"
    );
    assert!(t.ok(&["ps", "-as"]).contains(&size));
    assert!(t.ok(&["ps", "-a", "--format", "json"]).contains("\"Size\":\"0B\""));
}

#[test]
fn a_container_between_two_runs_shows_how_the_last_one_ended() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "again", "--restart", "always", "busybox", "sh", "-c", "exit 7"]);
    eventually("a pause between two tries", || {
        t.ok(&["ps", "--format", "{{.Status}}"]).starts_with("Restarting (7) ")
    });
    t.ok(&["rm", "-f", "again"]);
}

#[test]
fn templates_know_gos_names() {
    let Some(t) = Scenario::with_busybox() else { return };
    let id =
        t.ok(&["run", "-d", "--name", "box", "--cpus", "1.5", "-p", "8080:80", "busybox", "sleep", "300"]);
    let image = t.ok(&["image", "inspect", "-f", "{{.Id}}", "busybox"]);
    t.ok(&["volume", "create", "data"]);
    for (words, template, wanted) in [
        (&["inspect", "box"][..], "{{.ID}} {{.Id}}", format!("{id} {id}")),
        (
            &["inspect", "box"],
            "{{.HostConfig.NanoCPUs}} {{.HostConfig.NanoCpus}}",
            "1500000000 1500000000".into(),
        ),
        (
            &["inspect", "box"],
            "{{.HostConfig.CPUShares}} {{.HostConfig.CPUPeriod}} {{.HostConfig.CPUQuota}}",
            "0 0 0".into(),
        ),
        (
            &["inspect", "box"],
            "{{.HostConfig.DNS}} {{.HostConfig.DNSSearch}} {{.HostConfig.DNSOptions}}",
            "[] [] []".into(),
        ),
        (
            &["inspect", "box"],
            "{{(index (index .HostConfig.PortBindings \"80/tcp\") 0).HostIP}}",
            String::new(),
        ),
        (
            &["inspect", "box"],
            "{{range .NetworkSettings.Ports}}{{range .}}{{.HostIP}}:{{.HostPort}}{{end}}{{end}}",
            "0.0.0.0:8080".into(),
        ),
        (
            &["inspect", "box"],
            "{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}",
            "running".into(),
        ),
        (&["image", "inspect", "busybox"], "{{.ID}}", image.clone()),
        (&["inspect", "--type", "image", "busybox"], "{{.ID}}", image),
        (&["network", "inspect", "bridge"], "{{len .ID}} {{.Name}}", "64 bridge".into()),
        (&["volume", "inspect", "data"], "{{.Name}} {{.Driver}}", "data local".into()),
        (
            &["version"],
            "{{.Client.APIVersion}} {{.Server.APIVersion}} {{.Server.Os}} {{.Server.Experimental}}",
            "1.51 1.51 linux false".into(),
        ),
        (
            &["info"],
            "{{.NCPU}} {{.DockerRootDir}}",
            format!("{} {}", t.ok(&["info", "-f", "{{.NCPU}}"]), t.data_root().display()),
        ),
        (&["system", "df"], "{{.Type}}", "Images\nContainers\nLocal Volumes\nBuild Cache".into()),
    ] {
        assert_eq!(t.ok(&[words, &["--format", template]].concat()), wanted, "{words:?} {template}");
    }
    // The keys of a map are data, so they are matched exactly.
    assert_eq!(t.inspect("box", "{{.Config.Labels.ID}}"), "<no value>");
    assert!(t.hull(&["inspect", "-f", "{{.Nonsense}}", "box"]).fails(1).contains("Nonsense"));
}
