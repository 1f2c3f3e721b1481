//! The store of images: thousands of names, damage, kills, and what other programs read in it.

mod fake_registry;

use std::path::{Path, PathBuf};
use std::process::Command;

use fake_registry::tar;
use hull_test_support::damage::{DAMAGES, damage};
use hull_test_support::outcome::{run, wrapped};
use hull_test_support::{Scenario, skip};
use serde_json::Value;

fn import(t: &Scenario, name: &str, content: &str) -> String {
    let archive = t.write("import.tar", tar(&[("file", content.as_bytes())]));
    t.ok(&["import", archive.to_str().unwrap(), name]);
    t.ok(&["image", "inspect", "-f", "{{.Id}}", name])
}

/// The names in `index.json`, as other programs find them.
fn indexed(t: &Scenario) -> Vec<String> {
    let index: Value =
        serde_json::from_slice(&std::fs::read(t.data_root().join("index.json")).unwrap()).unwrap();
    let name =
        |entry: &Value| entry["annotations"]["org.opencontainers.image.ref.name"].as_str().map(Into::into);
    index["manifests"].as_array().unwrap().iter().filter_map(name).collect()
}

fn listed(t: &Scenario) -> Vec<String> {
    let mut names: Vec<String> = t
        .ok(&["images", "--format", "docker.io/library/{{.Repository}}:{{.Tag}}"])
        .lines()
        .map(Into::into)
        .collect();
    names.sort();
    names
}

#[test]
fn a_run_looks_at_no_other_name() {
    let Some(t) = Scenario::with_busybox() else { return };
    let image = t.busybox();
    t.ok(&["tag", image, "other:1"]);
    // A command that reads the index, or the directory of all names, finds something there that is not an entry.
    let index = t.data_root().join("index.json");
    let names = t.data_root().join("images/names");
    std::fs::rename(&index, t.path("saved")).unwrap();
    std::fs::create_dir(&index).unwrap();
    std::fs::write(names.join("docker.io%library%other:1"), "{").unwrap();
    assert_eq!(t.ok(&["run", "--rm", "--network", "none", image, "echo", "works"]), "works");
    std::fs::remove_dir(&index).unwrap();
    std::fs::rename(t.path("saved"), &index).unwrap();
}

#[test]
fn many_names_are_taken_away_by_one_change() {
    let Some(t) = Scenario::start() else { return };
    import(&t, "x", "1");
    let names: Vec<String> = (0..60).map(|at| format!("many:{at}")).collect();
    names.iter().for_each(|name| drop(t.ok(&["tag", "x", name])));
    assert_eq!(indexed(&t).len(), 61);
    let mut verb = vec!["rmi", "nobody:1"];
    verb.extend(names[..50].iter().map(String::as_str));
    let removed = t.hull(&verb);
    assert!(removed.fails(1).contains("No such image: nobody:1"), "{removed}");
    assert_eq!(removed.stdout.matches("Untagged: many:").count(), 50);
    assert_eq!(indexed(&t), listed(&t));
    assert_eq!(indexed(&t).len(), 11);
    t.ok(&["rmi", "-f", "many:50", "many:51", "x"]);
    assert_eq!(t.ok(&["images", "--format", "{{.Tag}}", "many"]).lines().count(), 8);
}

#[test]
fn several_at_once_lose_none_of_each_others_names() {
    let Some(t) = Scenario::start() else { return };
    import(&t, "x", "1");
    for round in 0..6 {
        let names: Vec<String> = (0..8).map(|at| format!("n{round}:{at}")).collect();
        let tags: Vec<_> = names.iter().map(|name| t.spawn(&["tag", "x", name])).collect();
        tags.into_iter().for_each(|tag| drop(tag.wait().ok().to_owned()));
        let removals: Vec<_> = names[..4].iter().map(|name| t.spawn(&["rmi", name])).collect();
        removals.into_iter().for_each(|removal| drop(removal.wait().ok().to_owned()));
        assert_eq!(indexed(&t), listed(&t));
        assert_eq!(indexed(&t).len(), 1 + 4 * (round + 1));
    }
}

#[test]
fn a_kill_leaves_names_that_the_next_change_puts_right() {
    let Some(t) = Scenario::start() else { return };
    import(&t, "x", "1");
    for round in 0..40_u64 {
        let name = format!("n:{round}");
        let mut tag = t.spawn(&["tag", "x", &name]);
        std::thread::sleep(std::time::Duration::from_micros(round * 150));
        tag.kill();
        drop(tag.wait());
        let before = listed(&t);
        assert!(before.contains(&"docker.io/library/x:latest".to_owned()));
        t.ok(&["tag", "x", "after"]);
        assert_eq!(indexed(&t), listed(&t), "round {round}");
        assert_eq!(
            listed(&t).len(),
            before.len() + usize::from(!before.contains(&"docker.io/library/after:latest".into()))
        );
        t.ok(&["rmi", "after"]);
    }
    assert_eq!(t.ok(&["system", "check"]), "The store is what it should be.");
}

/// A fork copies only the calling thread, together with all locks that another thread holds.
#[test]
fn who_clones_a_container_unpacks_without_a_thread() {
    let Some(strace) = skip::find_program("strace") else { return skip::skip("strace is not installed") };
    let Some(t) = Scenario::start() else { return };
    // More layers than a single thread unpacks.
    import(&t, "x", &"0123456789abcdef".repeat(50_000));
    let forget = || {
        for layer in std::fs::read_dir(t.data_root().join("layers")).unwrap() {
            std::fs::remove_dir_all(layer.unwrap().path()).unwrap();
        }
    };
    forget();
    let watched = [strace.to_str().unwrap(), "-o", "calls", "-e", "trace=clone,clone3,fork,vfork"];
    run(&mut wrapped(&watched, &t.command(&["create", "x", "true"]))).ok();
    let calls = std::fs::read_to_string(t.path("calls")).unwrap();
    assert!(calls.contains("SIGCHLD"), "the work has a process of its own: {calls}");
    assert!(!calls.contains("CLONE_THREAD"), "{calls}");
    // Errors in the child are printed here.
    forget();
    let layer = t.ok(&["image", "inspect", "-f", "{{index .RootFS.Layers 0}}", "x"]);
    damage(&t.data_root().join("blobs/sha256").join(&layer[7..]), "half");
    let refused = t.hull(&["create", "x", "true"]);
    let refused = refused.fails(1);
    assert!(refused.contains("archive is damaged") && refused.contains("hint: "), "{refused}");
}

#[test]
fn skopeo_reads_the_store_itself() {
    if skip::find_program("skopeo").is_none() {
        skip!("skopeo is not installed");
    }
    let Some(t) = Scenario::start() else { return };
    import(&t, "x", "1");
    t.ok(&["tag", "x", "y:2"]);
    t.ok(&["rmi", "x"]);
    let mut skopeo = Command::new("skopeo");
    let layout = format!("oci:{}:docker.io/library/y:2", t.data_root().display());
    skopeo.args(["inspect", "--format", "{{len .Layers}}", &layout]);
    assert_eq!(run(&mut skopeo).ok(), "1");
}

/// The files of the store that belong to one image: manifest, configuration, layer, the notes about the layer, and the
/// entry.
fn files_of(t: &Scenario, name: &str) -> Vec<PathBuf> {
    let data = t.data_root();
    let descriptor = t.ok(&["image", "inspect", "-f", "{{.Descriptor.digest}}", name]);
    let blob = |digest: &str| data.join("blobs/sha256").join(&digest[7..]);
    let manifest: Value = serde_json::from_slice(&std::fs::read(blob(&descriptor)).unwrap()).unwrap();
    let layer = t.ok(&["image", "inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", name]);
    vec![
        blob(&descriptor),
        blob(manifest["config"]["digest"].as_str().unwrap()),
        blob(manifest["layers"][0]["digest"].as_str().unwrap()),
        Path::new(&layer).with_file_name("size"),
        data.join("images/names").join(format!("docker.io%library%{name}:latest")),
        data.join("index.json"),
    ]
}

/// For each file of an image and each kind of damage: every verb works for the other images, and the image can be removed.
#[test]
fn one_damaged_image_is_in_nobodys_way() {
    let Some(t) = Scenario::with_busybox() else { return };
    let good = t.busybox();
    t.ok(&["run", "-d", "--name", "box", good, "sleep", "1000"]);
    for at in 0..6 {
        for how in DAMAGES {
            import(&t, "bad", "damaged soon");
            let file = &files_of(&t, "bad")[at];
            damage(file, how);
            let what = format!("{} damaged by {how}", file.display());
            for verb in [
                &["images"][..],
                &["images", "-q", "--no-trunc"],
                &["images", "--filter", "dangling=false"],
                &["ps", "-a"],
                &["system", "df"],
                &["image", "prune", "-f"],
                &["run", "--rm", "--network", "none", good, "true"],
                &["image", "inspect", good],
                &["image", "tree", good],
                &["info"],
                &["tag", good, "more:1"],
                &["rmi", "more:1"],
            ] {
                let outcome = t.hull(verb);
                assert!(outcome.success(), "{what}: {verb:?}: {outcome}");
            }
            assert!(t.ok(&["images"]).contains("bad "), "{what}: it is listed");
            if at < 2 {
                let listed = t.hull(&["images"]);
                assert!(listed.stderr.contains("image bad:latest is damaged"), "{what}: {listed}");
                assert!(listed.stdout.contains("damaged"), "{what}: {listed}");
            }
            let removed = t.hull(&["rmi", "-f", "bad"]);
            assert!(removed.success(), "{what}: {removed}");
            assert!(!t.ok(&["images"]).contains("bad "), "{what}: it is gone");
        }
    }
    t.ok(&["rm", "-f", "box"]);
    assert_eq!(t.ok(&["system", "check"]), "The store is what it should be.");
}

/// The marks that overlay makes for deletions, and other files that a container can leave, do not count as damage.
#[test]
fn a_check_finds_nothing_wrong_with_what_commit_made() {
    let Some(t) = Scenario::with_busybox() else { return };
    let image = t.busybox();
    let below =
        "mkdir -p /d/sub /o/sub; echo 1 > /d/file; echo 2 > /d/sub/file; echo 3 > /o/file; touch /gone";
    let above = "rm /gone; rm -r /d/sub; rm -r /o; mkdir /o; echo new > /o/new; echo a > /one; ln /one /two; \
                 ln -s /nowhere /link; mkfifo /fifo; dd if=/dev/zero of=/sparse bs=1 count=1 seek=1000000 2>/dev/null; \
                 mkdir -m 1777 /sticky; chown 7:8 /two; mknod /null c 1 3; mknod /block b 7 0";
    for (name, from, script) in [("below", image, below), ("above", "below", above)] {
        t.ok(&["run", "--name", "box", "--cap-add", "MKNOD", from, "sh", "-c", script]);
        if name == "above" {
            let upper = t.inspect("box", "{{.GraphDriver.Data.UpperDir}}");
            let mut set = Command::new("setfattr");
            set.args(["-n", "user.note", "-v", "kept"]).arg(Path::new(&upper).join("one"));
            let _ = set.status();
        }
        t.ok(&["commit", "box", name]);
        t.ok(&["rm", "box"]);
    }
    // A moment after the layers were made, because the times of whiteouts would show a difference.
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(t.ok(&["system", "check"]), "The store is what it should be.");
    let archive = t.path("archive.tar");
    t.ok(&["save", "-o", archive.to_str().unwrap(), "above"]);
    t.ok(&["rmi", "above", "below"]);
    t.ok(&["load", "-i", archive.to_str().unwrap()]);
    assert_eq!(t.ok(&["system", "check"]), "The store is what it should be.");
    assert_eq!(
        t.ok(&["run", "--rm", "above", "sh", "-c", "ls -d /gone /d/sub /o/* 2>/dev/null; true"]),
        "/o/new"
    );
}

#[test]
fn a_layer_that_images_share_is_counted_once() {
    let Some(t) = Scenario::with_busybox() else { return };
    let image = t.busybox();
    let size = || -> String {
        t.ok(&["system", "df", "--format", "{{.Type}} {{.Size}}"]).lines().next().unwrap().into()
    };
    let alone = size();
    for name in ["one", "two", "three"] {
        t.ok(&["run", "--name", name, image, "touch", "/empty"]);
        t.ok(&["commit", name, name]);
    }
    assert_eq!(size(), alone);
    let usage = t.ok(&["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}} {{.Reclaimable}}"]);
    // docker's command line counts as used only the space that an image shares with no other.
    let reclaimable = format!("Images 4 1 {} (100%)", alone.trim_start_matches("Images "));
    assert!(usage.starts_with(&reclaimable), "{reclaimable}: {usage}");
    t.ok(&["rm", "one", "two", "three"]);
}

#[test]
fn the_merged_directory_of_a_container_shows_its_files() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", t.busybox(), "sh", "-c", "echo here > /made; sleep 1000"]);
    let merged = t.inspect("box", "{{.GraphDriver.Data.MergedDir}}");
    hull_test_support::outcome::eventually("the file is there", || Path::new(&merged).join("made").exists());
    assert_eq!(std::fs::read_to_string(Path::new(&merged).join("made")).unwrap(), "here\n");
    t.ok(&["rm", "-f", "box"]);
    let keys = "{{.GraphDriver.Data.MergedDir}} {{.GraphDriver.Data.WorkDir}}";
    assert!(t.ok(&["image", "inspect", "-f", keys, t.busybox()]).contains("/merged "));
}
