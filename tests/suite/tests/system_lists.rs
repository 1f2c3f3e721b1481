//! LXD's list of containers, `top` without a name, and networks in LXD's words.

use hull_test_support::Scenario;
use hull_test_support::terminal::Terminal;
use serde_json::Value;

#[test]
fn the_list_has_lxds_columns_filters_and_formats() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "web1", "busybox", "sleep", "1000"]);
    t.ok(&["run", "-d", "--rm", "--name", "web2", "--network", "none", "busybox", "sleep", "1000"]);
    t.ok(&["create", "--name", "db", "--network", "none", "busybox", "sleep", "1000"]);
    t.ok(&["pause", "web2"]);
    assert_eq!(
        t.ok(&["list", "-c", "nstS", "--format", "csv"]),
        "db,STOPPED,CONTAINER,0\nweb1,RUNNING,CONTAINER,0\nweb2,FROZEN,CONTAINER (EPHEMERAL),0"
    );
    let address = t.inspect("web1", "{{.NetworkSettings.IPAddress}}");
    let pid = t.inspect("web1", "{{.State.Pid}}");
    let line = t.ok(&["list", "-c", "n4p", "--format=csv", "status=running"]);
    assert_eq!(line, format!("web1,{address} (eth0),{pid}"));
    let names = |filters: &[&str]| t.ok(&[&["list", "-c", "n", "--format", "csv"], filters].concat());
    assert_eq!(names(&["web"]), "web1\nweb2", "the beginning of a name");
    assert_eq!(names(&[".*[b2]"]), "db\nweb2", "an expression of the whole name");
    assert_eq!(names(&["status=running,frozen", "^web.$"]), "web1\nweb2");
    assert_eq!(names(&[&format!("ipv4={address}/32")]), "web1");
    assert_eq!(names(&["user.nothing=x"]), "");
    let list: Vec<Value> = serde_json::from_str(&t.ok(&["list", "--fast", "--format", "json"])).unwrap();
    assert_eq!(list[1]["state"]["network"]["eth0"]["addresses"][0]["address"], address.as_str());
    assert_eq!((&list[0]["status"], &list[0]["status_code"]), (&"Stopped".into(), &102.into()));
    assert!(t.ok(&["list", "--fast", "--format", "yaml"]).contains("name: db\n"));
    let table = t.ok(&["list", "-c", "ns", "db"]);
    let expected =
        "+------+---------+\n| NAME |  STATE  |\n+------+---------+\n| db   | STOPPED |\n+------+---------+";
    assert_eq!(table, expected);
    // The columns of what a container uses.
    let used = t.ok(&["list", "-c", "mNu", "--format", "csv", "web1"]);
    assert!(used.contains("iB,1,") && used.ends_with('s'), "{used}");
    t.hull(&["list", "-c", "x"]).fails(1);
    t.hull(&["ps", "web"]).fails(1);
    t.ok(&["rm", "-f", "web1", "web2", "db"]);
}

#[test]
fn top_without_a_name_shows_what_all_containers_use() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "busy", "--network", "none", "busybox", "sh", "-c", "while :; do :; done"]);
    t.ok(&["run", "-d", "--name", "idle", "--network", "none", "busybox", "sleep", "1000"]);
    let first = |sort: &str| {
        let text = t.ok(&["top", "--no-stream", "--sort", sort]);
        assert!(text.lines().last().unwrap().starts_with("TOTAL 2 of 2"), "{text}");
        text.lines().nth(1).unwrap().to_owned()
    };
    let busiest = first("cpu");
    assert!(busiest.starts_with("busy"), "{busiest}");
    let share: f64 = busiest.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert!(share > 5.0, "{busiest}");
    assert!(first("name").starts_with("busy"));
    t.ok(&["rm", "-f", "busy", "idle"]);
}

#[test]
fn a_network_is_shown_and_changed_in_lxds_words() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["network", "create", "--subnet", "10.91.0.0/24", "lab"]);
    let shown = t.ok(&["network", "show", "lab"]);
    for line in [
        "config:",
        "  ipv4.address: 10.91.0.1/24",
        "  ipv4.nat: \"true\"",
        "  ipv6.address: none",
        "name: lab",
    ] {
        assert!(shown.lines().any(|one| one == line), "{line} in {shown}");
    }
    t.ok(&["network", "set", "lab", "ipv4.address=10.92.0.1/24", "ipv4.nat=false", "user.note=mine"]);
    t.ok(&["network", "set", "lab", "bridge.mtu", "1400"]);
    assert_eq!(t.ok(&["network", "get", "lab", "ipv4.address"]), "10.92.0.1/24");
    assert_eq!(t.ok(&["network", "get", "lab", "user.note"]), "mine");
    t.ok(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]);
    t.ok(&["network", "attach", "lab", "box"]);
    assert_eq!(t.ok(&["device", "get", "box", "lab", "network"]), "lab");
    assert!(t.ok(&["exec", "box", "ip", "addr", "show", "lab"]).contains("10.92.0."));
    t.ok(&["network", "detach", "lab", "box"]);
    assert_eq!(t.ok(&["device", "list", "box"]), "");
    t.ok(&["rm", "-f", "box"]);
    t.ok(&["create", "--name", "box", "--network", "lab", "--ip", "10.92.0.9", "busybox", "sleep", "1000"]);
    t.ok(&["start", "box"]);
    assert!(t.ok(&["exec", "box", "ip", "addr", "show", "eth0"]).contains("mtu 1400"));
    let leases = t.ok(&["network", "list-leases", "lab", "--format", "csv"]);
    assert!(leases.starts_with("box,") && leases.contains(",10.92.0.9,STATIC"), "{leases}");
    assert!(leases.contains("lab.gw,,10.92.0.1,GATEWAY"), "{leases}");
    // A change that a running container would notice is refused.
    assert!(t.hull(&["network", "set", "lab", "ipv4.nat=true"]).fails(1).contains("in use"));
    t.ok(&["network", "unset", "lab", "user.note"]);
    t.ok(&["network", "create", "--subnet", "10.93.0.0/24", "other"]);
    t.ok(&["network", "attach", "other", "box", "lan", "lan0"]);
    assert_eq!(t.ok(&["device", "list", "box"]), "lan");
    assert!(t.ok(&["exec", "box", "ip", "addr", "show", "lan0"]).contains("10.93.0."));
    t.hull(&["network", "detach", "other", "box", "eth7"]).fails(1);
    t.ok(&["network", "detach", "other", "box", "lan"]);
    assert!(!t.hull(&["exec", "box", "ip", "addr", "show", "lan0"]).success());
    // `detach` ends docker's connections, too.
    t.ok(&["network", "connect", "other", "box"]);
    t.ok(&["network", "detach", "other", "box"]);
    assert!(!t.inspect("box", "{{json .NetworkSettings.Networks}}").contains("other"));
    t.ok(&["rm", "-f", "box"]);
    let document = t.ok(&["network", "show", "lab"]).replace("10.92.0.1/24", "10.94.0.1/24");
    t.hull_with_input(&["network", "edit", "lab"], document.as_bytes()).ok();
    assert_eq!(t.ok(&["network", "get", "lab", "ipv4.address"]), "10.94.0.1/24");
    for wrong in
        ["ipv4.address=10.93.0.1/24", "ipv4.address=none", "ipv4.dhcp=true", "ipv4.adress=x", "bridge.mtu=1"]
    {
        t.hull(&["network", "set", "lab", wrong]).fails(1);
    }
    t.hull(&["network", "set", "bridge", "bridge.mtu=1400"]).fails(1);
    assert_eq!(
        t.ok(&["network", "get", "lab", "ipv4.address"]),
        "10.94.0.1/24",
        "a refused change changes nothing"
    );
    t.ok(&["network", "rm", "lab", "other"]);
}

#[test]
fn a_key_that_an_edited_network_lacks_is_unset_or_refused() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["network", "create", "--subnet", "10.91.0.0/24", "lab"]);
    t.ok(&["network", "set", "lab", "bridge.mtu=1400", "user.note=mine", "ipv4.nat=false"]);
    let get = |key: &str| t.ok(&["network", "get", "lab", key]);
    let edit = |document: &str| t.hull_with_input(&["network", "edit", "lab"], document.as_bytes());
    let shown = t.ok(&["network", "show", "lab"]);
    let without = |key: &str| -> String {
        shown.lines().filter(|line| !line.contains(key)).map(|line| format!("{line}\n")).collect()
    };
    let said = edit(&without("ipv4.address")).fails(1).to_owned();
    assert!(said.contains("keeps its addresses"), "{said}");
    let said = edit(&shown.replace("ipv4.nat: \"false\"", "ipv4.nat: \"true\"\n  ipv6.nat: \"false\""))
        .fails(1)
        .to_owned();
    assert!(said.contains("cannot differ"), "{said}");
    assert!(edit("# nothing\n").fails(1).contains("empty"));
    assert_eq!([get("bridge.mtu"), get("ipv4.nat"), get("user.note")], ["1400", "false", "mine"]);
    edit(&without("bridge.mtu").replace("description: \"\"", "description: ours")).ok();
    assert!(t.ok(&["network", "show", "lab"]).contains("description: ours"));
    assert_eq!([get("bridge.mtu"), get("user.note")], ["", "mine"]);
    edit(&without("user.note")).ok();
    assert_eq!([get("bridge.mtu"), get("user.note")], ["1400", ""]);
    t.ok(&["network", "unset", "lab", "bridge.mtu"]);
    assert_eq!(get("bridge.mtu"), "");
    t.ok(&["network", "rm", "lab"]);
}

#[test]
fn an_edit_that_is_refused_and_given_up_is_an_error() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["network", "create", "--subnet", "10.91.0.0/24", "lab"]);
    t.ok(&["profile", "create", "made"]);
    t.ok(&["create", "--name", "box", "--network", "none", "busybox", "true"]);
    let editor = t.write("editor", "#!/bin/sh\ngrep -q nonsense \"$1\" || echo 'nonsense: 1' >> \"$1\"\n");
    std::fs::set_permissions(&editor, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for words in [
        &["network", "edit", "lab"][..],
        &["profile", "edit", "made"],
        &["container", "config", "edit", "box"],
        &["storage", "edit", "default"],
        &["image", "edit", "busybox"],
    ] {
        let mut command = t.command(words);
        command.env("VISUAL", &editor);
        let mut terminal = Terminal::start(&command);
        terminal.expect("nonsense");
        terminal.expect("Press enter");
        terminal.send("\n");
        terminal.expect("nothing was changed");
        assert_eq!(terminal.wait(), 1, "{words:?}");
        command.env("VISUAL", "true");
        assert_eq!(Terminal::start(&command).wait(), 0, "{words:?}: an unchanged document is no error");
    }
    t.ok(&["network", "rm", "lab"]);
}
