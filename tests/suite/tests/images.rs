//! Local images: import, load, save, tag, rmi, and what an archive may contain.

use std::io::Write;
use std::process::{Command, Stdio};

use hull_test_support::outcome::{run, run_with_input, wrapped};
use hull_test_support::{Scenario, fixtures, skip};

#[test]
fn a_debian_minbase_runs_its_own_programs() {
    let tar = match fixtures::debian() {
        Ok(tar) => tar,
        Err(why) => skip!("{why}"),
    };
    let Some(t) = Scenario::start() else { return };
    t.ok(&["import", tar.to_str().unwrap(), "debian"]);
    let packages = t.ok(&["run", "--rm", "debian", "dpkg", "-l"]);
    assert!(packages.lines().any(|l| l.starts_with("ii  base-files")), "{packages}");
    assert_eq!(t.ok(&["run", "--rm", "debian", "perl", "-e", "print 6 * 7"]), "42");
    assert!(t.ok(&["run", "--rm", "debian", "apt-get", "--version"]).starts_with("apt "));
    let owner = t.ok(&["run", "--rm", "debian", "stat", "-c", "%U:%G %a", "/etc/shadow"]);
    assert_eq!(owner, "root:shadow 640");
}

#[test]
fn the_host_image_needs_nothing_downloaded() {
    let Some(t) = Scenario::start() else { return };
    assert_eq!(t.ok(&["run", "--rm", "host", "sh", "-c", "echo $((20 + 22))"]), "42");
    let write = t.hull(&["run", "--rm", "host", "sh", "-c", "echo x > /usr/written-by-test"]);
    assert!(!write.success() && write.stderr.contains("Read-only"), "{write}");
}

#[test]
fn the_machines_own_secrets_are_not_in_the_host_image() {
    let Some(t) = Scenario::start() else { return };
    for path in ["/root/.ssh", "/etc/ssh", "/home/nobody", "/var/lib/dpkg"] {
        assert!(!t.hull(&["run", "--rm", "host", "test", "-e", path]).success(), "{path} is there");
    }
    let shadow = t.hull(&["run", "--rm", "host", "cat", "/etc/shadow"]);
    assert!(!shadow.stdout.contains('$'), "no password hash: {shadow}");
}

#[test]
fn import_takes_plain_gzip_zstd_and_stdin() {
    let Some(t) = Scenario::start() else { return };
    let plain = std::fs::read(fixtures::busybox()).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    for (name, bytes) in [("plain", &plain), ("gzip", &gzip), ("zstd", &zstd)] {
        let file = t.write(&format!("{name}.tar"), bytes);
        let id = t.ok(&["import", file.to_str().unwrap(), name]);
        assert!(id.starts_with("sha256:"), "import prints the image's id: {id}");
        assert_eq!(t.ok(&["run", "--rm", name, "/bin/cat", "/etc/issue-of-image"]), "made for tests");
    }
    run_with_input(&mut t.command(&["import", "-", "piped"]), &gzip).ok();
    assert_eq!(t.ok(&["run", "--rm", "piped", "/bin/cat", "/etc/issue-of-image"]), "made for tests");
}

#[test]
fn a_gzip_of_several_members_is_read_to_its_end() {
    let Some(t) = Scenario::start() else { return };
    let plain = std::fs::read(fixtures::busybox()).unwrap();
    let (first, second) = plain.split_at(plain.len() / 2);
    let mut bytes = Vec::new();
    for part in [first, second] {
        let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        member.write_all(part).unwrap();
        bytes.extend(member.finish().unwrap());
    }
    let file = t.write("members.tar.gz", bytes);
    t.ok(&["import", file.to_str().unwrap(), "members"]);
    assert_eq!(t.ok(&["run", "--rm", "members", "/bin/cat", "/etc/issue-of-image"]), "made for tests");
}

#[test]
fn import_changes_set_what_the_image_runs() {
    let Some(t) = Scenario::start() else { return };
    let tar = fixtures::busybox();
    let changes =
        ["-c", "ENTRYPOINT [\"/bin/echo\"]", "-c", "CMD [\"by\",\"default\"]", "-c", "WORKDIR /tmp"];
    let mut args = vec!["import"];
    args.extend(changes);
    args.extend([
        "-c",
        "ENV COLOUR=blue",
        "-c",
        "USER worker",
        "-c",
        "LABEL a=b",
        tar.to_str().unwrap(),
        "changed",
    ]);
    t.ok(&args);
    assert_eq!(t.ok(&["run", "--rm", "changed"]), "by default");
    assert_eq!(t.ok(&["run", "--rm", "changed", "given"]), "given");
    let state =
        t.ok(&["run", "--rm", "--entrypoint", "/bin/sh", "changed", "-c", "pwd; id -u; echo $COLOUR"]);
    assert_eq!(state, "/tmp\n1000\nblue");
    assert_eq!(t.ok(&["image", "inspect", "-f", "{{.Config.Labels.a}}", "changed"]), "b");
}

/// Loads what skopeo wrote and runs it.
fn assert_loads_and_runs(format: &str) {
    let archive = match fixtures::by_skopeo(format, "example/box:1.2") {
        Ok(archive) => archive,
        Err(why) => skip!("{why}"),
    };
    let Some(t) = Scenario::start() else { return };
    let printed = t.ok(&["load", "-i", archive.to_str().unwrap()]);
    assert!(printed.starts_with("Loaded image"), "{printed}");
    let id = t.ok(&["images", "-q"]);
    assert_eq!(id.lines().count(), 1, "one image: {id}");
    assert_eq!(t.ok(&["run", "--rm", &id, "cat", "/etc/issue-of-image"]), "made for tests");
    if format == "docker-archive" {
        assert_eq!(t.ok(&["run", "--rm", "example/box:1.2", "echo", "by name"]), "by name");
    }
}

#[test]
fn a_docker_archive_by_skopeo_loads_and_runs() {
    assert_loads_and_runs("docker-archive");
}

#[test]
fn an_oci_archive_by_skopeo_loads_and_runs() {
    assert_loads_and_runs("oci-archive");
}

#[test]
fn an_oci_layout_directory_loads_and_runs() {
    assert_loads_and_runs("oci");
}

/// The output of a program for these bytes on its stdin.
fn piped(program: &str, args: &[&str], bytes: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{program} {args:?}");
    output.stdout
}

fn has_packers() -> bool {
    let absent = ["xz", "bzip2"].into_iter().find(|program| skip::find_program(program).is_none());
    absent.map(|program| skip::skip(&format!("{program} is not installed"))).is_none()
}

#[test]
fn xz_and_bzip2_are_read_as_docker_reads_them() {
    if !has_packers() {
        return;
    }
    let Some(t) = Scenario::with_busybox() else { return };
    let diff_ids = |name: &str| t.ok(&["image", "inspect", "-f", "{{.RootFS.Layers}}", name]);
    let plain = std::fs::read(fixtures::busybox()).unwrap();
    let (first, second) = plain.split_at(plain.len() / 2 + 7);
    let several = |program: &str| [first, second].map(|part| piped(program, &["-c"], part)).concat();
    for (what, bytes) in [
        ("xz", piped("xz", &["-c"], &plain)),
        // The largest dictionary of a level, and another kind of checksum.
        ("xz -9", piped("xz", &["-9", "--check=sha256", "-c"], &plain)),
        ("xz in blocks", piped("xz", &["--block-size=300000", "-c"], &plain)),
        ("xz in streams", several("xz")),
        ("bzip2", piped("bzip2", &["-c"], &plain)),
        ("bzip2 in streams", several("bzip2")),
    ] {
        let limited = wrapped(&["prlimit", "--data=120000000"], &t.command(&["import", "-", "packed"]));
        run_with_input(&mut { limited }, &bytes).ok();
        assert_eq!(diff_ids("packed"), diff_ids("busybox"), "{what}");
        t.ok(&["rmi", "packed"]);
    }
    let saved = t.path("saved.tar");
    t.ok(&["save", "-o", saved.to_str().unwrap(), "busybox"]);
    let saved = std::fs::read(saved).unwrap();
    t.ok(&["rmi", "busybox"]);
    for program in ["xz", "bzip2"] {
        let archive = t.write(&format!("saved.{program}"), piped(program, &["-c"], &saved));
        assert_eq!(t.ok(&["load", "-i", archive.to_str().unwrap()]), "Loaded image: busybox:latest");
        t.ok(&["rmi", "busybox"]);
    }
}

#[test]
fn a_layer_that_no_media_type_can_name_is_stored_plain() {
    if !has_packers() {
        return;
    }
    let Some(t) = Scenario::with_busybox() else { return };
    let id = t.ok(&["image", "inspect", "-f", "{{.Id}}", "busybox"]);
    let hex = id.strip_prefix("sha256:").unwrap();
    let config = std::fs::read(t.data_root().join("blobs/sha256").join(hex)).unwrap();
    t.ok(&["rmi", "busybox"]);
    for program in ["xz", "bzip2"] {
        let layer = piped(program, &["-c"], &std::fs::read(fixtures::busybox()).unwrap());
        let listed =
            format!(r#"[{{"Config":"c.json","RepoTags":["by:{program}"],"Layers":["l/layer.tar"]}}]"#);
        let mut archive = tar::Builder::new(Vec::new());
        for (path, bytes) in
            [("c.json", &config[..]), ("l/layer.tar", &layer), ("manifest.json", listed.as_bytes())]
        {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, path, bytes).unwrap();
        }
        run_with_input(&mut t.command(&["load"]), &archive.into_inner().unwrap()).ok();
        let name = format!("by:{program}");
        let diff_id = t.ok(&["image", "inspect", "-f", "{{index .RootFS.Layers 0}}", &name]);
        let blob = t.data_root().join("blobs").join(diff_id.replace(':', "/"));
        assert!(blob.exists(), "{program}: the blob is what was in it");
        assert_eq!(t.ok(&["run", "--rm", &name, "/bin/cat", "/etc/issue-of-image"]), "made for tests");
        t.ok(&["rmi", &name]);
    }
}

#[test]
fn damaged_xz_and_bzip2_and_dictionaries_without_measure_are_refused() {
    if !has_packers() {
        return;
    }
    let Some(t) = Scenario::start() else { return };
    let plain = std::fs::read(fixtures::busybox()).unwrap();
    let import = |bytes: &[u8]| {
        let limited = wrapped(&["prlimit", "--data=120000000"], &t.command(&["import", "-", "wrong"]));
        run_with_input(&mut { limited }, bytes)
    };
    for program in ["xz", "bzip2"] {
        let whole = piped(program, &["-c"], &plain);
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 0x10;
        // A single byte, and the state that an interrupted download leaves.
        let cut =
            [10, whole.len() / 3, whole.len() - 40, whole.len() - 1].map(|length| whole[..length].to_vec());
        for (number, bytes) in [flipped].into_iter().chain(cut).enumerate() {
            let refused = import(&bytes);
            refused.fails(1);
            assert!(!refused.stderr.contains("panicked"), "{program} {number}: {refused}");
        }
    }
    let large = piped("xz", &["--lzma2=preset=0,dict=100MiB", "-c"], &plain[..100_000]);
    assert!(import(&large).fails(1).contains("dictionary is larger than the 64 MiB"), "{:?}", import(&large));
    assert_eq!(t.ok(&["images", "-aq"]), "");
}

#[test]
fn load_reads_an_archive_from_stdin() {
    let Some(t) = Scenario::with_busybox() else { return };
    let file = t.path("saved.tar");
    t.ok(&["save", "-o", file.to_str().unwrap(), "busybox"]);
    let other = t.second_root();
    let loaded = run_with_input(&mut other.command(&["load"]), &std::fs::read(&file).unwrap());
    assert_eq!(loaded.ok(), "Loaded image: busybox:latest");
    assert_eq!(other.ok(&["run", "--rm", "busybox", "echo", "travelled"]), "travelled");
}

#[test]
fn skopeo_accepts_what_save_writes() {
    if skip::find_program("skopeo").is_none() {
        skip!("skopeo is not installed");
    }
    let Some(t) = Scenario::with_busybox() else { return };
    for format in ["docker-archive", "oci-archive"] {
        let file = t.path(format!("{format}.tar"));
        t.ok(&["save", "--format", format, "-o", file.to_str().unwrap(), "busybox"]);
        let copy = t.path(format!("{format}.copy"));
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["--insecure-policy", "copy", &format!("{format}:{}", file.display())]);
        run(skopeo.arg(format!("oci:{}", copy.display()))).ok();
    }
}

#[test]
fn images_are_listed_tagged_and_removed_by_name_and_id() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["tag", "busybox", "other/name:2"]);
    let list = t.ok(&["images"]);
    let header: Vec<_> =
        list.lines().next().unwrap().split("  ").map(str::trim).filter(|c| !c.is_empty()).collect();
    assert_eq!(header, ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
    assert!(
        list.lines().any(|l| l.starts_with("other/name") && l.split_whitespace().nth(1) == Some("2")),
        "{list}"
    );
    let untagged = t.ok(&["rmi", "other/name:2"]);
    assert_eq!(untagged, "Untagged: other/name:2");
    let id = t.ok(&["images", "-q"]);
    assert_eq!(id.len(), 12, "a short id: {id}");
    let removed = t.ok(&["rmi", &id]);
    assert!(
        removed.contains("Untagged: busybox:latest") && removed.contains("Deleted: sha256:"),
        "{removed}"
    );
    assert_eq!(t.ok(&["images", "-q"]), "");
    let layers = std::fs::read_dir(t.data_root().join("layers")).map_or(0, |dir| dir.count());
    assert_eq!(layers, 0, "no layer stays");
}

#[test]
fn an_image_in_use_is_not_removed() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "user", "busybox", "sleep", "100"]);
    let refused = t.hull(&["rmi", "busybox"]);
    assert!(refused.fails(1).contains("is used by container user"), "{refused}");
    assert_eq!(t.ok(&["exec", "user", "echo", "alive"]), "alive");
    t.ok(&["rm", "-f", "user"]);
    t.ok(&["rmi", "busybox"]);
}

#[test]
fn an_image_is_not_removed_under_a_container_that_is_being_made() {
    let Some(t) = Scenario::start() else { return };
    for round in 0..20 {
        t.busybox();
        let name = format!("racer-{round}");
        let create = t.spawn(&["create", "--name", &name, "busybox", "true"]);
        std::thread::sleep(std::time::Duration::from_micros(round * 150));
        let removed = t.hull(&["rmi", "busybox"]);
        let created = create.wait();
        assert_ne!(created.success(), removed.success(), "{created}{removed}");
        if created.success() {
            t.ok(&["start", "-a", &name]);
            t.ok(&["rm", &name]);
        }
    }
}
