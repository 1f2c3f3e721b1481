//! Images of whole systems: LXD's archives, squashfs, properties and aliases, `publish`, and servers of images.

#[path = "system_images/templates.rs"]
mod templates;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use hull_test_support::outcome::run;
use hull_test_support::server::{Reply, Server};
use hull_test_support::{Scenario, System, skip};

const METADATA: &str = "\
creation_date: 1700000000
properties:
  description: A busybox
  os: Busybox
  release: \"1\"
templates:
  /etc/hostname:
    when: [create, copy]
    template: hostname.tpl
";

/// The archives of one image, as LXD's `image export` and distrobuilder make them.
struct Archives {
    directory: PathBuf,
}

impl Archives {
    /// `None` without the programs that make them.
    fn make(t: &Scenario) -> Option<Self> {
        let directory = t.path("archives");
        let root = directory.join("whole/rootfs");
        std::fs::create_dir_all(&root).unwrap();
        let made = Self { directory };
        let archive = match System::Busybox.archive() {
            Ok(archive) => archive,
            Err(why) => {
                skip::skip(&format!("the system cannot be made: {why}"));
                return None;
            }
        };
        made.run("tar", &["-C", "whole/rootfs", "-xf", archive.to_str()?]);
        std::fs::create_dir(made.path("whole/templates")).unwrap();
        let metadata = format!("architecture: {}\n{METADATA}", std::env::consts::ARCH);
        std::fs::write(made.path("whole/metadata.yaml"), metadata).unwrap();
        std::fs::write(made.path("whole/templates/hostname.tpl"), "{{ container.name }}\n").unwrap();
        // What an archive can have: a set-ID bit, owners, a capability, a hard link, and a file with a hole.
        made.run(
            "sh",
            &[
                "-ec",
                "cd whole/rootfs; echo one >first; ln first second; cp /bin/true suid; chown 7:8 suid; chmod 4755 suid
                 truncate -s 3M hole; echo end >>hole; ln -s first link; mkfifo pipe
                 setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 second",
            ],
        );
        let squashed = Command::new("mksquashfs")
            .args(["whole/rootfs", "rootfs.squashfs", "-comp", "xz", "-no-progress", "-quiet"])
            .current_dir(&made.directory)
            .status();
        if !squashed.is_ok_and(|status| status.success()) {
            skip::skip("mksquashfs does not run");
            return None;
        }
        let all = ["metadata.yaml", "templates", "rootfs"];
        made.run("tar", &[&["--xattrs", "-C", "whole", "-czf", "unified.tar.gz"], &all[..]].concat());
        made.run("tar", &[&["-C", "whole", "-cJf", "metadata.tar.xz"], &all[..2]].concat());
        made.run("tar", &["--xattrs", "-C", "whole/rootfs", "-cJf", "rootfs.tar.xz", "."]);
        Some(made)
    }

    fn run(&self, program: &str, args: &[&str]) {
        let status = Command::new(program).args(args).current_dir(&self.directory).status();
        assert!(status.is_ok_and(|status| status.success()), "{program} {args:?}");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

/// The SHA-256 of files, one after the other.
fn hash(paths: &[&Path]) -> String {
    let output = Command::new("sh")
        .args(["-c", "cat \"$@\" | sha256sum", "sh"])
        .args(paths)
        .output()
        .expect("coreutils are there");
    String::from_utf8_lossy(&output.stdout)[..64].to_owned()
}

/// The files of an image as a container sees them, in a line for each file.
fn files(t: &Scenario, image: &str) -> String {
    let script = "cd /; find bin sbin first second suid hole link pipe -not -type d -exec stat -c '%n %f %u:%g %s %Y' {} + | sort; \
                  cat first; md5sum hole";
    t.ok(&["run", "--rm", "--network", "none", image, "sh", "-c", script])
}

#[test]
fn all_of_lxds_archives_become_the_same_image() {
    let Some(t) = Scenario::start() else { return };
    let Some(archives) = Archives::make(&t) else { return };
    let (unified, metadata) = (archives.name("unified.tar.gz"), archives.name("metadata.tar.xz"));
    let (squashfs, tar) = (archives.name("rootfs.squashfs"), archives.name("rootfs.tar.xz"));
    t.ok(&["image", "import", &unified, "--alias", "unified", "--alias", "other", "colour=blue"]);
    t.ok(&["image", "import", &metadata, &squashfs, "--alias", "split"]);
    t.ok(&["image", "import", &metadata, &tar, "tars"]);
    t.ok(&["import", &squashfs, "plain"]);
    let expected = files(&t, "unified");
    assert!(expected.contains("suid 89ed 7:8") && expected.contains("hole 81a4 0:0 3145732"), "{expected}");
    for image in ["other", "split", "tars", "plain"] {
        assert_eq!(files(&t, image), expected, "{image}");
    }
    let inspect = |image: &str, format: &str| t.ok(&["image", "inspect", "-f", format, image]);
    for image in ["unified", "split", "tars", "plain"] {
        assert_eq!(inspect(image, "{{json .Config.Cmd}}"), r#"["/sbin/init"]"#, "{image}");
    }
    assert_eq!(inspect("split", "{{.Created}}"), "2023-11-14T22:13:20Z");
    // The fingerprint is LXD's: the hash of the archives.
    let info = t.ok(&["image", "info", "split"]);
    let (metadata, squashfs) = (archives.path("metadata.tar.xz"), archives.path("rootfs.squashfs"));
    assert!(info.contains(&hash(&[&metadata, &squashfs])), "{info}");
    assert!(info.contains("description: A busybox") && info.contains("- split:latest"), "{info}");
    let show = "properties:\n  colour: blue\n  description: A busybox\n  os: Busybox\n  release: \"1\"";
    assert_eq!(t.ok(&["image", "show", "unified"]), show);
    // A file capability is part of the layer.
    let layer = inspect("split", "{{.GraphDriver.Data.UpperDir}}");
    let mut found = Command::new("getfattr");
    found.args(["-n", "security.capability", "--only-values"]).arg(format!("{layer}/first"));
    assert_eq!(found.output().unwrap().stdout.len(), 20);
}

#[test]
fn what_is_wrong_with_an_archive_is_said_and_nothing_is_left() {
    let Some(t) = Scenario::start() else { return };
    let Some(archives) = Archives::make(&t) else { return };
    let (unified, metadata) = (archives.path("unified.tar.gz"), archives.name("metadata.tar.xz"));
    let refused = |args: &[&str], why: &str| {
        let failed = t.hull(&[&["image", "import"], args].concat());
        let text = failed.fails(1).to_owned();
        assert!(text.contains(why), "{args:?}: {text}");
    };
    let right = hash(&[&unified]);
    let name = unified.to_str().unwrap();
    refused(&[name, "--checksum", &format!("sha256:{}", "0".repeat(64))], "checksum");
    refused(&[name, "--checksum", "sha1:00"], "--checksum");
    refused(&[&metadata], "METADATA ROOTFS");
    refused(&[&metadata, "/nonexistent"], "/nonexistent");
    refused(&[name, "a", "b"], "one word too many");
    refused(&[name, "=x"], "no property");
    for (file, length) in [("unified.tar.gz", 1000), ("rootfs.squashfs", 5000), ("metadata.tar.xz", 100)] {
        let bytes = std::fs::read(archives.path(file)).unwrap();
        let short = t.write("short", &bytes[..bytes.len() - length]);
        refused(&[short.to_str().unwrap()], "");
    }
    let tar = |script: &str| {
        archives.run(
            "sh",
            &[
                "-ec",
                &format!("rm -rf evil; mkdir -p evil/rootfs; cd evil; cp ../whole/metadata.yaml .\n{script}"),
            ],
        );
        archives.name("evil/evil.tar")
    };
    // A link out of the root, and then a file through it.
    let outside = t.path("outside");
    std::fs::create_dir(&outside).unwrap();
    let through = format!(
        "mkdir -p templates a/rootfs b/rootfs/link; touch templates/hostname.tpl b/rootfs/link/file; ln -s {} a/rootfs/link
         tar -cf evil.tar metadata.yaml templates; tar -C a -rf evil.tar rootfs; tar -C b -rf evil.tar rootfs/link/file",
        outside.display()
    );
    let evil = tar(&through);
    drop(t.hull(&["image", "import", &evil]));
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "nothing is written outside");
    let whiteout = "mkdir templates; touch templates/hostname.tpl rootfs/.wh.bin; tar -cf evil.tar metadata.yaml templates rootfs";
    refused(&[&tar(whiteout)], ".wh.");
    let missing = "tar -cf evil.tar metadata.yaml rootfs";
    refused(&[&tar(missing)], "hostname.tpl");
    // An expiry after the year 9999, which no date can say.
    let late = "echo expiry_date: 253402300800 >>metadata.yaml; mkdir -p templates; touch templates/hostname.tpl; tar -cf evil.tar *";
    t.ok(&["image", "import", &tar(late), "--alias", "late"]);
    assert!(t.ok(&["image", "info", "late"]).contains("Expires: never"));
    t.ok(&["rmi", "-af"]);
    assert_eq!(t.ok(&["images", "-q"]), "");
    // The right checksum is accepted.
    t.ok(&["image", "import", name, "--checksum", &format!("sha256:{right}"), "--alias", "good"]);
}

#[test]
fn properties_and_aliases_change_and_the_image_stays() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    let image = System::Busybox.image();
    let id = t.ok(&["image", "inspect", "-f", "{{.Id}}", image]);
    t.ok(&["create", "--name", "user", image, "true"]);
    t.ok(&["image", "set-property", image, "os", "Busybox"]);
    t.ok(&["image", "set-property", image, "note", "a: b"]);
    assert_eq!(t.ok(&["image", "get-property", image, "note"]), "a: b");
    t.ok(&["image", "unset-property", image, "os"]);
    assert!(t.hull(&["image", "unset-property", image, "os"]).fails(1).contains("has no property"));
    assert_eq!(t.ok(&["image", "show", image]), "properties:\n  note: \"a: b\"");
    assert_eq!(
        t.ok(&["image", "inspect", "-f", "{{.Id}}", image]),
        id,
        "the id is that of the configuration"
    );
    t.ok(&["start", "user"]);
    let edited =
        t.hull_with_input(&["image", "edit", image], b"properties:\n  note: \"a: b\"\n  os: other\n");
    edited.ok();
    assert_eq!(t.ok(&["image", "get-property", image, "os"]), "other");
    assert!(t.hull_with_input(&["image", "edit", image], b"public: true\n").fails(1).contains("public"));
    t.ok(&["image", "alias", "create", "debian/12", image]);
    assert!(t.hull(&["image", "alias", "create", "debian/12", image]).fails(1).contains("exists already"));
    t.ok(&["image", "alias", "rename", "debian/12", "debian/13"]);
    assert_eq!(t.ok(&["image", "get-property", "debian/13", "note"]), "a: b");
    let list = t.ok(&["image", "alias", "list", "--format", "{{.Alias}}"]);
    assert_eq!(list, format!("debian/13:latest\n{image}:latest"));
    t.ok(&["image", "alias", "delete", "debian/13"]);
    assert_eq!(t.ok(&["image", "alias", "list", "debian", "--format", "{{.Alias}}"]), "");
    t.ok(&["system", "check"]);
}

#[test]
fn a_container_is_published_and_exported_and_comes_back() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    let image = System::Busybox.image();
    t.ok(&["run", "-d", "--system", "--network", "none", "--name", "box", image]);
    t.ok(&["exec", "box", "sh", "-c", "echo mine >/own; rm /etc/inittab"]);
    assert!(t.hull(&["publish", "box", "--alias", "one"]).fails(1).contains("--force"));
    let pid = t.inspect("box", "{{.State.Pid}}");
    let first = t.ok(&["publish", "box", "--alias", "one", "--force", "os=mine"]);
    assert!(first.starts_with("Instance published with fingerprint: "), "{first}");
    assert_eq!(t.inspect("box", "{{.State.Running}}"), "true");
    assert_ne!(t.inspect("box", "{{.State.Pid}}"), pid, "it has been stopped meanwhile");
    t.ok(&["stop", "box"]);
    assert!(t.hull(&["publish", "box", "--alias", "one"]).fails(1).contains("exists already"));
    t.ok(&["snapshot", "box", "before"]);
    t.ok(&["publish", "box/before", "--alias", "kept"]);
    assert_eq!(t.ok(&["run", "--rm", "--network", "none", "kept", "cat", "/own"]), "mine");
    assert!(t.hull(&["publish", "box/never"]).fails(1).contains("never"));
    let old = t.ok(&["image", "inspect", "-f", "{{.Id}}", "one"]);
    t.ok(&["publish", "box", "--alias", "one", "--reuse", "os=other"]);
    assert!(!t.ok(&["images", "-aq", "--no-trunc"]).contains(&old), "the image without a name is removed");
    assert_eq!(t.ok(&["image", "get-property", "one", "os"]), "other");
    for (args, names) in [
        (&["one", "whole"][..], &["whole.tar.gz"][..]),
        (&["--split", "--compression", "none", "one", "half"], &["half.tar", "half.root.tar"]),
    ] {
        let written = t.ok(&[&["image", "export"], args].concat());
        assert_eq!(written.lines().collect::<Vec<_>>(), names);
        t.ok(&[&["image", "import"], names, &["--alias", "back"]].concat());
        let script = "cat /own; ls /etc/inittab 2>&1; echo $container";
        let shown = t.ok(&["run", "--rm", "--network", "none", "back", "sh", "-c", script]);
        assert!(shown.starts_with("mine\nls: /etc/inittab: No such file"), "{shown}");
        assert_eq!(t.ok(&["image", "get-property", "back", "os"]), "other");
        t.ok(&["rmi", "back"]);
    }
}

/// The lists of a server of one image. `damage` makes them wrong.
fn lists(archives: &Archives, damage: impl Fn(&mut String)) -> (String, String) {
    let index = r#"{"format": "index:1.0", "index": {"images": {"datatype": "image-downloads", "format": "products:1.0",
                    "path": "streams/v1/images.json", "products": ["busybox:1"]}}}"#;
    let (metadata, root) = (archives.path("metadata.tar.xz"), archives.path("rootfs.squashfs"));
    let size = |path: &Path| path.metadata().unwrap().len();
    let mut products = format!(
        r#"{{"format": "products:1.0", "products": {{"busybox:1": {{"aliases": "busybox/1,busybox", "arch": "{}", "os": "Busybox",
            "release": "one", "versions": {{"20240101_00:00": {{"items": {{
            "lxd.tar.xz": {{"ftype": "lxd.tar.xz", "path": "images/metadata.tar.xz", "sha256": "{}", "size": {},
                "combined_squashfs_sha256": "{}"}},
            "root.squashfs": {{"ftype": "squashfs", "path": "images/rootfs.squashfs", "sha256": "{}", "size": {}}}}}}}}}}}}}}}"#,
        std::env::consts::ARCH,
        hash(&[&metadata]),
        size(&metadata),
        hash(&[&metadata, &root]),
        hash(&[&root]),
        size(&root),
    );
    damage(&mut products);
    (index.to_owned(), products)
}

fn serve(archives: &Archives, damage: impl Fn(&mut String) + Send + Sync + 'static) -> Server {
    let archives = Archives { directory: archives.directory.clone() };
    let directory = archives.directory.clone();
    Server::start("127.0.0.1:0", move |request| match request.path.as_str() {
        "/base/streams/v1/index.json" => Reply::new(200, lists(&archives, &damage).0),
        "/base/streams/v1/images.json" => Reply::new(200, lists(&archives, &damage).1),
        "/base/moved/metadata.tar.xz" => {
            Reply::new(302, "").header("location", "http://127.0.0.2/base/images/metadata.tar.xz")
        }
        path => match path.strip_prefix("/base/images/").map(|name| std::fs::read(directory.join(name))) {
            Some(Ok(file)) => Reply::new(200, file),
            _ => Reply::new(404, "nothing"),
        },
    })
}

#[test]
fn images_come_from_a_server_of_simplestreams() {
    let Some(t) = Scenario::start() else { return };
    let Some(archives) = Archives::make(&t) else { return };
    let server = serve(&archives, |_| {});
    let url = format!("http://{}/base/", server.host);
    assert!(t.hull(&["remote", "add", "bad", "http://example.com"]).fails(1).contains("https"));
    assert!(t.hull(&["image", "list", "mine:"]).fails(1).contains("none of this name"));
    t.ok(&["remote", "add", "mine", &url]);
    assert!(t.hull(&["remote", "add", "mine", &url]).fails(1).contains("there is one"));
    assert_eq!(
        t.ok(&["image", "ls", "mine:", "--format", "{{.Alias}} {{.Description}}"]),
        "busybox/1 Busybox one x86_64 (20240101_00:00)"
    );
    let lxc = |words: &[&str]| run(t.command(words).arg0("lxc"));
    let listed = lxc(&["image", "list", "mine:", "-c", "Lapu", "--format", "csv"]);
    let listed = listed.ok();
    assert!(
        listed.contains("x86_64") && listed.contains("yes") && listed.contains("Jan 1, 2024"),
        "{listed}"
    );
    assert!(!listed.contains("Busybox one"), "the description is no column that was asked for: {listed}");
    assert!(t.hull(&["image", "copy", "mine:nothing"]).fails(1).contains("No such image"));
    // For a mistyped REMOTE:IMAGE, the hint is not to log in to a registry.
    let said = t.hull(&["launch", "-n", "none", &format!("{}/no:such", server.host), "box"]).stderr;
    assert!(said.contains("hull remote list") && !said.contains("login"), "{said}");
    let id = t.ok(&["image", "copy", "mine:busybox", "local:", "--copy-aliases", "--alias", "bb"]);
    assert_eq!(t.ok(&["image", "get-property", "bb", "serial"]), "20240101_00:00");
    assert!(t.ok(&["image", "alias", "list"]).contains("busybox/1:latest"));
    // An image that is here already is not fetched again.
    assert_eq!(t.ok(&["image", "copy", "mine:busybox/1"]), id);
    assert_eq!(server.asked("GET", "rootfs").len(), 1);
    t.ok(&["launch", "-n", "none", "mine:busybox/1", "box"]);
    assert_eq!(t.ok(&["exec", "box", "cat", "/first"]), "one");
    assert_eq!(t.inspect("box", "{{.Image}}"), id);
    t.ok(&["remote", "rename", "mine", "yours"]);
    // What the server says of an image that is not here.
    let info = t.ok(&["image", "info", "yours:busybox/1"]);
    assert!(
        info.contains("Architecture: x86_64") && info.contains("Created: 2024-01-01T00:00:00Z"),
        "{info}"
    );
    assert!(t.ok(&["image", "show", "yours:busybox/1"]).contains("description: Busybox one"));
    assert!(t.hull(&["image", "info", "yours:none"]).fails(1).contains("none"));
    t.ok(&["remote", "switch", "yours"]);
    assert_eq!(t.ok(&["remote", "get-default"]), "yours");
    assert_eq!(t.ok(&["image", "copy", "busybox/1"]), id);
    assert!(t.hull(&["remote", "remove", "yours"]).fails(1).contains("default"));
    t.ok(&["remote", "switch", "local"]);
    t.ok(&["remote", "remove", "yours"]);
    assert!(!t.ok(&["remote", "list"]).contains("yours"));
}

#[test]
fn an_image_is_refreshed_from_its_server() {
    let Some(t) = Scenario::start() else { return };
    let Some(archives) = Archives::make(&t) else { return };
    let server = serve(&archives, |_| {});
    t.ok(&["remote", "add", "mine", &format!("http://{}/base", server.host)]);
    let old = t.ok(&["image", "copy", "mine:busybox", "--alias", "box", "--alias", "other"]);
    assert_eq!(t.ok(&["image", "refresh", "box"]), "box: up to date");
    t.ok(&["create", "--system", "--network", "none", "--name", "user", "box"]);
    // The server gets another image of the same name. The image remembers the server and not its short name here.
    archives.run("sh", &["-c", "echo two >whole/rootfs/first; rm rootfs.squashfs; mksquashfs whole/rootfs rootfs.squashfs -no-progress -quiet"]);
    t.ok(&["remote", "remove", "mine"]);
    let new = t.ok(&["image", "refresh", "box"]);
    assert_ne!(new, old);
    assert_eq!(t.ok(&["image", "inspect", "-f", "{{.Id}}", "box", "other"]), format!("{new}\n{new}"));
    assert_eq!(t.ok(&["image", "refresh", "other", &new]), format!("other: up to date\n{new}: up to date"));
    // A container keeps the image that it was made of.
    assert_eq!(t.inspect("user", "{{.Image}}"), old);
    t.ok(&["start", "user"]);
    t.ok(&["rm", "-f", "user"]);
    std::fs::remove_file(archives.path("rootfs.squashfs")).unwrap();
    assert!(t.hull(&["image", "refresh", "box"]).fails(1).contains(&server.host));
    t.ok(&["run", "--rm", "--network", "none", "box", "true"]);
    // A committed image is another one.
    t.ok(&["create", "--name", "base", "box"]);
    t.ok(&["commit", "base", "mine"]);
    assert!(t.hull(&["image", "refresh", "mine"]).fails(1).contains("nothing to refresh"));
}

#[test]
fn a_server_that_lies_is_found_out() {
    let Some(t) = Scenario::start() else { return };
    let Some(archives) = Archives::make(&t) else { return };
    let (metadata, root) = (archives.path("metadata.tar.xz"), archives.path("rootfs.squashfs"));
    let other = "f".repeat(64);
    let lies: [(&str, String, String, &str); 6] = [
        ("hash", hash(&[&root]), other.clone(), "checksum"),
        ("combined", hash(&[&metadata, &root]), other, "checksum"),
        (
            "size",
            format!(r#""size": {}"#, root.metadata().unwrap().len()),
            r#""size": 99"#.into(),
            "checksum",
        ),
        ("climb", "images/rootfs.squashfs".into(), "../../etc/passwd".into(), "no path below"),
        ("elsewhere", "images/rootfs.squashfs".into(), "http://127.0.0.2/x?y".into(), "no path below"),
        ("redirect", "images/metadata.tar.xz".into(), "moved/metadata.tar.xz".into(), "redirect"),
    ];
    for (name, from, to, why) in lies {
        let server = serve(&archives, move |products| *products = products.replace(&from, &to));
        t.ok(&["remote", "add", name, &format!("http://{}/base", server.host)]);
        let failed = t.hull(&["image", "copy", &format!("{name}:busybox"), "--alias", name]);
        assert!(failed.fails(1).contains(why), "{name}: {}", failed.fails(1));
        assert_eq!(t.ok(&["images", "-q"]), "", "{name}");
    }
    let endless = Server::start("127.0.0.1:0", |_| {
        let zeros = vec![b' '; 1 << 20];
        Reply::with(200, hull_test_support::server::Body::Endless(zeros))
    });
    t.ok(&["remote", "add", "endless", &format!("http://{}/base", endless.host)]);
    assert!(t.hull(&["image", "copy", "endless:busybox"]).fails(1).contains("bytes"));
}
