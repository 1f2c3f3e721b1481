use serde_json::{Value, json};

use super::*;
use crate::security::labels;

fn minimal() -> Value {
    json!({
        "ociVersion": "1.0.2",
        "process": {"args": ["sh"], "cwd": "/", "user": {"uid": 0, "gid": 0}},
        "root": {"path": "rootfs"},
        "linux": {"namespaces": [{"type": "mount"}, {"type": "uts"}]}
    })
}

fn outcome(pointer: &str, value: Value) -> Result<Spec> {
    let mut spec = minimal();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = spec.pointer_mut(parent).unwrap();
    parent.as_object_mut().unwrap().insert(name.into(), value);
    parse(&serde_json::to_vec(&spec).unwrap())
}

#[test]
fn what_cannot_be_applied_is_named() {
    for (pointer, value, named) in [
        ("/hooks", json!({"prestart": [{"path": "bin/true"}]}), "hooks.prestart"),
        ("/hooks", json!({"poststop": [{"path": "/bin/true", "timeout": 0}]}), "hooks.poststop"),
        ("/linux/mountLabel", json!("system_u:x"), "linux.mountLabel"),
        ("/process/scheduler", json!({"policy": "SCHED_X"}), "process.scheduler.policy"),
        ("/process/scheduler", json!({"policy": "SCHED_RR", "flags": ["X"]}), "process.scheduler.flags"),
        (
            "/process/ioPriority",
            json!({"class": "IOPRIO_CLASS_BE", "priority": 9}),
            "process.ioPriority.priority",
        ),
        ("/process/execCPUAffinity", json!({"initial": "2-1"}), "process.execCPUAffinity"),
        ("/linux/personality", json!({"domain": "BSD"}), "linux.personality.domain"),
        ("/linux/memoryPolicy", json!({"mode": "MPOL_X"}), "linux.memoryPolicy.mode"),
        ("/linux/uidMappings", json!([{"containerID": 0, "hostID": 1, "size": 1}]), "linux.uidMappings"),
        ("/linux/rootfsPropagation", json!("everywhere"), "rootfsPropagation"),
        ("/linux/namespaces", json!([{"type": "mount"}, {"type": "user"}]), "uidMappings"),
        ("/linux/timeOffsets", json!({"monotonic": {"secs": 1}}), "time namespace"),
        ("/linux/intelRdt", json!({"closID": "x"}), "linux.intelRdt"),
        ("/linux/sysctl", json!({"vm.swappiness": "1"}), "whole machine"),
        ("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"}), "Network"),
        ("/linux/cgroupsPath", json!("/a/../../b"), "cgroupsPath"),
        ("/linux/cgroupsPath", json!("/"), "cgroupsPath"),
        ("/ociVersion", json!("2.0.0"), "ociVersion"),
        ("/process/args", json!([]), "process.args"),
        ("/process/cwd", json!("tmp"), "process.cwd"),
        ("/root", json!({"path": ""}), "root.path"),
    ] {
        let error = outcome(pointer, value).unwrap_err().to_string();
        assert!(error.contains(named), "{pointer}: {error}");
    }
}

#[test]
fn a_label_without_its_security_module_is_refused() {
    for (name, value, has_module) in [
        ("apparmorProfile", "docker-default", labels::has_apparmor()),
        ("selinuxLabel", "system_u:x", labels::has_selinux()),
    ] {
        match outcome(&format!("/process/{name}"), json!(value)) {
            Ok(_) => assert!(has_module, "{name} is not refused"),
            Err(error) => assert!(!has_module && error.to_string().contains(name), "{error}"),
        }
    }
}

#[test]
fn what_says_nothing_or_is_not_of_the_specification_is_no_error() {
    for (pointer, value) in [
        ("/hooks", json!({"prestart": []})),
        ("/linux/resources", json!({"blockIO": {"weight": 0}, "devices": null})),
        ("/process/capabilities", json!({"bounding": null})),
        ("/somethingElse", json!({"x": 1})),
        ("/linux/rootfsPropagation", json!("rslave")),
        ("/linux/rootfsPropagation", json!("shared")),
        ("/linux/resources", json!({"pids": {}})),
        ("/hostname", json!("box")),
        ("/linux/cgroupsPath", json!("/parent/child")),
    ] {
        outcome(pointer, value).unwrap();
    }
}

#[test]
fn mount_options_that_would_be_lost_are_refused() {
    let with = |kind: &str, option: &str| {
        outcome("/mounts", json!([{"destination": "/x", "type": kind, "source": "/y", "options": [option]}]))
    };
    assert!(with("bind", "idmap").unwrap_err().to_string().contains("idmap"));
    assert!(with("tmpfs", "idmap").unwrap_err().to_string().contains("idmap"));
    assert!(with("bind", "sync").is_err() && with("bind", "tmpcopyup").is_err());
    assert!(with("proc", "tmpcopyup").is_err() && with("tmpfs", "tmpcopyup").is_ok());
    assert!(with("bind", "ro").is_ok() && with("tmpfs", "size=1m").is_ok());
}

#[test]
fn text_that_is_no_json_is_an_error_that_says_where() {
    let error = parse(b"{\"ociVersion\": ").unwrap_err().to_string();
    assert!(error.contains("line 1"), "{error}");
}

#[test]
fn nothing_is_mounted_where_others_would_see_it() {
    let without = |namespaces: Value| outcome("/linux/namespaces", namespaces);
    assert!(without(json!([{"type": "pid"}])).is_ok());
    let mut spec = minimal();
    spec["linux"]["namespaces"] = json!([{"type": "mount", "path": "/proc/1/ns/mnt"}]);
    for (pointer, value) in [
        ("/mounts", json!([{"destination": "/x", "type": "tmpfs"}])),
        ("/linux/maskedPaths", json!(["/proc/kcore"])),
        ("/linux/devices", json!([{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}])),
    ] {
        let mut spec = spec.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        spec.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(name.into(), value);
        let error = parse(&serde_json::to_vec(&spec).unwrap()).unwrap_err().to_string();
        assert!(error.contains("mount namespace"), "{pointer}: {error}");
    }
}

/// By a path the host's own namespace can be asked for too, and a name or a sysctl in it would be the host's.
#[test]
fn nothing_is_set_in_a_namespace_of_the_hosts_that_is_joined() {
    let spec = |kind: &str, path: &str| -> Spec {
        serde_json::from_value(json!({
            "ociVersion": "1.3.0",
            "linux": {
                "namespaces": [{"type": kind, "path": path}],
                "sysctl": {"net.ipv4.ip_default_ttl": "77"},
            },
        }))
        .unwrap()
    };
    let error = check_sysctls(&spec("network", "/proc/self/ns/net")).unwrap_err().to_string();
    assert!(error.contains("Network"), "{error}");
    // Anybody else's will do, of which there is none here but what is not one at all.
    check_sysctls(&spec("network", "/proc/self/ns/uts")).unwrap();
}

#[test]
fn a_sysctl_belongs_to_a_namespace_or_to_the_machine() {
    for (name, kind) in [
        ("net.ipv4.ip_forward", Some(NamespaceKind::Network)),
        ("net/ipv4/conf/eth0/forwarding", Some(NamespaceKind::Network)),
        ("kernel.shmmax", Some(NamespaceKind::Ipc)),
        ("fs.mqueue.msg_max", Some(NamespaceKind::Ipc)),
        ("kernel.domainname", Some(NamespaceKind::Uts)),
        ("kernel.panic", None),
        ("vm.swappiness", None),
        ("net", None),
        ("net.", None),
        ("net...vm.swappiness", None),
        ("net/../vm/swappiness", None),
        ("", None),
    ] {
        assert_eq!(namespace_of_sysctl(name), kind, "{name:?}");
    }
}
