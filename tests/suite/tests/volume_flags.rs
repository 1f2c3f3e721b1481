//! Options of single mounts: recursion of bind mounts, podman's `U` and `O`, labels, and options of a tmpfs.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;

use hull_test_support::Scenario;
use rustix::mount::{MountFlags, mount};

fn run<'a>(t: &Scenario, flags: &[&'a str], script: &'a str) -> hull_test_support::Outcome {
    t.hull(&[&["run", "--rm", "--network", "none"][..], flags, &["busybox", "sh", "-c", script]].concat())
}

fn owner(path: &Path) -> (u32, u32) {
    let stat = fs::symlink_metadata(path).unwrap();
    (stat.uid(), stat.gid())
}

#[test]
fn mounts_below_a_bind_mount_follow_bind_recursive() {
    let Some(t) = Scenario::with_busybox() else { return };
    let source = t.path("source");
    fs::create_dir_all(source.join("below")).unwrap();
    mount("tmpfs", source.join("below"), "tmpfs", MountFlags::empty(), None).unwrap();
    fs::write(source.join("below/there"), "").unwrap();
    let look = "ls /x/below | grep there; touch /x/t 2> /dev/null && echo top; touch /x/below/t 2> /dev/null && echo below";
    for (options, seen) in [
        ("", "there top below"),
        (",bind-recursive=enabled", "there top below"),
        (",bind-recursive=disabled", "top below"),
        (",bind-nonrecursive", "top below"),
        (",ro", "there"),
        (",ro,bind-recursive=writable", "there below"),
        (",ro,bind-recursive=readonly,bind-propagation=rprivate", "there"),
        (",ro,bind-recursive=disabled", ""),
    ] {
        let flag = format!("type=bind,src={},dst=/x{options}", source.display());
        let found = run(&t, &["--mount", &flag], &format!("{look}; true"));
        assert_eq!(found.ok().split_whitespace().collect::<Vec<_>>().join(" "), seen, "{options}");
    }
    for (options, why) in [
        ("bind-recursive=writable", "requires 'readonly'"),
        ("bind-recursive=readonly,bind-propagation=rprivate", "requires 'readonly'"),
        ("ro,bind-recursive=readonly", "requires 'bind-propagation=rprivate'"),
        ("bind-recursive=maybe", "must be \"enabled\""),
    ] {
        let flag = format!("type=bind,src={},dst=/x,{options}", source.display());
        let refused = run(&t, &["--mount", &flag], "true");
        assert!(refused.fails(125).contains(why), "{refused}");
    }
    rustix::mount::unmount(source.join("below"), rustix::mount::UnmountFlags::empty()).unwrap();
}

#[test]
fn u_gives_the_source_to_the_containers_user_and_follows_nothing() {
    let Some(t) = Scenario::with_busybox() else { return };
    let source = t.path("source");
    fs::create_dir_all(source.join("deep/er")).unwrap();
    fs::write(source.join("deep/er/file"), "").unwrap();
    fs::create_dir(t.path("other")).unwrap();
    fs::write(t.path("other/file"), "").unwrap();
    symlink(t.path("other"), source.join("link")).unwrap();
    symlink("/etc/passwd", source.join("file-link")).unwrap();
    let bind = format!("{}:/x:U", source.display());
    run(&t, &["-u", "1000:2000", "-v", &bind], "touch /x/mine").ok();
    for path in ["", "deep", "deep/er", "deep/er/file", "link", "file-link", "mine"] {
        assert_eq!(owner(&source.join(path)), (1000, 2000), "{path}");
    }
    assert_eq!((owner(&t.path("other")), owner(&t.path("other/file"))), ((0, 0), (0, 0)));
    assert_eq!(owner(Path::new("/etc/passwd")), (0, 0));
    // A user by name, and a volume. Together with O, the source keeps its owner.
    run(&t, &["-u", "worker", "-v", "data:/x:U"], "touch /x/mine").ok();
    assert_eq!(owner(&t.data_root().join("volumes/data/_data")).0, 1000);
    chown(&source, Some(0), Some(0)).unwrap();
    let both = format!("{}:/x:U,O", source.display());
    run(&t, &["-u", "1000", "-v", &both], "touch /x/gone && rm -r /x/deep").ok();
    assert_eq!(owner(&source), (0, 0));
    assert!(source.join("deep/er/file").exists() && !source.join("gone").exists());
    for system in ["/", "/etc", "/usr/lib", "/var/lib", "/etc/../etc"] {
        let refused = run(&t, &["-v", &format!("{system}:/x:U")], "true");
        assert!(refused.fails(125).contains("is the system's"), "{refused}");
    }
    let state = t.data_root();
    for part in [state.clone(), state.join("containers"), state.join("..")] {
        let refused = run(&t, &["-u", "1000", "-v", &format!("{}:/x:U", part.display())], "true");
        assert!(refused.fails(125).contains("where hull keeps its state"), "{refused}");
        assert_eq!(owner(&part), (0, 0), "{}", part.display());
    }
}

#[test]
fn o_lays_a_directory_of_the_container_over_the_source() {
    let Some(t) = Scenario::with_busybox() else { return };
    let source = t.path("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("old"), "old").unwrap();
    let bind = format!("{}:/x:O", source.display());
    t.ok(&[
        "run",
        "--name",
        "over",
        "--network",
        "none",
        "-v",
        &bind,
        "busybox",
        "sh",
        "-c",
        "ls /x; echo new > /x/new; echo changed > /x/old",
    ]);
    assert_eq!(fs::read_to_string(source.join("old")).unwrap(), "old");
    assert!(!source.join("new").exists());
    // The next run does not find the changes of this one, as in podman.
    assert_eq!(t.ok(&["start", "-a", "over"]), "old");
    let id = t.inspect("over", "{{.Id}}");
    assert!(t.data_root().join("containers").join(&id).join("overlays").exists());
    t.ok(&["rm", "over"]);
    assert!(!t.data_root().join("containers").join(&id).exists());
    fs::write(t.path("file"), "").unwrap();
    let refused = run(&t, &["-v", &format!("{}:/x:O", t.path("file").display())], "true");
    assert!(refused.fails(125).contains("not a directory"), "{refused}");
}

#[test]
fn labels_of_selinux_are_accepted_and_shown() {
    let Some(t) = Scenario::with_busybox() else { return };
    let bind = format!("{}:/x:ro,Z", t.path("").display());
    t.ok(&["create", "--name", "box", "--network", "none", "-v", &bind, "-v", "data:/y:z", "busybox"]);
    assert_eq!(t.inspect("box", "{{index .HostConfig.Binds 0}}"), bind.replace("/:/x", ":/x"));
    assert_eq!(t.inspect("box", "{{range .Mounts}}{{.Mode}} {{end}}"), "ro,Z z ");
    for wrong in ["/a:/b:z,Z", "/a:/b:ro,rw", "/a:/b:ro,ro"] {
        let refused = run(&t, &["-v", wrong], "true");
        assert!(refused.fails(125).contains("invalid mode"), "{refused}");
    }
}

#[test]
fn an_unprivileged_user_has_them_as_far_as_its_ids_go() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    run(&t, &["-v", "data:/x"], "touch /x/old").ok();
    run(&t, &["-u", "1000", "-v", "data:/x:U"], "touch /x/mine").ok();
    assert_eq!(run(&t, &["-v", "data:/x"], "stat -c %u /x/old /x/mine").ok(), "1000\n1000");
    run(&t, &["-v", "data:/x:O"], "rm /x/old && touch /x/new").ok();
    assert_eq!(run(&t, &["-v", "data:/x"], "ls /x").ok(), "mine\nold");
    let bind = "type=bind,src=/etc,dst=/x,ro,bind-recursive=writable";
    run(&t, &["--mount", bind], "test -e /x/passwd").ok();
}
