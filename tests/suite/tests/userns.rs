//! `--userns` for root: a container's own ids, its own files, and the image's files on the disk.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use hull_test_support::Scenario;

/// Runs `run --rm` with options, and returns the output of a script.
#[track_caller]
fn sh(t: &Scenario, options: &[&str], script: &str) -> String {
    let mut args = vec!["run", "--rm", "--network", "none"];
    args.extend(options);
    args.extend(["busybox", "sh", "-c", script]);
    t.ok(&args)
}

/// The fields of the lines of `uid_map` or `gid_map`.
fn lines(map: &str) -> Vec<Vec<u32>> {
    map.lines().map(|line| line.split_whitespace().map(|word| word.parse().unwrap()).collect()).collect()
}

fn upper(t: &Scenario, name: &str) -> PathBuf {
    t.data_root().join("containers").join(t.inspect(name, "{{.Id}}")).join("upper")
}

/// The number of containers that hold ids.
fn leases(t: &Scenario) -> usize {
    let names = std::fs::read_dir(t.data_root().join("ids")).unwrap();
    names.filter(|name| name.as_ref().unwrap().file_name() != "lock").count()
}

#[test]
fn auto_gives_ids_of_its_own_and_files_have_the_images_ids_on_the_disk() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "--userns", "auto", "busybox", "sleep", "1000"]);
    let map = lines(&t.ok(&["exec", "box", "cat", "/proc/self/uid_map"]));
    assert!(matches!(&map[..], [line] if line[0] == 0 && line[1] > 65536 && line[2] == 65536), "{map:?}");
    assert_eq!(t.ok(&["exec", "box", "id", "-u"]), "0");
    // The files of the layer and hull's own files belong to root, and the host's files to nobody.
    assert_eq!(t.ok(&["exec", "box", "stat", "-c", "%u:%g", "/bin", "/etc/hosts", "/dev"]), "0:0\n0:0\n0:0");
    t.ok(&["exec", "box", "sh", "-c", "echo > /own; echo > /mine; chown 7:8 /mine; chmod 4755 /mine"]);
    assert_eq!(t.ok(&["exec", "box", "stat", "-c", "%u:%g %a", "/mine"]), "7:8 4755");
    let owner = |name: &str| {
        let found = upper(&t, "box").join(name).metadata().unwrap();
        (found.uid(), found.gid())
    };
    assert_eq!((owner("own"), owner("mine")), ((0, 0), (7, 8)));
    let pid = t.inspect("box", "{{.State.Pid}}");
    let status = std::fs::metadata(format!("/proc/{pid}")).unwrap();
    assert_eq!(status.uid(), map[0][1], "on the host it is nobody");
    t.ok(&["restart", "-t", "0", "box"]);
    assert_eq!(
        lines(&t.ok(&["exec", "box", "cat", "/proc/self/uid_map"])),
        map,
        "the ids are the container's"
    );
    assert_eq!(t.ok(&["exec", "box", "stat", "-c", "%u:%g", "/mine"]), "7:8");
    assert_eq!(leases(&t), 1);
    t.ok(&["rm", "-f", "box"]);
    assert_eq!(leases(&t), 0);
}

#[test]
fn mappings_are_the_users() {
    let Some(t) = Scenario::with_busybox() else { return };
    let maps = "cat /proc/self/uid_map; echo; cat /proc/self/gid_map";
    let both = |options: &[&str]| {
        let text = sh(&t, options, maps);
        let (users, groups) = text.split_once("\n\n").unwrap();
        (lines(users), lines(groups))
    };
    let (users, groups) = both(&["--uidmap", "0:100000:5000"]);
    assert_eq!((&users, &groups), (&vec![vec![0, 100000, 5000]], &vec![vec![0, 100000, 5000]]));
    let (users, groups) =
        both(&["--uidmap", "0:100000:5000", "--gidmap", "0:200000:10", "--gidmap", "10:300000"]);
    assert_eq!(users, [[0, 100000, 5000]]);
    assert_eq!(groups, [[0, 200000, 10], [10, 300000, 1]]);
    let (users, _) = both(&["--userns", "auto:size=5000,uidmapping=5:1000:2"]);
    assert_eq!(users.iter().map(|line| (line[0], line[2])).collect::<Vec<_>>(), [(0, 5), (7, 4993), (5, 2)]);
    for (options, reason) in [
        (&["--uidmap", "1:100000:5000"][..], "user 0 of the container has to be mapped"),
        (&["--uidmap", "0:1000:5", "--uidmap", "3:2000:5"], "mapped twice"),
        (&["--userns", "private"], "it needs --uidmap"),
        (&["--userns", "auto", "--uidmap", "0:1:1"], "chooses the ids itself"),
        (&["--userns", "host", "--uidmap", "0:1:1"], "user namespace of the container's own"),
        (&["--userns", "keep-id"], "an unprivileged user, and you are root"),
        (&["--userns", "nomap"], "an unprivileged user, and you are root"),
        (&["--subuidname", "nobody-of-this-name"], "/etc/subuid has no ids"),
        (&["--userns", "auto:size=70000", "-u", "70000"], "no such id"),
        (&["--userns", "somewhere"], "is no user namespace"),
    ] {
        let mut args = vec!["run", "--rm", "--network", "none"];
        args.extend(options);
        args.extend(["busybox", "true"]);
        let refused = t.hull(&args);
        let said = refused.fails(125);
        assert!(said.contains(reason), "{options:?}: {said}");
    }
    assert_eq!(leases(&t), 0, "a refused container has no ids");
}

/// Members of a tar with their owners, as `tar -tv --numeric-owner` shows them.
fn members(tar: &std::path::Path) -> String {
    let mut list = std::process::Command::new("tar");
    list.args(["-tv", "--numeric-owner", "-f"]).arg(tar);
    hull_test_support::outcome::run(&mut list).ok().to_owned()
}

#[test]
fn copies_have_the_owners_that_the_container_sees_running_or_stopped() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "--userns", "auto", "-v", "data:/data", "busybox", "sleep", "1000"]);
    t.ok(&[
        "exec",
        "box",
        "sh",
        "-c",
        "mkdir /d; echo text > /d/f; chown 7:8 /d/f; echo > /data/v; chown 5:6 /data/v",
    ]);
    let mine = t.write("mine/file", "from the host");
    std::os::unix::fs::chown(&mine, Some(3), Some(4)).unwrap();
    let owner = |path: PathBuf| {
        let found = path.metadata().unwrap();
        (found.uid(), found.gid())
    };
    for state in ["running", "stopped"] {
        let to = |name: &str| t.path(format!("{name}-{state}"));
        t.ok(&["cp", "-a", "box:/d", to("d").to_str().unwrap()]);
        assert_eq!(owner(to("d").join("f")), (7, 8), "{state}");
        t.ok(&["cp", "-a", "box:/data/v", to("v").to_str().unwrap()]);
        assert_eq!(owner(to("v")), (5, 6), "{state}");
        t.ok(&["cp", "box:/d", to("plain").to_str().unwrap()]);
        assert_eq!(owner(to("plain").join("f")), (0, 0), "{state}");
        let tar = to("export");
        t.ok(&["export", "-o", tar.to_str().unwrap(), "box"]);
        let list = members(&tar);
        assert!(list.lines().any(|line| line.contains(" 7/8 ") && line.ends_with(" d/f")), "{state}: {list}");
        let sources = t.path("mine");
        t.ok(&["cp", "-a", sources.to_str().unwrap(), &format!("box:/kept-{state}")]);
        t.ok(&["cp", sources.to_str().unwrap(), &format!("box:/plain-{state}")]);
        t.ok(&["cp", mine.to_str().unwrap(), &format!("box:/data/{state}")]);
        assert_eq!(owner(upper(&t, "box").join(format!("kept-{state}/file"))), (3, 4));
        assert_eq!(owner(upper(&t, "box").join(format!("plain-{state}/file"))), (0, 0));
        assert_eq!(owner(t.data_root().join("volumes/data/_data").join(state)), (0, 0));
        t.ok(&["stop", "-t", "0", "box"]);
    }
    t.ok(&["start", "box"]);
    let script = "stat -c %u:%g /kept-*/file /plain-*/file /data/running /data/stopped";
    assert_eq!(t.ok(&["exec", "box", "sh", "-c", script]), "3:4\n3:4\n0:0\n0:0\n0:0\n0:0");
    // No file has an id without a mapping.
    let unmapped = sh(&t, &["-v", "data:/data", "--userns", "auto"], "find /data -user 65534");
    assert_eq!(unmapped, "");
}

#[test]
fn commit_and_diff_are_as_without_a_user_namespace() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "mkdir /d; echo text > /d/f; chown 7:8 /d/f; chmod 4711 /d/f; ln -s a /d/l; mknod /d/p p; \
                  touch -h -d @1000000000 /d/l; touch -d @1000000000 /d/f /d/p /d /";
    let layers = |name: &str, options: &[&str]| {
        let mut args = vec!["run", "--name", name, "--network", "none"];
        args.extend(options);
        args.extend(["busybox", "sh", "-c", script]);
        t.ok(&args);
        t.ok(&["commit", name, &format!("image-{name}")]);
        let found = t.ok(&["inspect", "-f", "{{json .RootFS.Layers}}", &format!("image-{name}")]);
        (found, t.ok(&["diff", name]))
    };
    let (with, without) = (layers("with", &["--userns", "auto"]), layers("without", &[]));
    assert_eq!(with, without, "the same layers, by their digests");
    let tree = "cd /d; stat -c '%n %u:%g %a' * | sort";
    let listed = |image: &str, options: &[&str]| {
        let mut args = vec!["run", "--rm", "--network", "none"];
        args.extend(options);
        args.extend([image, "sh", "-c", tree]);
        t.ok(&args)
    };
    let own = listed("image-with", &[]);
    assert!(own.contains("f 7:8 4711"), "{own}");
    assert_eq!(own, listed("image-without", &["--userns", "auto"]));
}
