//! Files with holes keep their holes on every way into and out of a container.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use hull_test_support::Scenario;
use hull_test_support::outcome::{run, wrapped};

/// The length of the file. Much less may be allocated for it.
const LENGTH: u64 = 200 << 20;
const LITTLE: u64 = 8 << 20;

/// The allocated bytes below a path.
fn allocated(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let below = fs::read_dir(path).into_iter().flatten().flatten();
    metadata.blocks() * 512 + below.map(|entry| allocated(&entry.path())).sum::<u64>()
}

/// A stopped container with a file that consists almost only of a hole.
fn with_hole(t: &Scenario) {
    let script = format!("echo begin > /hole; truncate -s {} /hole; echo end >> /hole", LENGTH - 4);
    t.ok(&["run", "--name", "box", "busybox", "sh", "-c", &script]);
}

#[track_caller]
fn is_whole_in(t: &Scenario, image: &str) {
    let script = "stat -c '%s %b' /hole; head -n 1 /hole; tail -c 4 /hole";
    let seen = t.ok(&["run", "--rm", image, "sh", "-c", script]);
    let lines: Vec<&str> = seen.lines().collect();
    let (size, blocks) = lines[0].split_once(' ').expect("two numbers");
    assert_eq!((size, lines[1], lines[2]), (LENGTH.to_string().as_str(), "begin", "end"));
    assert!(blocks.parse::<u64>().unwrap() * 512 < LITTLE, "{blocks} blocks");
}

#[test]
fn an_image_of_a_container_with_a_hole_takes_little() {
    let Some(t) = Scenario::with_busybox() else { return };
    with_hole(&t);
    let before = allocated(&t.data_root());
    t.ok(&["commit", "box", "image"]);
    let grown = allocated(&t.data_root()) - before;
    assert!(grown < LITTLE, "{grown} bytes");
    is_whole_in(&t, "image");

    let archive = t.path("image.tar");
    t.ok(&["save", "-o", archive.to_str().unwrap(), "image"]);
    let length = fs::metadata(&archive).unwrap().len();
    assert!(length > LENGTH && allocated(&archive) < LITTLE, "{length}, {}", allocated(&archive));
    let other = t.second_root();
    other.ok(&["load", "-i", archive.to_str().unwrap()]);
    assert!(allocated(&other.data_root()) < 2 * LITTLE);
    is_whole_in(&other, "image");
}

#[test]
fn an_export_with_a_hole_takes_little_and_so_does_what_is_imported() {
    let Some(t) = Scenario::with_busybox() else { return };
    with_hole(&t);
    let archive = t.path("export.tar");
    t.ok(&["export", "-o", archive.to_str().unwrap(), "box"]);
    assert!(fs::metadata(&archive).unwrap().len() > LENGTH && allocated(&archive) < LITTLE);
    let before = allocated(&t.data_root());
    t.ok(&["import", archive.to_str().unwrap(), "again"]);
    assert!(allocated(&t.data_root()) - before < LITTLE);
    is_whole_in(&t, "again");
    let counted = run(&mut wrapped(&["sh", "-c", "\"$0\" \"$@\" | wc -c"], &t.command(&["export", "box"])));
    let piped: u64 = counted.ok().trim().parse().unwrap();
    assert_eq!(piped, fs::metadata(&archive).unwrap().len(), "a pipe gets every byte");
}

#[test]
fn cp_keeps_holes_both_ways_and_through_a_tar() {
    let Some(t) = Scenario::with_busybox() else { return };
    with_hole(&t);
    let copy = t.path("copy");
    t.ok(&["cp", "box:/hole", copy.to_str().unwrap()]);
    assert!(fs::metadata(&copy).unwrap().len() == LENGTH && allocated(&copy) < LITTLE);
    t.ok(&["create", "--name", "other", "busybox", "true"]);
    let before = allocated(&t.data_root());
    t.ok(&["cp", copy.to_str().unwrap(), "other:/in"]);
    let (from, to) = (t.command(&["cp", "box:/hole", "-"]), t.command(&["cp", "-", "other:/tmp"]));
    let mut out = { from }.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let status = { to }.stdin(out.stdout.take().unwrap()).status().unwrap();
    assert!(out.wait().unwrap().success() && status.success());
    let grown = allocated(&t.data_root()) - before;
    assert!(grown < LITTLE, "{grown} bytes");
    t.ok(&["cp", "other:/tmp/hole", t.path("back").to_str().unwrap()]);
    assert!(fs::read(t.path("back")).unwrap() == fs::read(&copy).unwrap());
}
