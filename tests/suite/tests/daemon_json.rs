//! docker's `daemon.json`, and registries.conf of format 1, as other engines have left them on a machine.

mod fake_registry;

use std::os::unix::fs::PermissionsExt;

use fake_registry::{Content, tar};
use hull_test_support::{Outcome, Scenario, skip};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// `/etc/docker` of this test, visible in its own mount namespace only, until it is dropped.
struct Configured;

impl Configured {
    fn new(t: &Scenario, text: &str) -> Self {
        let (tmpfs, flags) = (Some("tmpfs"), MsFlags::empty());
        // The directory need not exist. It is made in a layer above /etc.
        let layer = t.path("etc");
        std::fs::create_dir(&layer).unwrap();
        mount(tmpfs, &layer, tmpfs, flags, None::<&str>).expect("a scenario has mounts of its own");
        let [upper, work] = ["upper", "work"].map(|name| layer.join(name));
        for directory in [&upper, &work] {
            std::fs::create_dir(directory).unwrap();
        }
        let options = format!("lowerdir=/etc,upperdir={},workdir={}", upper.display(), work.display());
        mount(Some("overlay"), "/etc", Some("overlay"), flags, Some(options.as_str())).expect("overlayfs");
        umount2(&layer, MntFlags::MNT_DETACH).expect("it was mounted above");
        std::fs::create_dir_all("/etc/docker").unwrap();
        mount(tmpfs, "/etc/docker", tmpfs, flags, None::<&str>).expect("the directory is there");
        let configured = Self;
        configured.set(text);
        configured
    }

    fn set(&self, text: &str) {
        std::fs::write("/etc/docker/daemon.json", text).unwrap();
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        for directory in ["/etc/docker", "/etc"] {
            umount2(directory, MntFlags::MNT_DETACH).expect("they were mounted one over the other");
        }
    }
}

fn runs(t: &Scenario, options: &[&str], script: &str) -> Outcome {
    t.hull(&[&["run", "--rm"], options, &["busybox", "sh", "-c", script]].concat())
}

#[test]
fn what_the_file_says_counts_where_no_flag_does() {
    let Some(t) = Scenario::with_busybox() else { return };
    let _configured = Configured::new(
        &t,
        r#"{ "dns": ["192.0.2.1"], "dns-search": ["example.org"], "dns-opts": ["ndots:3"],
             "default-ulimits": { "nofile": { "Name": "nofile", "Soft": 123, "Hard": 456 } },
             "default-shm-size": "8M", "init": true, "no-new-privileges": true,
             "log-driver": "json-file", "log-opts": { "max-size": "1m", "max-file": "3" },
             "bip": "10.231.0.1/24", "fixed-cidr": "10.231.0.128/25", "mtu": 1400,
             "default-address-pools": [{ "base": "10.232.0.0/16", "size": 24 }] }"#,
    );
    let resolv = runs(&t, &[], "cat /etc/resolv.conf");
    assert_eq!(resolv.ok(), "nameserver 192.0.2.1\nsearch example.org\noptions ndots:3");
    assert!(runs(&t, &["--dns", "192.0.2.2"], "cat /etc/resolv.conf").ok().contains("nameserver 192.0.2.2"));
    assert_eq!(runs(&t, &[], "ulimit -Sn; ulimit -Hn").ok(), "123\n456");
    assert_eq!(runs(&t, &["--ulimit", "nofile=77"], "ulimit -Sn").ok(), "77");
    assert_eq!(runs(&t, &[], "df -k /dev/shm | tail -1 | awk '{print $2}'").ok(), "8192");
    assert_eq!(runs(&t, &[], "grep NoNewPrivs /proc/self/status | cut -f2").ok(), "1");
    let flag = ["--security-opt", "no-new-privileges=false"];
    assert_eq!(runs(&t, &flag, "grep NoNewPrivs /proc/self/status | cut -f2").ok(), "0");
    assert_eq!(runs(&t, &[], "cat /proc/1/comm").ok(), "hull-init");
    assert_eq!(runs(&t, &["--init=false"], "cat /proc/1/comm").ok(), "cat");
    assert_eq!(runs(&t, &["--init"], "cat /proc/1/comm").ok(), "hull-init");
    let link = runs(&t, &[], "cat /sys/class/net/eth0/mtu; ip addr show eth0");
    assert!(link.ok().starts_with("1400") && link.stdout.contains("inet 10.231.0.1"), "{link}");
    t.ok(&["create", "--name", "box", "busybox", "true"]);
    let log = "{{.HostConfig.LogConfig.Type}} {{json .HostConfig.LogConfig.Config}}";
    let config = t.inspect("box", log);
    assert!(config.starts_with("json-file") && config.contains(r#""max-file":"3""#), "{config}");
    t.ok(&["rm", "box"]);
    t.ok(&["create", "--name", "box", "--log-driver", "none", "busybox", "true"]);
    assert_eq!(t.inspect("box", log), "none {}");
    t.ok(&["network", "create", "own"]);
    let subnet = t.ok(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "own"]);
    assert_eq!(subnet, "10.232.0.0/24");
    t.ok(&["rm", "box"]);
    t.ok(&["network", "rm", "own"]);
}

#[test]
fn what_is_ignored_is_said_once_and_what_is_wrong_each_time() {
    let Some(t) = Scenario::with_busybox() else { return };
    let configured = Configured::new(
        &t,
        r#"{ "data-root": "/srv/docker", "live-restore": true, "storage-driver": "overlay2",
             "log-opts": { "max-size": "1m", "compress": "true" } }"#,
    );
    let first = t.hull(&["ps"]);
    assert!(first.stderr.contains("daemon.json") && first.stderr.contains("data-root"), "{first}");
    assert!(first.stderr.contains("log-opts.compress") && !first.stderr.contains("max-size"), "{first}");
    assert!(!first.stderr.contains("live-restore") && !first.stderr.contains("storage-driver"), "{first}");
    assert_eq!(t.hull(&["ps"]).stderr, "");
    configured.set(r#"{ "data-root": "/srv/other" }"#);
    assert!(t.hull(&["ps"]).stderr.contains("data-root"), "another file is spoken of anew");
    for wrong in [r#"{ "dns": "#, r#"{ "dns": 5 }"#, r#"{ "dns": ["nobody"] }"#] {
        configured.set(wrong);
        let refused = runs(&t, &[], "true");
        let said = refused.fails(125);
        assert!(said.contains("/etc/docker/daemon.json") && said.contains("line 1 column"), "{refused}");
        // Existing objects can be inspected and removed.
        t.ok(&["ps", "-a"]);
    }
}

#[test]
fn runtimes_and_directories_of_device_specifications_are_the_files() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(runc) = skip::find_program("runc") else { return skip::skip("runc is not installed") };
    let log = t.path("own.log");
    let own = t.write(
        "own",
        format!("#!/bin/sh\necho \"$*\" >> {}\nexec {} \"$@\"\n", log.display(), runc.display()),
    );
    std::fs::set_permissions(&own, PermissionsExt::from_mode(0o755)).unwrap();
    let directory = t.path("devices");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(
        directory.join("vendor.yaml"),
        "cdiVersion: 0.5.0\nkind: v/c\ndevices:\n- name: d\n  containerEdits: {env: [DEVICE=1]}\n",
    )
    .unwrap();
    let both = format!(
        r#""runtimes": {{ "own": {{ "path": "{}", "runtimeArgs": ["--log-format", "json"] }},
                          "shim": {{ "runtimeType": "io.containerd.runc.v2" }} }},
           "cdi-spec-dirs": ["{}"]"#,
        own.display(),
        directory.display()
    );
    let configured = Configured::new(&t, &format!("{{ {both} }}"));
    let alone = ["--network", "none"];
    let with = |options: &[&str]| runs(&t, &[&alone[..], options].concat(), "echo $DEVICE");

    // The file names a runtime, which is used when a flag asks for it.
    with(&[]).ok();
    assert!(!log.exists(), "the built-in runtime is the default");
    with(&["--runtime", "own"]).ok();
    let calls = std::fs::read_to_string(&log).expect("the runtime of the file was called");
    assert!(
        calls.lines().all(|call| call.starts_with("--log-format json")) && calls.contains("create"),
        "{calls}"
    );
    with(&["--runtime", "shim"]).fails(125);

    // Its directories replace the usual ones.
    assert_eq!(with(&["--device", "v/c=d"]).ok(), "1");
    let directories = format!("[\"{}\"]", directory.display());
    assert_eq!(t.ok(&["info", "-f", "{{json .CDISpecDirs}}"]), directories);

    // A default applies to containers that are made later, and a flag overrides it.
    std::fs::remove_file(&log).unwrap();
    configured.set(&format!(r#"{{ "default-runtime": "own", {both} }}"#));
    with(&[]).ok();
    assert!(std::fs::read_to_string(&log).is_ok_and(|calls| calls.contains("create")));
    assert_eq!(t.ok(&["info", "-f", "{{.DefaultRuntime}}"]), "own");
    std::fs::remove_file(&log).unwrap();
    with(&["--runtime", "hull"]).ok();
    assert!(!log.exists(), "--runtime hull is the built-in one");
    // docker's own default is not a request for another program.
    configured.set(&format!(r#"{{ "default-runtime": "runc", {both} }}"#));
    t.ok(&["create", "--name", "box", "busybox", "true"]);
    assert_eq!(t.ok(&["info", "-f", "{{.DefaultRuntime}}"]), "hull");
    configured.set(r#"{ "default-runtime": "missing" }"#);
    assert!(with(&[]).fails(125).contains("missing"));
    t.ok(&["rm", "box"]);
}

#[test]
fn an_invalid_bridge_address_is_an_error_only_where_networks_are_made() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    let _configured = Configured::new(&t, r#"{ "bip": "10.231.0.1" }"#);
    let refused = runs(&t, &[], "true");
    let said = refused.fails(125);
    assert!(
        said.contains("invalid bip in /etc/docker/daemon.json") && said.contains("ADDRESS/PREFIX"),
        "{refused}"
    );
    assert!(t.hull(&["network", "create", "own"]).fails(1).contains("invalid bip"));
    t.ok(&["ps"]);
    t.ok(&["stop", "-t", "0", "box"]);
    // The default network exists already, so the setting has no effect.
    t.ok(&["start", "box"]);
    t.ok(&["rm", "-f", "box"]);
}

#[test]
fn mirrors_and_registries_without_a_certificate_are_dockers() {
    let Some(t) = Scenario::start() else { return };
    let mut content = Content::default();
    content.image("1", &[tar(&[("x", b"x")])]);
    let server = content.serve(|_, _| None);
    let configured = Configured::new(&t, &format!(r#"{{ "registry-mirrors": ["http://{}"] }}"#, server.host));
    t.ok(&["pull", "-q", "docker.io/library/x:1"]);
    t.ok(&["rmi", "x:1"]);
    // podman's file of the first format: it says where a short name is looked up.
    configured.set("{}");
    let text = format!(
        "[registries.search]\nregistries = ['{0}']\n[registries.insecure]\nregistries = ['{0}']\n",
        server.host
    );
    let file = t.write("registries.conf", text);
    let mut pull = t.command(&["pull", "-q", "x:1"]);
    pull.env("CONTAINERS_REGISTRIES_CONF", file);
    assert!(hull_test_support::outcome::run(&mut pull).ok().contains(&server.host));
}
