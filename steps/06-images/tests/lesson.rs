//! The tests of step 6, in the order of its chapters: images, hostile layers, registries. Each assertion says what
//! should hold, why, and which chapter explains it.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;

use lesson_lab::images::{
    Answer, INDEX, Layout, Tar, architecture, busybox, certificates, digest, gzip, registry, serve, serve_tls,
};
use lesson_lab::{Chapter, Ended, Lab, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tar::EntryType;

const IMAGES: Chapter = Chapter::new("6. Images: config, manifest and layers", "steps/06-images/layers.md");
const HOSTILE: Chapter = Chapter::new("Hostile layers", "steps/06-images/hostile.md");
const REGISTRIES: Chapter = Chapter::new("Registries: pulling over HTTP", "steps/06-images/registry.md");
const NEXT: Chapter = Chapter::new("7. Capabilities: root in pieces", "steps/07-security/capabilities.md");

lesson_lab::isolated!();

fn everyone() -> Vec<Lab> {
    lesson_lab::everyone(env!("CARGO_BIN_EXE_step-06-images"))
}

/// A layout in which `latest` is busybox with these layers on top.
fn image(lab: &Lab, layers: &[Vec<u8>], settings: &Value) -> Option<Layout> {
    let layout = Layout::new(lab.dir.join("layout"));
    let tars = [&[busybox()?.end()], layers].concat();
    layout.publish(&[("latest", &layout.manifest(&tars, settings))]);
    Some(layout)
}

/// The step refused the image with this error, ran nothing and kept nothing.
fn assert_refused(lab: &Lab, refused: &Ended, reason: &str) {
    let outcome = (refused.code, &*refused.stdout);
    assert_eq!(
        outcome,
        (Some(125), ""),
        "a bad image is refused and no program runs ({reason}): {refused:?}"
    );
    assert!(refused.stderr.contains(reason), "the error has to say {reason:?}: {}", refused.stderr);
    assert_eq!(
        lab.left(),
        Vec::<PathBuf>::new(),
        "no part of a refused image may stay on the disk: {refused:?}"
    );
}

#[test]
fn t01_the_bare_script_checks_the_digests_and_unpacks_the_layers() {
    let _chapter = IMAGES.explains();
    for lab in everyone() {
        let top = Tar::new().file("page", "hello").file("tmp/.wh.gone", "");
        let Some(layout) = image(&lab, &[Tar::new().file("tmp/gone", "").end(), top.end()], &Value::Null)
        else {
            return;
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/bare.sh");
        let copy = lab.dir.join("bare.sh");
        fs::copy(script, &copy).unwrap();
        let bare = format!("sh {} {} sh -c 'cat /page; ls /tmp'", copy.display(), layout.name());
        let ran = lab.shell(&bare);
        assert_eq!(
            (ran.code, &*ran.stdout),
            (Some(0), "hello"),
            "the script unpacks each layer and obeys the whiteout, so /page is there and /tmp is empty \
            : {ran:?}"
        );
        for blob in fs::read_dir(layout.0.join("blobs/sha256")).unwrap().flatten() {
            let bytes = fs::read(blob.path()).unwrap();
            fs::write(blob.path(), [&*bytes, b" "].concat()).unwrap();
        }
        let refused = lab.shell(&bare);
        assert!(
            refused.code != Some(0) && refused.stderr.contains("digest mismatch: sha256:"),
            "the script compares each digest before it uses the bytes: {refused:?}"
        );
    }
}

#[test]
fn t02_the_images_command_runs_in_its_environment_and_directory() {
    let _chapter = IMAGES.explains();
    for lab in everyone() {
        let settings = json!({
            "Entrypoint": ["/bin/sh", "-c", "echo $GREETING $HOME $PWD $0 $*"],
            "Cmd": ["its", "own"], "Env": ["PATH=/bin", "GREETING=hello"], "WorkingDir": "/work/here",
        });
        let Some(layout) = image(&lab, &[], &settings) else { return };
        let own = lab.run(&["run", &layout.name()]);
        assert_eq!(
            (own.code, &*own.stdout),
            (Some(0), "hello /root /work/here its own"),
            "Entrypoint and Cmd run, with Env and WorkingDir of the config: {own:?}"
        );
        let mine = lab.run(&["run", &format!("{}:latest", layout.name()), "mine"]);
        assert_eq!(
            mine.stdout, "hello /root /work/here mine",
            "a typed command replaces Cmd, and Entrypoint stays: {mine:?}"
        );
        let bare = layout.manifest(&[busybox().unwrap().end()], &json!({ "Cmd": null }));
        layout.publish(&[("bare", &bare)]);
        assert_eq!(
            lab.run(&["run", &layout.name(), "/bin/sh", "-c", "exit 9"]).code,
            Some(9),
            "the exit code is the program's"
        );
        assert_refused(&lab, &lab.run(&["run", &layout.name()]), "the image names no command");
    }
}

#[test]
fn t03_bytes_with_another_digest_are_refused_with_both_digests() {
    let _chapter = IMAGES.explains();
    for lab in everyone() {
        let Some(layout) = image(&lab, &[], &Value::Null) else { return };
        let manifest = fs::read(layout.0.join("index.json"))
            .map(|bytes| serde_json::from_slice::<Value>(&bytes).unwrap());
        let top = manifest.unwrap()["manifests"][0]["digest"].as_str().unwrap().to_owned();
        let manifest: Value = serde_json::from_slice(&fs::read(layout.path(&top)).unwrap()).unwrap();
        let digest_of = |descriptor: &Value| descriptor["digest"].as_str().unwrap().to_owned();
        for name in [top, digest_of(&manifest["config"]), digest_of(&manifest["layers"][0])] {
            let path = layout.path(&name);
            let good = fs::read(&path).unwrap();
            let mut bad = good.clone();
            *bad.last_mut().unwrap() ^= 1;
            fs::write(&path, &bad).unwrap();
            let refused = lab.run(&["run", &layout.name(), "/bin/id"]);
            let reason = format!("digest mismatch: expected {name}, found {}", digest(&bad));
            assert_refused(&lab, &refused, &reason);
            // The right bytes, and one byte more than the descriptor announced.
            fs::write(&path, [&*good, b" "].concat()).unwrap();
            assert_refused(&lab, &lab.run(&["run", &layout.name(), "/bin/id"]), "digest mismatch");
            fs::write(&path, good).unwrap();
        }
        assert_eq!(
            lab.run(&["run", &layout.name(), "/bin/id"]).code,
            Some(0),
            "with the right bytes the image runs"
        );
        let tar = Tar::new().file("x", "x").end();
        let other = digest(b"another tar");
        layout
            .publish(&[("x", &layout.manifest_of(vec![layout.layer(&tar)], &json!([other]), &Value::Null))]);
        let reason = format!("the layer's tar: digest mismatch: expected {other}, found {}", digest(&tar));
        assert_refused(&lab, &lab.run(&["run", &layout.name(), "/bin/id"]), &reason);
    }
}

#[test]
fn t04_a_layer_changes_adds_and_deletes_files_of_the_layers_below() {
    let _chapter = IMAGES.explains();
    for lab in everyone() {
        let below =
            Tar::new().file("a/kept", "1").file("a/gone", "1").file("b/hidden", "1").file("c/hidden", "1");
        let below = below.file("same", "below").file("d", "a file").file("e/hidden", "1").directory("f/");
        let top =
            Tar::new().file("a/.wh.gone", "").directory("b/").file("b/.wh..wh..opq", "").file("b/new", "2");
        // A whiteout and a new directory of the same name, in both orders.
        let top =
            top.file(".wh.c", "").directory("c/").file("c/new", "2").file("e/new", "2").file(".wh.e", "");
        let top =
            top.file("same", "top").directory("d/").file("d/inside", "2").file("f/x", "x").file("f", "file");
        let Some(layout) = image(&lab, &[below.end(), top.end()], &Value::Null) else { return };
        let script = "cd /; echo a/* b/* c/* d/* e/*; cat same f";
        let seen = lab.run(&["run", &layout.name(), "/bin/sh", "-c", script]);
        assert_eq!(
            seen.stdout, "a/kept b/new c/new d/inside e/new\ntopfile",
            "a layer adds, replaces and deletes files: each whiteout hides the lower file, and an opaque directory hides all: {seen:?}"
        );
    }
}

#[test]
fn t05_modes_times_links_and_owners_are_those_of_the_image() {
    let _chapter = IMAGES.explains();
    for lab in everyone() {
        let theirs = |header: &mut tar::Header| {
            header.set_uid(1000);
            header.set_gid(1000);
            header.set_mode(0o4711);
        };
        let layer = Tar::new()
            .entry(EntryType::Regular, "theirs", "", b"x", theirs)
            .entry(EntryType::Directory, "locked/", "", b"", |header| header.set_mode(0o500))
            .file("locked/file", "inside")
            .entry(EntryType::Link, "other", "theirs", b"", |_| {})
            .entry(EntryType::Char, "device", "", b"", |header| {
                header.set_device_major(1).and(header.set_device_minor(3)).unwrap()
            })
            .link("absolute", "/locked/file");
        let Some(layout) = image(&lab, &[layer.end()], &Value::Null) else { return };
        let script = "cd /; stat -c '%a %u %h %Y' theirs locked; cat absolute; ls device";
        let seen = lab.run(&["run", &layout.name(), "/bin/sh", "-c", script]);
        let (owner, device) = if lab.is_machines_root() { (1000, "device") } else { (0, "") };
        let expected = format!("4711 {owner} 2 1000000000\n500 0 2 1000000000\ninside{device}");
        assert_eq!(seen.stdout, expected, "mode, owner, links and time are those of the tar: {seen:?}");
        let has_one_id = !lab.is_machines_root();
        for note in ["note: 1 files of other users belong to you", "note: 1 devices are left out"] {
            assert_eq!(
                seen.stderr.contains(note),
                has_one_id,
                "a container with one id says which files differ from the image: {seen:?}"
            );
        }
        assert_eq!(
            seen.stderr.contains("warning: this program is a stranger's"),
            lab.is_machines_root(),
            "root is warned, because the program has all capabilities: {seen:?}"
        );
    }
}

#[test]
fn t06_the_program_runs_as_the_images_user() {
    let _chapter = IMAGES.explains();
    for lab in everyone() {
        let files = Tar::new()
            .file("etc/passwd", "root:x:0:0::/root:/bin/sh\nworker:x:1000:1001::/home/worker:/bin/sh\n")
            .file("etc/group", "root:x:0:\nstaff:x:50:\n");
        let Some(layout) = image(&lab, &[files.end()], &Value::Null) else { return };
        for (user, expected) in [
            ("worker", "1000 1001 /home/worker"),
            ("1000", "1000 1001 /home/worker"),
            ("worker:staff", "1000 50 /home/worker"),
            ("77:88", "77 88 /root"),
            ("", "0 0 /root"),
        ] {
            let tars = [
                busybox().unwrap().end(),
                Tar::new()
                    .file("etc/passwd", "worker:x:1000:1001::/home/worker:\n")
                    .file("etc/group", "staff:x:50:\n")
                    .end(),
            ];
            layout.publish(&[("latest", &layout.manifest(&tars, &json!({ "User": user })))]);
            let seen = lab.run(&["run", &layout.name(), "/bin/sh", "-c", "echo $(id -u) $(id -g) $HOME"]);
            let home = expected.rsplit(' ').next().unwrap();
            let expected = if lab.is_machines_root() { expected.to_owned() } else { format!("0 0 {home}") };
            assert_eq!(
                seen.stdout, expected,
                "user {user:?} is looked up in the image's own files: {seen:?}"
            );
            assert_eq!(
                seen.stderr.contains("it runs as 0"),
                !lab.is_machines_root() && !user.is_empty(),
                "a container with one id says that it cannot change the user: {seen:?}"
            );
        }
        layout.publish(&[(
            "latest",
            &layout.manifest(&[busybox().unwrap().end()], &json!({ "User": "nobody-there" })),
        )]);
        assert_refused(
            &lab,
            &lab.run(&["run", &layout.name(), "/bin/id"]),
            "is neither a number nor in the image's files",
        );
    }
}

#[test]
fn t07_a_layer_that_leaves_its_directory_is_refused() {
    let _chapter = HOSTILE.explains();
    for lab in everyone() {
        let outside = lab.make("outside");
        fs::write(outside.join("file"), "mine").unwrap();
        let target = outside.to_string_lossy().into_owned();
        let leaves = "its path leaves the layer's directory: EXDEV";
        let hostile = [
            (Tar::new().file("../../../../x", "x"), leaves),
            (Tar::new().file("a/../../x", "x"), leaves),
            (Tar::new().link("a", &target).file("a/file", "x"), leaves),
            (Tar::new().link("a", "..").file("a/x", "x"), leaves),
            (Tar::new().link("a", "../..").file("a/.wh.x", "x"), leaves),
            (Tar::new().directory("a/").link("a/b", &target).directory("a/b/c/"), leaves),
            (Tar::new().entry(EntryType::Link, "hard", "../../../../etc/passwd", b"", |_| {}), leaves),
            (Tar::new().link("a", &target).entry(EntryType::Link, "hard", "a/file", b"", |_| {}), leaves),
            (Tar::new().file(".wh...", ""), "a whiteout without the name of a file"),
            (Tar::new().file("a/.wh.", ""), "a whiteout without the name of a file"),
            (Tar::new().link("a", "/proc/self/root").file(&format!("a{target}/x"), "x"), leaves),
        ];
        let layout = Layout::new(lab.dir.join("layout"));
        for (number, (tar, reason)) in hostile.into_iter().enumerate() {
            layout.publish(&[("bad", &layout.manifest(&[tar.end()], &Value::Null))]);
            let refused = lab.run(&["run", &layout.name(), "/bin/id"]);
            assert_eq!(
                fs::read_dir(&outside).unwrap().count(),
                1,
                "layer {number} put a file outside its directory"
            );
            assert_eq!(
                fs::read_to_string(outside.join("file")).unwrap(),
                "mine",
                "layer {number} changed a file outside"
            );
            assert_refused(&lab, &refused, reason);
        }
        // Leading slashes and dots are removed, and a link that stays inside is allowed.
        let honest = Tar::new()
            .file("/absolute", "1")
            .file("./dotted", "2")
            .directory("real/")
            .link("way", "real")
            .file("way/x", "3");
        let Some(layout) = image(&lab, &[honest.end()], &Value::Null) else { return };
        let seen = lab.run(&["run", &layout.name(), "/bin/cat", "/absolute", "/dotted", "/real/x"]);
        assert_eq!(seen.stdout, "123", "an honest layer is not refused: {seen:?}");
    }
}

#[test]
fn t08_an_image_cannot_forge_the_marks_of_overlay() {
    let _chapter = HOSTILE.explains();
    for lab in everyone() {
        let below = Tar::new().file("a/file", "still here");
        let mut forged = tar::Builder::new(Vec::new());
        let marks =
            [("SCHILY.xattr.user.overlay.opaque", &b"y"[..]), ("SCHILY.xattr.trusted.overlay.opaque", b"y")];
        forged.append_pax_extensions(marks).unwrap();
        let forged =
            [forged.into_inner().unwrap()[..1024].to_vec(), Tar::new().directory("a/").end()].concat();
        let Some(layout) = image(&lab, &[below.end(), forged], &Value::Null) else { return };
        let seen = lab.run(&["run", &layout.name(), "/bin/cat", "/a/file"]);
        assert_eq!(seen.stdout, "still here", "an image must not set overlay's marks itself: {seen:?}");
    }
}

#[test]
fn t09_a_registry_gives_the_image_of_this_platform_for_a_token() {
    let _chapter = REGISTRIES.explains();
    for lab in everyone() {
        let layout = Layout::new(lab.dir.join("layout"));
        let Some(busybox) = busybox() else { return };
        let mut ours =
            layout.manifest(&[busybox.end()], &json!({ "Cmd": ["/bin/sh", "-c", "echo from a registry"] }));
        let mut other = layout.manifest(&[Tar::new().end()], &Value::Null);
        ours["platform"] = json!({ "os": "linux", "architecture": architecture() });
        other["platform"] = json!({ "os": "linux", "architecture": "vax" });
        let both = layout.json(INDEX, &json!({ "schemaVersion": 2, "manifests": [other, ours] }));
        let vax = layout.json(INDEX, &json!({ "schemaVersion": 2, "manifests": [other] }));
        layout.publish(&[("latest", &both), ("vax", &vax)]);
        let (listener, port) = lab.listen();
        let content = registry(&layout.0, "team/app");
        let realm = format!("http://127.0.0.1:{port}/token");
        serve(listener, move |path, authorization| -> Answer {
            if path == "/token?service=here&scope=repository%3Ateam%2Fapp%3Apull" {
                return (200, String::new(), br#"{"token":"secret"}"#.to_vec());
            }
            if authorization != "Bearer secret" {
                let challenge =
                    format!("Bearer realm=\"{realm}\",service=\"here\",scope=\"repository:team/app:pull\"");
                return (401, format!("WWW-Authenticate: {challenge}\r\n"), Vec::new());
            }
            content(path)
        });
        let name = format!("127.0.0.1:{port}/team/app");
        let pulled = lab.run(&["run", &name]);
        assert_eq!(
            (pulled.code, &*pulled.stdout),
            (Some(0), "from a registry"),
            "index, token, manifest, config and layer are fetched: {pulled:?}"
        );
        assert!(
            pulled.stderr.contains("layer 1/1 sha256:") && pulled.stderr.contains("bytes, verified"),
            "each layer is reported after its digest was checked: {pulled:?}"
        );
        let by_digest = format!("{name}@{}", both["digest"].as_str().unwrap());
        assert_eq!(
            lab.run(&["run", &by_digest]).stdout,
            "from a registry",
            "a digest names the image as a tag does"
        );
        let reason = format!("no manifest for linux/{}; there are: linux/vax", architecture());
        assert_refused(&lab, &lab.run(&["run", &format!("{name}:vax")]), &reason);
        let missing = lab.run(&["run", &format!("{name}:none")]);
        assert_refused(
            &lab,
            &missing,
            "the registry answers 404 Not Found\nhint: the registry has no such image",
        );
    }
}

#[test]
fn t10_a_registry_is_trusted_if_its_authority_is_named() {
    let _chapter = REGISTRIES.explains();
    for lab in everyone() {
        let layout = Layout::new(lab.dir.join("layout"));
        let Some(busybox) = busybox() else { return };
        let ours = layout.manifest(&[busybox.end()], &json!({ "Cmd": ["/bin/sh", "-c", "echo over TLS"] }));
        layout.publish(&[("latest", &ours)]);
        // An address of this lab only. To the loopback address the step would speak plain HTTP.
        let Some((listener, port)) = lab.listen_at("192.0.2.7") else { continue };
        certificates(&lab.dir, "192.0.2.7");
        let content = registry(&layout.0, "app");
        serve_tls(listener, &lab.dir, move |path, _| content(path));
        let name = format!("192.0.2.7:{port}/app");
        let refused = lab.run(&["run", &name]);
        assert_refused(&lab, &refused, "certificate");
        assert!(
            refused.stderr.contains(
                "hint: if an authority of your own signed the certificate, name it: SSL_CERT_FILE="
            ),
            "an unknown authority is not trusted, and the hint says how to name one: {refused:?}"
        );
        let authority = lab.dir.join("ca.crt").to_string_lossy().into_owned();
        let pulled = lab.shell(&format!("SSL_CERT_FILE={authority} exec $P run {name}"));
        assert_eq!(
            (pulled.code, &*pulled.stdout),
            (Some(0), "over TLS"),
            "with the authority's certificate the registry is trusted: {pulled:?}"
        );
        let missing = lab.shell(&format!("SSL_CERT_FILE=/no/such.pem exec $P run {name}"));
        assert_refused(&lab, &missing, "SSL_CERT_FILE: read /no/such.pem: ENOENT");
    }
}

#[test]
fn t11_a_refusal_of_a_registry_is_explained() {
    let _chapter = REGISTRIES.explains();
    for lab in everyone() {
        let (listener, port) = lab.listen();
        serve(listener, |path, _| {
            let status = path.rsplit('/').next().and_then(|tag| tag.trim_start_matches('s').parse().ok());
            (status.unwrap_or(500), String::new(), Vec::new())
        });
        for (status, reason) in [
            (401, "this step knows only Bearer"),
            (403, "403 Forbidden\nhint: the image is private or does not exist"),
            (429, "429 Too Many Requests\nhint: too many requests"),
            (503, "503 Service Unavailable\nhint: the registry itself has a problem"),
        ] {
            assert_refused(&lab, &lab.run(&["run", &format!("localhost:{port}/x:s{status}")]), reason);
        }
        assert_refused(
            &lab,
            &lab.run(&["run", "127.0.0.1:9/x"]),
            "GET http://127.0.0.1:9/v2/x/manifests/latest: ECONNREFUSED: Connection refused",
        );
    }
}

#[test]
fn t12_a_broken_image_is_refused_with_the_reason() {
    let _chapter = IMAGES.explains();
    for lab in everyone() {
        let Some(layout) = image(&lab, &[], &Value::Null) else { return };
        let name = layout.name();
        assert_refused(&lab, &lab.run(&["run", &format!("{name}:none")]), "no tag none in");
        assert_refused(&lab, &lab.run(&["run", "/no/such/layout"]), "stat(/no/such/layout): ENOENT");
        assert_refused(
            &lab,
            &lab.run(&["run", "/usr"]),
            "/usr is not an OCI layout: it has no file oci-layout",
        );
        let descriptor = |digest: &str| json!({ "mediaType": "x", "digest": digest, "size": 3 });
        layout.publish(&[("x", &descriptor("sha256:../../../../etc/passwd"))]);
        assert_refused(
            &lab,
            &lab.run(&["run", &name, "/bin/id"]),
            "\"sha256:../../../../etc/passwd\" is not a sha256 digest",
        );
        let mut zstd = layout.layer(&Tar::new().end());
        zstd["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+zstd");
        layout.publish(&[("x", &layout.manifest_of(vec![zstd], &json!(["sha256:0"]), &Value::Null))]);
        let refused = lab.run(&["run", &name, "/bin/id"]);
        assert_refused(&lab, &refused, "it is compressed by zstd, and this step reads only gzip");
        assert!(
            refused.stderr.contains("skopeo copy --dest-compress-format gzip"),
            "the hint names a command that makes a gzip copy: {refused:?}"
        );
        let odd = layout.blob("application/x-rar", b"Rar!");
        layout.publish(&[("x", &layout.manifest_of(vec![odd], &json!(["sha256:0"]), &Value::Null))]);
        let reason = "it is of type \"application/x-rar\", and this step reads only gzip and plain tar";
        assert_refused(&lab, &lab.run(&["run", &name, "/bin/id"]), reason);
        let half = gzip(&Tar::new().file("x", "x").end());
        let half = layout.blob("application/vnd.oci.image.layer.v1.tar+gzip", &half[..half.len() / 2]);
        layout.publish(&[("x", &layout.manifest_of(vec![half], &json!(["sha256:0"]), &Value::Null))]);
        assert_refused(&lab, &lab.run(&["run", &name, "/bin/id"]), "error: image");
    }
}

#[test]
fn t13_the_name_servers_are_those_of_the_host() {
    let _chapter = IMAGES.explains();
    for lab in everyone() {
        let theirs =
            Tar::new().directory("etc/").link("etc/resolv.conf", "/etc/passwd").file("etc/passwd", "");
        let Some(layout) = image(&lab, &[theirs.end()], &Value::Null) else { return };
        let asked = lab.run(&["run", "--diff", &layout.name(), "/bin/cat", "/etc/resolv.conf"]);
        let ours = lab.shell("cat /run/systemd/resolve/resolv.conf 2>/dev/null || cat /etc/resolv.conf");
        assert!(
            asked.code == Some(0) && asked.stdout.starts_with(&ours.stdout),
            "/etc/resolv.conf is the host's, in a layer of its own: {asked:?}"
        );
        assert!(
            !asked.stdout.contains("/etc"),
            "the step's own layer is not a change of the container: {asked:?}"
        );
    }
}

#[test]
fn t14_two_containers_of_one_image_share_no_writes() {
    let _chapter = IMAGES.explains();
    for lab in everyone() {
        let Some(layout) = image(&lab, &[], &Value::Null) else { return };
        let name = layout.name();
        let mut one = lab.start(&["run", &name, "/bin/sh", "-c", "echo one >/file; echo ready; sleep 60"]);
        assert_eq!(one.line(), "ready");
        let other = lab.run(&["run", "--diff", &name, "/bin/sh", "-c", "ls /file; echo two >/file"]);
        assert!(
            other.stdout.contains("A /file") && other.stderr.contains("/file: No such file"),
            "each container has an upper directory of its own (step 4): {other:?}"
        );
        let entered = lab.run(&["enter", &one.inside.to_string(), "/bin/cat", "/file"]);
        assert_eq!(entered.stdout, "one", "the other container changed this one's file: {entered:?}");
    }
}

#[test]
fn t15_nothing_stays_after_any_end() {
    let _chapter = IMAGES.explains();
    for lab in everyone() {
        let Some(layout) = image(&lab, &[], &Value::Null) else { return };
        let name = layout.name();
        let ended = lab.run(&["-v", "run", &name, "no-such-program"]);
        assert_eq!(
            (ended.code, lab.left()),
            (Some(127), vec![]),
            "no directory stays after a program that does not exist: {ended:?}"
        );
        for by in [Signal::SIGTERM, Signal::SIGKILL] {
            let mut running = lab.start(&["run", &name, "/bin/sh", "-c", "echo ready; sleep 60"]);
            assert_eq!(running.line(), "ready");
            assert!(
                running.trace.contains("mkdir(") && lab.left().len() == 2,
                "while it runs there are two directories: {:?}",
                lab.left()
            );
            running.signal(by);
            running.assert_nothing_left();
            wait_for("the directories to be gone", || lab.left().is_empty());
        }
        // In the middle of a download that never ends.
        for by in [Signal::SIGINT, Signal::SIGKILL] {
            let (listener, port) = lab.listen();
            let (asked, is_asked) = mpsc::channel();
            let (_held, never) = mpsc::channel::<()>();
            serve(listener, move |_, _| {
                let _ = asked.send(()).map(|()| never.recv());
                (500, String::new(), Vec::new())
            });
            let mut child = lab.program(&["run", &format!("127.0.0.1:{port}/x")]).spawn().unwrap();
            is_asked.recv().unwrap();
            assert_eq!(lab.left().len(), 1, "during a download there is one directory");
            kill(Pid::from_raw(child.id() as i32), by).unwrap();
            assert!(!child.wait().unwrap().success());
            wait_for("the directory to be gone", || lab.left().is_empty());
        }
    }
}

#[test]
fn t16_the_escape_of_the_next_step_is_still_possible() {
    let _chapter = NEXT.explains();
    let Some(lab) = everyone().into_iter().find(Lab::is_machines_root) else { return };
    let Some(layout) = image(&lab, &[], &Value::Null) else { return };
    // Root of this container can create any device, also the host's disk. The number here is a loop device's.
    let made = lab.run(&[
        "run",
        &layout.name(),
        "/bin/sh",
        "-c",
        "mknod /disk b 7 0 && ls /disk; grep -E 'CapEff|Seccomp:' /proc/self/status",
    ]);
    assert!(
        made.stdout.contains("/disk\n") && made.stdout.contains("Seccomp:\t0"),
        "root has all capabilities until step 7, so mknod works: {made:?}"
    );
}

#[test]
fn t17_the_trace_shows_the_calls_in_order() {
    let _chapter = IMAGES.explains();
    for lab in everyone() {
        let Some(layout) = image(&lab, &[Tar::new().file("x", "x").end()], &Value::Null) else { return };
        let told = lab.run(&["-v", "run", &layout.name(), "/bin/touch", "/x"]);
        let mut rest = &*told.stderr;
        for chapter in [
            "layer 1/2 sha256:",
            "layer 2/2 sha256:",
            "outside | mkdir(",
            "outside | clone(",
            "inside  | mount(overlay -> ",
            "inside  | pivot_root(",
            "inside  | execve([\"/bin/touch\"",
            "outside | upper/x   file, all 1 bytes of it",
            "outside | removed ",
            "outside | removed ",
        ] {
            let at = rest
                .find(chapter)
                .unwrap_or_else(|| panic!("the trace has to show {chapter:?} next:\n{}", told.stderr));
            rest = &rest[at + 1..];
        }
    }
}

#[test]
fn t18_the_earlier_steps_still_hold() {
    let _chapter = IMAGES.explains();
    for lab in everyone() {
        let Some(layout) = image(&lab, &[], &Value::Null) else { return };
        let script =
            "hostname; echo $PPID; id -u; test -e $0 || echo gone; cat /sys/class/net/lo/flags; exit 3";
        let inside = lab.run(&["run", &layout.name(), "/bin/sh", "-c", script, &lab.dir.to_string_lossy()]);
        assert_eq!(
            (inside.code, &*inside.stdout),
            (Some(3), "box\n1\n0\ngone\n0x9"),
            "hostname, process 1, root, own files, own network, exit code (steps 1 to 5): {inside:?}"
        );
    }
}
