//! Volumes with options, which docker's driver `local` mounts, and parts of volumes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use hull_test_support::Scenario;
use hull_test_support::outcome::eventually;
use hull_test_support::peers::Dockerd;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const RUN: [&str; 4] = ["run", "--rm", "--network", "none"];

fn run(words: &[&str]) -> Vec<String> {
    RUN.iter().chain(words).map(|word| word.to_string()).collect()
}

trait Runs {
    fn runs(&self, words: &[&str]) -> String;
}

impl Runs for Scenario {
    #[track_caller]
    fn runs(&self, words: &[&str]) -> String {
        self.ok(&run(words).iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// `volume create` with these options, each written `KEY=VALUE`.
fn create<'a>(name: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["volume", "create"];
    words.extend(options.iter().flat_map(|option| ["-o", option]));
    words.push(name);
    words
}

#[test]
fn options_are_accepted_and_refused_as_by_docker() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(dockerd) = Dockerd::start(&t, &t.path("docker")) else { return };
    let cases: [&[&str]; 11] = [
        &[],
        &["type=tmpfs", "device=tmpfs"],
        &["type=tmpfs", "device=tmpfs", "o=size=1m,mode=700"],
        &["type=none", "device=/etc", "o=bind"],
        &["type=nfs", "device=:/srv", "o=addr=192.0.2.1,rw"],
        &["type=tmpfs"],
        &["device=tmpfs"],
        &["o=ro"],
        &["colour=blue"],
        &["size=x"],
        &["size=1m"],
    ];
    for (index, options) in cases.iter().enumerate() {
        let name = format!("vol{index}");
        let ours = t.hull(&create(&name, options));
        let theirs = hull_test_support::outcome::run(&mut dockerd.command(&create(&name, options)));
        assert_eq!(ours.code(), theirs.code(), "{options:?}: {ours} {theirs}");
        if ours.success() {
            let inspect = ["volume", "inspect", "-f", "{{json .Options}} {{.Driver}} {{.Name}}", &name];
            assert_eq!(t.ok(&inspect), dockerd.ok(&inspect));
        } else if !options.contains(&"size=x") {
            let why = theirs.stderr.trim().rsplit(": ").take(2).collect::<Vec<_>>();
            let why =
                if why[1].contains("option") { format!("{}: {}", why[1], why[0]) } else { why[0].into() };
            assert!(ours.stderr.contains(&why), "{ours} {theirs}");
        }
    }
    let refused = t.hull(&["volume", "create", "-d", "other", "x1"]);
    assert!(refused.fails(1).contains("no volume driver \"other\""), "{refused}");
    let with = |driver| t.hull(&["run", "--rm", "--volume-driver", driver, "-v", "x2:/x", "busybox", "true"]);
    assert!(with("other").fails(125).contains("no volume driver \"other\""));
    with("local").ok();
}

#[test]
fn a_bind_volume_shows_its_directory_and_is_never_emptied() {
    let Some(t) = Scenario::with_busybox() else { return };
    let source = t.path("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("old"), "kept").unwrap();
    let device = format!("device={}", source.display());
    t.ok(&create("mine", &["type=none", "o=bind", &device]));
    assert_eq!(t.runs(&["-v", "mine:/x", "busybox", "sh", "-c", "cat /x/old; echo new > /x/new"]), "kept");
    assert_eq!(fs::read_to_string(source.join("new")).unwrap(), "new\n");
    // The volume's own directory has none of these files, and nothing is mounted on the host.
    assert_eq!(fs::read_dir(t.data_root().join("volumes/mine/_data")).unwrap().count(), 0);
    t.ok(&[
        "run",
        "-d",
        "--name",
        "user",
        "--network",
        "none",
        "-v",
        "mine:/x:ro",
        "busybox",
        "sleep",
        "300",
    ]);
    t.hull(&["volume", "rm", "mine"]).fails(1);
    t.hull(&["exec", "user", "touch", "/x/y"]).fails(1);
    assert!(!t.ok(&["cp", "user:/x/old", "-"]).is_empty());
    t.ok(&["rm", "-f", "user"]);
    t.ok(&["volume", "rm", "mine"]);
    // An anonymous volume is removed with its container, and the directory stays.
    let option = |text: &str| format!("volume-opt={text}");
    let mount = ["type=volume,dst=/x", &option("type=none"), &option("o=bind"), &option(&device)].join(",");
    assert_eq!(t.runs(&["--mount", &mount, "busybox", "ls", "/x"]), "new\nold");
    assert_eq!(t.ok(&["volume", "ls", "-q"]), "");
    assert_eq!(fs::read_to_string(source.join("old")).unwrap(), "kept");
    // If the directory is missing, the start fails and leaves the container unchanged.
    t.ok(&create("gone", &["type=none", "o=bind", "device=/no/such/directory"]));
    t.ok(&["create", "--name", "never", "--network", "none", "-v", "gone:/x", "busybox", "true"]);
    let refused = t.hull(&["start", "never"]);
    assert!(refused.fails(1).contains("/no/such/directory for the volume gone"), "{refused}");
}

#[test]
fn a_tmpfs_volume_lives_as_long_as_a_container_uses_it() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&create("fast", &["type=tmpfs", "device=tmpfs", "o=size=1m,mode=750,uid=7"]));
    let first = ["run", "-d", "--name", "first", "--network", "none", "-v", "fast:/x", "busybox"];
    t.ok(&[&first[..], &["sh", "-c", "echo shared > /x/file; sleep 300"]].concat());
    eventually("the file is written", || t.hull(&["exec", "first", "test", "-s", "/x/file"]).success());
    let look = "cat /x/file; stat -c '%a %u' /x; df -k /x | tail -1 | awk '{print $2}'";
    assert_eq!(t.runs(&["-v", "fast:/x", "busybox", "sh", "-c", look]), "shared\n750 7\n1024");
    // Both containers see the same files, also after the end of the container that mounted the volume.
    t.ok(&["run", "-d", "--name", "second", "--network", "none", "-v", "fast:/x", "busybox", "sleep", "300"]);
    kill(Pid::from_raw(t.monitor_of("first")), Signal::SIGKILL).unwrap();
    t.ok(&["rm", "-f", "first"]);
    assert_eq!(t.ok(&["exec", "second", "cat", "/x/file"]), "shared");
    assert_eq!(t.runs(&["-v", "fast:/x", "busybox", "cat", "/x/file"]), "shared");
    t.ok(&["rm", "-f", "second"]);
    assert_eq!(t.runs(&["-v", "fast:/x", "busybox", "ls", "/x"]), "");
    // The volume begins with the image's files, in each new container.
    assert_eq!(t.runs(&["-v", "fast:/etc", "busybox", "cat", "/etc/issue-of-image"]), "made for tests");
    let sized = create("small", &["type=tmpfs", "device=tmpfs", "size=64k"]);
    t.ok(&sized);
    assert_eq!(
        t.runs(&["-v", "small:/x", "busybox", "sh", "-c", "df -k /x | tail -1 | awk '{print $2}'"]),
        "64"
    );
}

#[test]
fn a_part_of_a_volume_is_mounted() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["volume", "create", "data"]);
    let data = t.data_root().join("volumes/data/_data");
    fs::create_dir_all(data.join("a/b")).unwrap();
    fs::write(data.join("a/b/file"), "inside").unwrap();
    symlink("a/b", data.join("within")).unwrap();
    symlink("/etc", data.join("absolute")).unwrap();
    symlink("../../../../../../etc", data.join("above")).unwrap();
    let mount = |path: &str| format!("type=volume,src=data,dst=/x,volume-subpath={path}");
    let read = |path: &str| {
        t.hull(&["run", "--rm", "--network", "none", "--mount", &mount(path), "busybox", "ls", "/x"])
    };
    assert_eq!(read("a/b").ok(), "file");
    assert_eq!(read("within").ok(), "file");
    assert_eq!(read("a/b/file").ok(), "/x");
    for path in ["absolute", "above"] {
        assert!(read(path).fails(125).contains("it leads out of the volume"), "{path}");
    }
    assert!(read("missing").fails(125).contains("No such file or directory"));
    for path in ["/a", "../a", "a/../../b"] {
        assert!(read(path).fails(125).contains("relative path within the volume"), "{path}");
    }
    // A part is written to, mounted read-only, copied from a stopped container, and filled from the image when it is empty.
    t.runs(&["--mount", &mount("a"), "busybox", "sh", "-c", "echo more > /x/more"]);
    assert_eq!(fs::read_to_string(data.join("a/more")).unwrap(), "more\n");
    let read_only = format!("{},ro", mount("a"));
    t.hull(&["run", "--rm", "--network", "none", "--mount", &read_only, "busybox", "touch", "/x/y"]).fails(1);
    t.ok(&["create", "--name", "still", "--network", "none", "--mount", &mount("a/b"), "busybox"]);
    t.ok(&["cp", "still:/x/file", t.path("copied").to_str().unwrap()]);
    assert_eq!(fs::read_to_string(t.path("copied")).unwrap(), "inside");
    fs::create_dir(data.join("empty")).unwrap();
    let filled = "type=volume,src=data,dst=/etc,volume-subpath=empty";
    t.runs(&["--mount", filled, "busybox", "true"]);
    assert!(data.join("empty/issue-of-image").exists());
    let shown = t.inspect("still", "{{json .HostConfig.Mounts}}");
    assert!(shown.contains("\"Subpath\":\"a/b\""), "{shown}");
}

/// While a container swaps a directory of its volume for a symlink to the host, other containers mount the path below it.
#[test]
fn a_part_that_changes_meanwhile_never_leads_to_the_host() {
    let Some(t) = Scenario::with_busybox() else { return };
    fs::create_dir_all(t.path("host/part")).unwrap();
    fs::write(t.path("host/part/secret"), "").unwrap();
    let out = t.path("host");
    let swap = format!(
        "mkdir -p /v/real/part; touch /v/real/part/good; ln -s {} /v/link; while :; do mv /v/real /v/at; mv /v/at /v/real; \
         mv /v/link /v/at; mv /v/at /v/link; done",
        out.display()
    );
    t.ok(&[
        "run",
        "-d",
        "--name",
        "hostile",
        "--network",
        "none",
        "-v",
        "data:/v",
        "busybox",
        "sh",
        "-c",
        &swap,
    ]);
    let mut seen = [0, 0];
    for _ in 0..25 {
        let mount = "type=volume,src=data,dst=/x,volume-subpath=at/part";
        let found = t.hull(&["run", "--rm", "--network", "none", "--mount", mount, "busybox", "ls", "/x"]);
        assert!(!found.stdout.contains("secret"), "{found}");
        seen[usize::from(found.success())] += 1;
        if found.success() {
            assert_eq!(found.ok(), "good");
        }
    }
    assert!(seen[0] > 0, "{seen:?}: the part is not always there");
    assert!(Path::new(&out).join("part/secret").exists());
}

#[test]
fn an_unprivileged_user_has_driver_volumes_too() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    t.ok(&create("fast", &["type=tmpfs", "device=tmpfs", "o=size=1m"]));
    t.ok(&[
        "run",
        "-d",
        "--name",
        "first",
        "--network",
        "none",
        "-v",
        "fast:/x",
        "busybox",
        "sh",
        "-c",
        "echo s > /x/f; sleep 300",
    ]);
    eventually("the file is written", || t.hull(&["exec", "first", "test", "-s", "/x/f"]).success());
    assert_eq!(t.runs(&["-v", "fast:/x", "busybox", "cat", "/x/f"]), "s");
    t.ok(&create("disk", &["type=ext4", "device=/dev/loop0"]));
    let refused = t.hull(&["run", "--rm", "--network", "none", "-v", "disk:/x", "busybox", "true"]);
    assert!(refused.fails(125).contains("for the volume disk"), "{refused}");
    t.ok(&["volume", "create", "data"]);
    t.runs(&["-v", "data:/x", "busybox", "mkdir", "/x/part"]);
    t.runs(&["--mount", "type=volume,src=data,dst=/x,volume-subpath=part", "busybox", "touch", "/x/file"]);
    assert_eq!(t.runs(&["-v", "data:/x", "busybox", "ls", "/x/part"]), "file");
}
