//! The information that hull prints about its containers, its images and itself, for people and for programs.

use hull_test_support::Scenario;
use serde_json::Value;

#[track_caller]
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn inspect_prints_dockers_layout() {
    let Some(t) = Scenario::with_busybox() else { return };
    let args = [
        "run",
        "-d",
        "--name",
        "box",
        "-e",
        "A=b",
        "-l",
        "k=v",
        "-v",
        "vol:/data",
        "-w",
        "/tmp",
        "-h",
        "there",
    ];
    t.ok(&[&args[..], &["busybox", "sleep", "300"]].concat());
    let all = json(&t.ok(&["inspect", "box"]));
    let c = &all.as_array().unwrap()[0];
    assert_eq!(c["Name"], "/box");
    assert_eq!(c["Path"], "sleep");
    assert_eq!(c["Args"], serde_json::json!(["300"]));
    assert_eq!(c["State"]["Status"], "running");
    assert!(c["State"]["Pid"].as_u64().unwrap() > 1);
    assert_eq!(c["Config"]["Hostname"], "there");
    assert_eq!(c["Config"]["WorkingDir"], "/tmp");
    assert_eq!(c["Config"]["Labels"]["k"], "v");
    assert_eq!(c["Config"]["Image"], "busybox");
    assert!(c["Config"]["Env"].as_array().unwrap().contains(&"A=b".into()));
    assert!(c["Image"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(c["HostConfig"]["NetworkMode"], "bridge");
    assert_eq!(c["HostConfig"]["RestartPolicy"]["Name"], "no");
    let mount = &c["Mounts"][0];
    assert_eq!(
        (&mount["Type"], &mount["Name"], &mount["Destination"]),
        (&"volume".into(), &"vol".into(), &"/data".into())
    );
    for time in [&c["Created"], &c["State"]["StartedAt"]] {
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    }
}

#[test]
fn templates_cover_dockers_documented_examples() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "-l", "a=b", "-v", "vol:/data", "busybox", "sleep", "300"]);
    let f = |template: &str| t.inspect("box", template);
    assert_eq!(f("{{.State.Running}}"), "true");
    assert_eq!(f("{{json .Config.Labels}}"), r#"{"a":"b"}"#);
    assert_eq!(f("{{index .Config.Labels \"a\"}}"), "b");
    assert_eq!(f("{{range .Mounts}}{{.Destination}} {{end}}"), "/data ");
    assert_eq!(f("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}{{end}}"), "a=b");
    assert_eq!(f("{{if .State.Running}}up{{else}}down{{end}}"), "up");
    assert_eq!(f("{{len .Mounts}}"), "1");
    assert_eq!(f("{{join .Config.Cmd \",\"}}"), "sleep,300");
    assert_eq!(f("{{upper .State.Status}} {{.Name | printf \"%s!\"}}"), "RUNNING /box!");
    assert_eq!(f("{{with .State}}{{.ExitCode}}{{end}}"), "0");
    assert_eq!(f("{{if and (eq .State.Status \"running\") (not .State.Paused)}}yes{{end}}"), "yes");
}

#[test]
fn a_template_that_is_not_supported_is_pointed_at() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["create", "--name", "box", "busybox"]);
    // docker's exit codes: 64 if the template cannot be read, 1 if the container has no such field.
    for (template, part, code) in [
        ("{{nonsense .Name}}", "nonsense", 64),
        ("{{.Name", "{{", 64),
        ("{{.NoSuchField}}", "NoSuchField", 1),
    ] {
        let outcome = t.hull(&["inspect", "-f", template, "box"]);
        assert!(outcome.fails(code).contains(part), "{outcome}");
    }
}

#[test]
fn format_json_is_json_everywhere() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    let ps = json(t.ok(&["ps", "--format", "json"]).lines().next().unwrap());
    assert_eq!((&ps["Names"], &ps["State"]), (&"box".into(), &"running".into()));
    let images = json(t.ok(&["images", "--format", "json"]).lines().next().unwrap());
    assert_eq!((&images["Repository"], &images["Tag"]), (&"busybox".into(), &"latest".into()));
    assert!(json(&t.ok(&["inspect", "--format", "json", "box"])).to_string().contains("\"/box\""));
    assert_eq!(json(&t.ok(&["info", "--format", "json"]))["ContainersRunning"], 1);
    assert!(json(&t.ok(&["version", "--format", "json"])).is_object());
    assert!(json(&t.ok(&["image", "inspect", "busybox"]))[0]["RootFS"]["Layers"].is_array());
}

#[test]
fn info_tells_what_this_machine_has() {
    let Some(t) = Scenario::with_busybox() else { return };
    let info = json(&t.ok(&["info", "--format", "{{json .}}"]));
    assert_eq!(info["Images"], 1);
    assert_eq!(info["DockerRootDir"], t.data_root().to_str().unwrap());
    assert!(info["NCPU"].as_u64().unwrap() > 0 && info["MemTotal"].as_u64().unwrap() > 0);
    for key in ["CgroupVersion", "KernelVersion", "OperatingSystem", "Architecture", "ServerVersion"] {
        assert!(info[key].is_string(), "{key}: {info}");
    }
    assert!(t.ok(&["version"]).contains("Version"));
    assert!(t.ok(&["--version"]).starts_with("hull "));
}

#[test]
fn completions_are_written_for_the_usual_shells() {
    let Some(t) = Scenario::start() else { return };
    for shell in ["bash", "zsh", "fish"] {
        assert!(t.ok(&["completion", shell]).contains("hull"), "{shell}");
    }
}

#[test]
fn a_man_page_is_written_for_every_verb() {
    let Some(t) = Scenario::start() else { return };
    let pages = t.path("man");
    t.ok(&["man", pages.to_str().unwrap()]);
    let page = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap_or_default();
    assert!(page("hull.1").contains("SYNOPSIS"));
    assert!(page("hull-run.1").contains("memory") && page("hull-volume-ls.1").contains("quiet"));
}

#[test]
fn results_go_to_stdout_and_the_rest_to_stderr() {
    let Some(t) = Scenario::with_busybox() else { return };
    let outcome = t.hull(&["inspect", "nobody"]);
    assert_eq!(outcome.stdout.trim(), "[]", "{outcome}");
    assert!(!outcome.stderr.contains('\x1b'), "no colour off a terminal");
    let quiet = t.hull(&["run", "-d", "-q", "busybox", "true"]);
    assert_eq!((quiet.stdout.trim().len(), quiet.stderr.as_str()), (64, ""));
}
