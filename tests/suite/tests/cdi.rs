//! `--device VENDOR/CLASS=NAME` and `--gpus`: devices that CDI specifications of the test describe.

use std::os::unix::fs::PermissionsExt;

use hull_test_support::outcome::eventually;
use hull_test_support::{Scenario, skip};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

const ETC: &str = "/etc/cdi";
const RUN: &str = "/run/cdi";

/// The two directories of specifications, visible in this test's mount namespace only.
struct Specifications {
    parents: Vec<&'static str>,
}

impl Specifications {
    fn new(t: &Scenario) -> Self {
        Self::at(t, &[("/etc", ETC), ("/run", RUN)])
    }

    fn at(t: &Scenario, directories: &[(&'static str, &str)]) -> Self {
        for (parent, directory) in directories {
            let layer = t.path(format!("layer{}", parent.replace('/', "-")));
            std::fs::create_dir(&layer).unwrap();
            mount(Some("tmpfs"), &layer, Some("tmpfs"), MsFlags::empty(), None::<&str>).expect("a tmpfs");
            let [upper, work] = ["upper", "work"].map(|name| layer.join(name));
            for directory in [&upper, &work] {
                std::fs::create_dir(directory).unwrap();
            }
            let options =
                format!("lowerdir={parent},upperdir={},workdir={}", upper.display(), work.display());
            mount(Some("overlay"), *parent, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
                .expect("overlayfs");
            umount2(&layer, MntFlags::MNT_DETACH).expect("it was mounted above");
            std::fs::create_dir_all(directory).unwrap();
        }
        Self { parents: directories.iter().map(|(parent, _)| *parent).collect() }
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    }
}

impl Drop for Specifications {
    fn drop(&mut self) {
        for parent in &self.parents {
            umount2(*parent, MntFlags::MNT_DETACH).expect("it was mounted above");
        }
    }
}

/// /dev/zero under a name of the vendor, a variable, a group, a mount, and a hook for each point that runs outside.
fn everything(t: &Scenario) -> String {
    let hook = |name: &str| {
        let output = t.path(name).display().to_string();
        format!(r#"{{"hookName": "{name}", "path": "/bin/sh", "args": ["sh", "-c", "cat >> {output}"]}}"#)
    };
    let hooks = ["prestart", "createRuntime", "poststart", "poststop"].map(hook).join(", ");
    let shared = t.write("shared", "from the host").display().to_string();
    format!(
        r#"{{"cdiVersion": "0.7.0", "kind": "vendor.com/class",
            "containerEdits": {{"env": ["ALL=1"]}},
            "devices": [{{"name": "zero", "containerEdits": {{
                "env": ["ONE=1", "PATH=/bin:/vendor"], "additionalGids": [77],
                "deviceNodes": [{{"path": "/dev/vendor0", "hostPath": "/dev/zero"}}],
                "mounts": [{{"hostPath": "{shared}", "containerPath": "/opt/vendor/file", "options": ["ro", "bind"]}}],
                "hooks": [{hooks}]}}}}]}}"#
    )
}

const LOOK: &str = "echo $ALL $ONE $PATH; ls -l /dev/vendor0 | cut -c1; head -c 3 /dev/vendor0 | wc -c; \
                    cat /opt/vendor/file; id -G";

const SEEN: &str = "1 1 /bin:/vendor\nc\n3\nfrom the host0 77";

#[test]
fn a_device_brings_all_of_its_edits() {
    let Some(t) = Scenario::with_busybox() else { return };
    let specifications = Specifications::new(&t);
    specifications.write("/etc/cdi/vendor.json", &everything(&t));
    let mut runtimes = vec!["hull".to_owned()];
    for other in ["runc", "crun"] {
        match skip::find_program(other) {
            Some(path) => runtimes.push(path.display().to_string()),
            None => skip::skip(&format!("{other} is not installed")),
        }
    }
    for runtime in &runtimes {
        let words =
            ["run", "--rm", "--network", "none", "--runtime", runtime, "--device", "vendor.com/class=zero"];
        let outcome = t.hull(&[&words[..], &["busybox", "sh", "-c", LOOK]].concat());
        assert_eq!(outcome.ok(), SEEN, "{runtime}");
        for name in ["prestart", "createRuntime", "poststart", "poststop"] {
            let file = t.path(name);
            // A poststart hook and the program run at the same time.
            eventually("the hook has run", || {
                std::fs::read_to_string(&file).is_ok_and(|text| text.contains("\"id\""))
            });
            std::fs::remove_file(&file).unwrap();
        }
    }
    t.ok(&[
        "create",
        "--name",
        "box",
        "--device",
        "vendor.com/class=zero",
        "--device",
        "/dev/null",
        "busybox",
    ]);
    let request = r#"[{"Driver":"cdi","Count":0,"DeviceIDs":["vendor.com/class=zero"],"Capabilities":null,"Options":null}]"#;
    assert_eq!(t.inspect("box", "{{json .HostConfig.DeviceRequests}}"), request);
    assert_eq!(t.inspect("box", "{{len .HostConfig.Devices}}"), "1");
    assert_eq!(t.ok(&["info", "-f", "{{json .CDISpecDirs}}"]), r#"["/etc/cdi","/var/run/cdi"]"#);
    assert!(t.ok(&["info", "-f", "{{json .DiscoveredDevices}}"]).contains("vendor.com/class=zero"));
}

/// A specification in YAML, in the form that vendors' tools write.
fn in_yaml(t: &Scenario) -> String {
    let shared = t.write("shared", "from the host").display().to_string();
    let output = t.path("hook").display().to_string();
    format!(
        r#"---
cdiVersion: 0.5.0
containerEdits:
  env:
  - ALL=1
  - VENDOR_VISIBLE_DEVICES=void
  hooks:
  - args:
    - sh
    - -c
    - 'cat >> {output}'
    hookName: createRuntime
    path: /bin/sh
devices:
- containerEdits:
    deviceNodes:
    - hostPath: /dev/zero
      path: /dev/vendor0
      permissions: rw
      fileMode: 0640
    mounts:
    - containerPath: /opt/vendor/file
      hostPath: {shared}
      options:
      - ro
      - nosuid
      - nodev
      - bind
  name: "0"
- containerEdits: &none
    env: [OTHER=1]
  name: all
- containerEdits: *none
  name: GPU-5f2c
kind: vendor.com/gpu
"#
    )
}

#[test]
fn a_specification_may_be_yaml() {
    let Some(t) = Scenario::with_busybox() else { return };
    let specifications = Specifications::new(&t);
    specifications.write("/etc/cdi/vendor.yaml", &in_yaml(&t));
    let run = |name: &str, script: &str| {
        let device = format!("vendor.com/gpu={name}");
        t.hull(&["run", "--rm", "--network", "none", "--device", &device, "busybox", "sh", "-c", script])
    };
    let look = "echo $ALL $VENDOR_VISIBLE_DEVICES; stat -c %a /dev/vendor0; head -c 3 /dev/vendor0 | wc -c; \
                cat /opt/vendor/file; grep -c '/opt/vendor/file [a-z0-9]* ro,nosuid,nodev' /proc/mounts";
    assert_eq!(run("0", look).ok(), "1 void\n640\n3\nfrom the host1");
    let hook = std::fs::read_to_string(t.path("hook")).expect("the hook has run");
    assert!(hook.contains("\"id\""), "{hook}");
    assert_eq!(run("GPU-5f2c", "echo $OTHER; ls /dev/vendor0 2>&1 | wc -l").ok(), "1\n1");
    // The directories and their order are the same for both formats.
    let json = r#"{"cdiVersion": "0.5.0", "kind": "vendor.com/gpu",
                   "devices": [{"name": "all", "containerEdits": {"env": ["OTHER=2"]}}]}"#;
    specifications.write("/run/cdi/vendor.json", json);
    assert_eq!(run("all", "echo $OTHER").ok(), "2");
    std::fs::remove_file("/run/cdi/vendor.json").unwrap();
    specifications.write("/etc/cdi/vendor.json", json);
    assert!(run("all", "true").fails(125).contains("two files in /etc/cdi have a device vendor.com/gpu=all"));
    specifications.write("/etc/cdi/vendor.json", "{");
    // Neither the reference implementation nor docker looks at other extensions.
    specifications.write("/etc/cdi/other.yml", "damaged: [");
    assert_eq!(run("all", "echo $OTHER").ok(), "1");
}

#[test]
fn yaml_that_expands_without_end_or_is_not_to_be_trusted_is_not_used() {
    let Some(t) = Scenario::with_busybox() else { return };
    let specifications = Specifications::new(&t);
    let path = "/etc/cdi/vendor.yaml";
    let refused = || {
        let start = std::time::Instant::now();
        let outcome = t.hull(&["run", "--rm", "--device", "vendor.com/gpu=0", "busybox", "true"]);
        assert!(start.elapsed().as_secs() < 10, "{outcome}");
        outcome.fails(125).to_owned()
    };
    let laughs = (1..30).map(|level| {
        let aliases = vec![format!("*l{}", level - 1); 10].join(", ");
        format!("l{level}: &l{level} [{aliases}]\n")
    });
    specifications.write(path, &format!("l0: &l0 x\n{}", laughs.collect::<String>()));
    assert!(refused().contains("more than 100000 nodes"));
    specifications.write(path, &format!("{}kind: vendor.com/gpu\n", in_yaml(&t)));
    assert!(refused().contains("the key \"kind\" is there twice at line"));
    specifications.write(path, &in_yaml(&t));
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o666)).unwrap();
    assert!(refused().contains("everybody can write it"));
    assert_eq!(t.ok(&["ps", "-aq"]), "");
}

#[test]
fn the_second_directory_wins_and_a_name_of_two_files_is_nobodys() {
    let Some(t) = Scenario::with_busybox() else { return };
    let specifications = Specifications::new(&t);
    let one = |value: &str, devices: &[&str]| {
        let device =
            |name: &&str| format!(r#"{{"name": "{name}", "containerEdits": {{"env": ["FROM={value}"]}}}}"#);
        let devices = devices.iter().map(device).collect::<Vec<_>>().join(", ");
        format!(r#"{{"cdiVersion": "0.5.0", "kind": "vendor.com/class", "devices": [{devices}]}}"#)
    };
    specifications.write("/etc/cdi/a.json", &one("etc", &["low", "both", "twice"]));
    specifications.write("/etc/cdi/b.json", &one("etc2", &["twice"]));
    specifications.write("/run/cdi/a.json", &one("run", &["both"]));
    specifications.write("/run/cdi/damaged.json", "{");
    let run = |name: &str| {
        t.hull(&["run", "--rm", "--network", "none", "--device", name, "busybox", "sh", "-c", "echo $FROM"])
    };
    assert_eq!(run("vendor.com/class=low").ok(), "etc");
    assert_eq!(run("vendor.com/class=both").ok(), "run");
    assert!(
        run("vendor.com/class=twice").fails(125).contains("unresolvable CDI devices vendor.com/class=twice")
    );
    let missing = run("vendor.com/class=none");
    assert!(missing.fails(125).contains("unresolvable CDI devices vendor.com/class=none"), "{missing}");
    assert!(missing.stderr.contains("damaged.json"), "{missing}");
    assert_eq!(t.ok(&["ps", "-aq"]), "");
}

#[test]
fn a_specification_that_others_can_write_is_not_used() {
    let Some(t) = Scenario::with_busybox() else { return };
    let specifications = Specifications::new(&t);
    let path = "/etc/cdi/vendor.json";
    let text = r#"{"cdiVersion": "0.5.0", "kind": "v/c", "devices": [{"name": "d", "containerEdits": {"env": ["A=1"]}}]}"#;
    let run = || t.hull(&["run", "--rm", "--network", "none", "--device", "v/c=d", "busybox", "true"]);
    specifications.write(path, text);
    run().ok();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o666)).unwrap();
    assert!(run().fails(125).contains("everybody can write it"));
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    std::os::unix::fs::chown(path, Some(1000), None).unwrap();
    assert!(run().fails(125).contains("it belongs to user 1000"));
    std::fs::remove_file(path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    assert!(run().fails(125).contains("it is not a file"));
}

#[test]
fn gpus_are_devices_of_their_vendors_kind() {
    let Some(t) = Scenario::with_busybox() else { return };
    let specifications = Specifications::new(&t);
    let run = |gpus: &str| {
        t.hull(&[
            "run",
            "--rm",
            "--network",
            "none",
            "--gpus",
            gpus,
            "busybox",
            "sh",
            "-c",
            "echo $GPU0 $GPU1 $GPUall",
        ])
    };
    let refused = r#"could not select device driver "" with capabilities: [[gpu]]"#;
    assert!(run("all").fails(125).contains(refused));
    let device =
        |name: &str| format!(r#"{{"name": "{name}", "containerEdits": {{"env": ["GPU{name}={name}"]}}}}"#);
    let devices = ["0", "1", "all"].map(device).join(", ");
    specifications.write(
        "/run/cdi/nvidia.json",
        &format!(r#"{{"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [{devices}]}}"#),
    );
    assert_eq!(run("all").ok(), "all");
    assert_eq!(run("1").ok(), "0");
    assert_eq!(run("2").ok(), "0 1");
    assert_eq!(run("device=1").ok(), "1");
    assert!(run("3").fails(125).contains("unresolvable CDI devices nvidia.com/gpu=2"));
    assert!(run("driver=amd").fails(125).contains(r#"could not select device driver "amd""#));
    assert!(run("x").fails(125).contains("invalid count"));
}

#[test]
fn an_unprivileged_user_gets_a_device_that_the_user_can_open() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    // The user is in the scenario's own /etc/passwd.
    let specifications = Specifications::at(&t, &[("/run", RUN)]);
    let node = r#"{"deviceNodes": [{"path": "/dev/vendor0", "hostPath": "/dev/zero"}]}"#;
    specifications.write(
        "/run/cdi/vendor.json",
        &format!(r#"{{"cdiVersion": "0.5.0", "kind": "v/c", "devices": [{{"name": "d", "containerEdits": {node}}}]}}"#),
    );
    let words = ["run", "--rm", "--network", "none", "--device", "v/c=d", "busybox"];
    assert_eq!(t.ok(&[&words[..], &["sh", "-c", "head -c 3 /dev/vendor0 | wc -c"]].concat()), "3");
}
