//! The commands for local images: commit, diff, export, history, tree, layers, save, filters.

mod fake_registry;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fake_registry::{Content, MANIFEST, digest, gzip, tar};
use hull_test_support::outcome::{run, run_with_input, wrapped};
use hull_test_support::peers::Dockerd;
use hull_test_support::{Scenario, skip};
use serde_json::json;

#[test]
fn commit_makes_a_layer_of_what_changed() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script = "echo new > /new; mkdir /dir; echo x > /dir/x; ln /new /hard; ln -s /new /soft; rm /etc/issue-of-image; \
                  rm -r /var; mkdir /var; touch /var/anew; chmod 4711 /bin/busybox; chown 5:6 /dir";
    t.ok(&["run", "--name", "box", "-e", "COLOUR=blue", "-w", "/dir", "busybox", "sh", "-c", script]);
    let id = t.ok(&[
        "commit",
        "-a",
        "me",
        "-m",
        "a remark",
        "-c",
        "CMD [\"cat\",\"x\"]",
        "-c",
        "LABEL a=b",
        "box",
        "made:1",
    ]);
    assert!(id.starts_with("sha256:") && id.len() == 71, "{id}");
    assert_eq!(t.ok(&["run", "--rm", "made:1"]), "x");
    let seen = t.ok(&[
        "run",
        "--rm",
        "made:1",
        "sh",
        "-c",
        "cat /new /soft; stat -c '%h %a %u:%g' /new /bin/busybox /dir; ls /var /etc; echo $COLOUR; pwd",
    ]);
    assert_eq!(seen, "new\nnew\n2 644 0:0\n1 4711 0:0\n1 755 5:6\n/etc:\ngroup\nhostname\nhosts\nmtab\npasswd\nresolv.conf\n\n/var:\nanew\nblue\n/dir"
        .replace("1 755 5:6", &t.ok(&["run", "--rm", "made:1", "stat", "-c", "%h 755 5:6", "/dir"])));
    let inspected = t.ok(&[
        "image",
        "inspect",
        "-f",
        "{{.Author}} {{.Comment}} {{.Config.Labels.a}} {{len .RootFS.Layers}}",
        "made:1",
    ]);
    assert_eq!(inspected, "me a remark b 2");
    // The base may be removed, because the new image has its layers.
    t.ok(&["rm", "box"]);
    t.ok(&["rmi", "busybox"]);
    assert_eq!(t.ok(&["run", "--rm", "made:1"]), "x");
}

#[test]
fn commit_keeps_the_exposed_ports_and_the_stop_signal() {
    let Some(t) = Scenario::with_busybox() else { return };
    let flags = ["--expose", "53/udp", "-p", "127.0.0.1::80", "--stop-signal", "SIGUSR1"];
    t.ok(&[&["create", "--name", "box"], &flags[..], &["busybox", "true"]].concat());
    t.ok(&["commit", "box", "first"]);
    let of_image = |name: &str| {
        t.ok(&["image", "inspect", "-f", "{{json .Config.ExposedPorts}} {{.Config.StopSignal}}", name])
    };
    let kept = "{\"53/udp\":{},\"80/tcp\":{}} SIGUSR1";
    assert_eq!(of_image("first"), kept);
    // A container has the settings of its image, and so has an image that is made from the container.
    t.ok(&["create", "--name", "second", "first"]);
    assert_eq!(t.inspect("second", "{{.Config.StopSignal}}"), "SIGUSR1");
    t.ok(&["commit", "second", "third"]);
    assert_eq!(of_image("third"), kept);
}

#[test]
fn commit_freezes_a_container_that_runs() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", "echo here > /file; sleep 100"]);
    hull_test_support::outcome::eventually("it wrote", || t.hull(&["exec", "box", "cat", "/file"]).success());
    t.ok(&["commit", "box", "live"]);
    assert_eq!(t.inspect("box", "{{.State.Status}}"), "running");
    assert_eq!(t.ok(&["run", "--rm", "live", "cat", "/file"]), "here");
    t.ok(&["commit", "--pause=false", "box", "live:2"]);
    assert!(t.hull(&["commit", "none"]).fails(1).contains("none"));
    assert!(t.hull(&["commit", "-c", "RUN x", "box"]).fails(1).contains("change"));
}

#[test]
fn an_unprivileged_user_commits_too() {
    let Some(t) = Scenario::rootless() else { return };
    t.busybox();
    t.ok(&[
        "run",
        "--name",
        "box",
        "busybox",
        "sh",
        "-c",
        "rm -r /var; mkdir /var; rm /etc/issue-of-image; echo x > /x",
    ]);
    t.ok(&["commit", "box", "made"]);
    let seen = t.hull(&["run", "--rm", "made", "sh", "-c", "cat /x; ls /var; ls /etc/issue-of-image"]);
    assert_eq!(seen.stdout, "x\n");
    t.ok(&["rm", "box"]);
}

#[test]
fn diff_lists_what_a_container_changed() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&[
        "run",
        "--name",
        "box",
        "busybox",
        "sh",
        "-c",
        "echo 1 > /etc/added; echo 2 >> /etc/group; rm /etc/issue-of-image; mkdir -p /a/b",
    ]);
    let expected = "A /a\nA /a/b\nC /etc\nA /etc/added\nC /etc/group\nD /etc/issue-of-image";
    assert_eq!(t.ok(&["diff", "box"]), expected);
    t.ok(&["commit", "box", "made"]);
    let image = t.ok(&["image", "diff", "made"]);
    assert_eq!(image, "A /a\nA /a/b\nA /etc/added\nC /etc/group\nD /etc/issue-of-image");
    assert_eq!(t.ok(&["image", "diff", "made", "busybox"]), image);
    assert_eq!(t.ok(&["image", "diff", "busybox", "busybox"]), "");
}

#[test]
fn export_writes_what_the_container_sees_but_for_its_volumes() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&[
        "run",
        "-d",
        "--name",
        "box",
        "-v",
        "vol:/vol",
        "busybox",
        "sh",
        "-c",
        "echo in > /vol/x; echo out > /x; sleep 100",
    ]);
    hull_test_support::outcome::eventually("it wrote", || t.hull(&["exec", "box", "cat", "/x"]).success());
    let list = |file: &str| {
        let path = t.path(file);
        let mut list: Vec<String> =
            run(Command::new("tar").arg("-tf").arg(&path)).ok().lines().map(str::to_owned).collect();
        list.sort();
        list
    };
    t.ok(&["export", "-o", t.path("running.tar").to_str().unwrap(), "box"]);
    t.ok(&["stop", "-t", "0", "box"]);
    let redirected = format!("exec \"$@\" > {}", t.path("stopped.tar").display());
    run(&mut wrapped(&["sh", "-c", &redirected, "sh"], &t.command(&["export", "box"]))).ok();
    for file in ["running.tar", "stopped.tar"] {
        let list = list(file);
        for there in ["x", "etc/passwd", "bin/busybox", "vol/", "proc/", "dev/"] {
            assert!(list.iter().any(|name| name == there), "{there} in {file}: {list:?}");
        }
        assert!(!list.iter().any(|name| name == "vol/x" || name.starts_with("proc/1")), "{file}: {list:?}");
    }
    t.ok(&["import", "-c", "CMD [\"cat\",\"/x\"]", t.path("running.tar").to_str().unwrap(), "flat"]);
    assert_eq!(t.ok(&["run", "--rm", "flat"]), "out");
    t.ok(&["rm", "-v", "box"]);
}

#[test]
fn history_tells_what_an_image_was_made_by() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "--name", "box", "busybox", "sh", "-c", "echo 12345 > /file"]);
    t.ok(&["commit", "-m", "second", "box", "made"]);
    let size = |name: &str| -> u64 { t.ok(&["image", "inspect", "-f", "{{.Size}}", name]).parse().unwrap() };
    assert_eq!(size("made"), size("busybox") + 6);
    let lines = t.ok(&["history", "--format", "{{.ID}}|{{.CreatedBy}}|{{.Size}}|{{.Comment}}", "made"]);
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].ends_with("|sh -c echo 12345 > /file|6B|second"), "{lines:?}");
    assert!(lines[1].starts_with("<missing>|"), "{lines:?}");
    let table = t.ok(&["history", "made"]);
    assert!(table.starts_with("IMAGE"), "{table}");
    let whole = t.ok(&["history", "-q", "--no-trunc", "made"]);
    assert!(whole.starts_with("sha256:") && whole.ends_with("<missing>"), "{whole}");
    assert_eq!(
        t.ok(&["image", "dockerfile", "made"]),
        "FROM scratch\n# a layer of unknown origin\nRUN sh -c echo 12345 > /file"
    );
    let tree = t.ok(&["image", "tree", "made"]);
    assert!(
        tree.contains("Tags:     [made:latest]")
            && tree.contains("├── ID: ")
            && tree.ends_with("Top Layer of: [made:latest]"),
        "{tree}"
    );
    assert!(tree.contains("Top Layer of: [busybox:latest]"), "{tree}");
}

#[test]
fn layers_show_what_is_wasted() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "--name", "one", "busybox", "sh", "-c", "dd if=/dev/zero of=/big bs=1000 count=1000"]);
    t.ok(&["commit", "one", "one"]);
    t.ok(&["run", "--name", "two", "one", "rm", "/big"]);
    t.ok(&["commit", "two", "two"]);
    let rows = t.ok(&["image", "layers", "--format", "{{.Size}} {{.Added}} {{.Deleted}} {{.Wasted}}", "two"]);
    let rows: Vec<_> = rows.lines().collect();
    assert_eq!(&rows[1..], ["1MB 1 0 0B", "0B 0 1 1MB"]);
    let table = t.ok(&["image", "layers", "two"]);
    assert!(table.contains("of which nobody sees 1MB"), "{table}");
}

#[test]
fn names_are_taken_away_and_the_image_stays() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["tag", "busybox", "other:1"]);
    let id = t.ok(&["images", "-q"]);
    assert_eq!(t.ok(&["untag", "busybox", "other:1"]), "Untagged: other:1");
    assert!(t.hull(&["untag", "busybox", "other:1"]).fails(1).contains("is not one of"), "it has it no more");
    assert_eq!(t.ok(&["untag", "busybox"]), "Untagged: busybox:latest");
    assert_eq!(t.ok(&["images", "-q"]), id);
    assert_eq!(t.ok(&["run", "--rm", &id, "echo", "still"]), "still");
    let pruned = t.ok(&["image", "prune", "-f", "--filter", "label=none"]);
    assert!(!pruned.contains("deleted"), "{pruned}");
    assert!(t.ok(&["image", "prune", "-f"]).contains("deleted: sha256:"));
    assert_eq!(t.ok(&["images", "-q"]), "");
}

#[test]
fn images_are_filtered_and_formatted() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["create", "--name", "box", "busybox", "true"]);
    for (name, label) in [("team/one:1", "LABEL kind=a"), ("team/two:1", "LABEL kind=b")] {
        t.ok(&["commit", "-c", label, "box", name]);
    }
    let names = |filter: &str| {
        let listed = t.ok(&["images", "--filter", filter, "--format", "{{.Repository}}"]);
        let mut names: Vec<String> = listed.lines().map(str::to_owned).collect();
        names.sort();
        names.join(" ")
    };
    for (filter, expected) in [
        ("label=kind=a", "team/one"),
        ("label=kind", "team/one team/two"),
        ("label!=kind", "busybox"),
        ("reference=team/*", "team/one team/two"),
        ("reference=*", "busybox"),
        ("before=team/two:1", "busybox team/one"),
        ("since=busybox", "team/one team/two"),
        ("dangling=true", ""),
        ("until=1h", ""),
    ] {
        assert_eq!(names(filter), expected, "{filter}");
    }
    assert!(t.hull(&["images", "--filter", "x=y"]).fails(1).contains("invalid filter"));
    let json = t.ok(&["images", "--format", "json", "team/one"]);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&value["Repository"], &value["Tag"]), (&"team/one".into(), &"1".into()));
    let size: f64 = t.ok(&["image", "inspect", "-f", "{{.Size}}", "busybox"]).parse().unwrap();
    let listed = t.ok(&["images", "--format", "{{.Size}}", "busybox"]);
    assert_eq!(listed, format!("{:.2}MB", size / 1e6), "as docker has it, and what inspect counts in bytes");
    let table = t.ok(&["images", "--format", "table {{.ID}}\t{{.Size}}"]);
    assert!(table.starts_with("IMAGE ID"), "{table}");
    let df = t.ok(&["system", "df", "--format", "{{.Type}} {{.TotalCount}}"]);
    assert!(df.contains("Images 3"), "{df}");
}

#[test]
fn several_images_travel_in_one_archive_compressed_or_not() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "--name", "box", "busybox", "touch", "/x"]);
    t.ok(&["commit", "box", "second:2"]);
    t.ok(&["rm", "box"]);
    for (compression, start) in
        [("", &b"blobs/"[..]), ("gzip", &[0x1f, 0x8b]), ("zstd", &[0x28, 0xb5, 0x2f, 0xfd])]
    {
        let file = t.path(format!("images.{compression}"));
        let mut args = vec!["save", "-o", file.to_str().unwrap()];
        if !compression.is_empty() {
            args.extend(["--compress", compression]);
        }
        args.extend(["busybox", "second:2"]);
        t.ok(&args);
        let bytes = std::fs::read(&file).unwrap();
        assert!(bytes.starts_with(start), "{compression}");
        t.ok(&["rmi", "-f", "busybox", "second:2"]);
        let loaded = run_with_input(&mut t.command(&["load"]), &bytes);
        let mut lines: Vec<_> = loaded.ok().lines().collect();
        lines.sort();
        assert_eq!(lines, ["Loaded image: busybox:latest", "Loaded image: second:2"]);
        assert_eq!(t.ok(&["run", "--rm", "second:2", "ls", "/x"]), "/x");
    }
    if skip::find_program("skopeo").is_some() {
        let archive = t.path("images.");
        let mut skopeo = Command::new("skopeo");
        skopeo.args([
            "--insecure-policy",
            "copy",
            "--quiet",
            &format!("docker-archive:{}:second:2", archive.display()),
        ]);
        run(skopeo.arg(format!("oci:{}", t.path("layout").display()))).ok();
    }
}

#[test]
fn the_root_directory_has_the_owner_and_the_mode_of_the_images() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["create", "--name", "box", "busybox"]);
    t.ok(&["export", "-o", t.path("files.tar").to_str().unwrap(), "box"]);
    let script = "mkdir root && tar -xf files.tar -C root && chmod 711 root && chown 5:6 root && tar -cf root.tar -C root .";
    run(Command::new("sh").args(["-ec", script]).current_dir(t.path(""))).ok();
    t.ok(&["import", t.path("root.tar").to_str().unwrap(), "imported"]);
    for options in [&[][..], &["--rm"], &["--userns", "auto"]] {
        let command = ["imported", "/bin/busybox", "stat", "-c", "%a %u:%g", "/"];
        assert_eq!(t.ok(&[&["run"], options, &command].concat()), "711 5:6", "{options:?}");
    }
}

#[test]
fn an_archive_whose_command_is_killed_leaves_no_part_of_it() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "--name", "box", "busybox", "dd", "if=/dev/urandom", "of=/big", "bs=1M", "count=30"]);
    let target = t.write("out/box.tar", "before");
    let directory = target.parent().unwrap();
    let names = || std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    for delay in [5, 10, 20, 40] {
        let mut export = t.spawn(&["export", "-o", target.to_str().unwrap(), "box"]);
        std::thread::sleep(Duration::from_millis(delay));
        export.kill();
        export.wait();
        assert_eq!(names().collect::<Vec<_>>(), ["box.tar"], "{delay} ms");
    }
    t.ok(&["export", "-o", target.to_str().unwrap(), "box"]);
    assert_eq!(names().collect::<Vec<_>>(), ["box.tar"]);
    assert!(std::fs::metadata(&target).unwrap().len() > 30 << 20);
}

#[test]
fn a_name_without_a_tag_saves_all_of_its_repository_as_docker_does() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "--name", "box", "busybox", "touch", "/x"]);
    for name in ["many:1", "host:5000/many:1"] {
        t.ok(&["commit", "box", name]);
    }
    t.ok(&["tag", "busybox", "many:2"]);
    t.ok(&["tag", "many:1", "many:3"]);
    t.ok(&["rm", "box"]);
    let archive = t.path("many.tar");
    let save = |names: &[&str]| {
        t.ok(&[&["save", "-o", archive.to_str().unwrap()], names].concat());
        saved_names(&archive)
    };
    // None of the images is called `latest`.
    let all = save(&["many"]);
    assert_eq!(all, ["many:1 many:3", "many:2"]);
    assert_eq!(save(&["many:3"]), ["many:3"]);
    assert_eq!(save(&["host:5000/many"]), ["host:5000/many:1"]);
    assert_eq!(save(&["many", "busybox", "many:2"]), ["busybox:latest many:2", "many:1 many:3"]);
    // An image that was given by its id has no name in the archive, even if the id could be a name.
    let id = t.ok(&["images", "-q", "many:1"]);
    assert_eq!(save(&[&id]), [""]);
    t.hull(&["save", "-o", archive.to_str().unwrap(), "many:4"]).fails(1);
    save(&["many"]);
    let Some(dockerd) = Dockerd::start(&t, &t.path("docker")) else { return };
    dockerd.ok(&["load", "-i", archive.to_str().unwrap()]);
    dockerd.ok(&["save", "-o", archive.to_str().unwrap(), "many"]);
    assert_eq!(saved_names(&archive), all);
}

/// The names of each image of an archive, by its `manifest.json`.
fn saved_names(archive: &Path) -> Vec<String> {
    let tar = run(Command::new("tar").arg("-xOf").arg(archive).arg("manifest.json"));
    let images: serde_json::Value = serde_json::from_str(tar.ok()).unwrap();
    let names = |image: &serde_json::Value| -> String {
        let tags = image["RepoTags"].as_array().into_iter().flatten();
        let mut tags: Vec<_> = tags.map(|tag| tag.as_str().unwrap()).collect();
        tags.sort();
        tags.join(" ")
    };
    let mut all: Vec<String> = images.as_array().unwrap().iter().map(names).collect();
    all.sort();
    all
}

#[test]
fn a_configuration_of_lists_is_no_image_to_build_on() {
    let Some(t) = Scenario::start() else { return };
    let layer = tar(&[("x", b"x")]);
    for (field, list) in [("config", "a list"), ("rootfs", "a list")] {
        let mut content = Content::default();
        let diff_ids = json!([digest(&layer)]);
        let mut config = json!({ "architecture": "amd64", "os": "linux", "config": {} });
        config["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
        // Readers of this file would take a list of the fields' values as the fields.
        config[field] =
            if field == "rootfs" { json!(["layers", diff_ids]) } else { json!([null, null, ["A=1"]]) };
        let kind = "application/vnd.oci.image.config.v1+json";
        let config = content.descriptor(kind, config.to_string().into());
        let packed = content.descriptor("application/vnd.oci.image.layer.v1.tar+gzip", gzip(&layer));
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [packed] });
        content.tag("1", MANIFEST, &manifest);
        let server = content.serve(|_, _| None);
        let name = format!("{}/odd:1", server.host);
        if !t.hull(&["pull", &name]).success() {
            continue;
        }
        t.ok(&["image", "inspect", &name]);
        t.ok(&["create", "--name", "box", &name, "/x"]);
        let refused = t.hull(&["commit", "box", "made"]);
        assert!(refused.fails(1).contains(&format!("its \"{field}\" is {list}")), "{refused}");
        t.ok(&["rm", "box"]);
        t.ok(&["rmi", &name]);
    }
}
