//! Archives that are broken or malicious: a clear error, the right exit code and nothing left behind.

use std::path::Path;

use hull_test_support::{Scenario, fixtures};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

/// A tar of raw members, because the `tar` crate's own builder refuses the names that are needed here.
struct Hostile(tar::Builder<Vec<u8>>);

impl Hostile {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn member(mut self, name: &str, kind: tar::EntryType, link: &str, content: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn file(self, name: &str) -> Self {
        self.member(name, tar::EntryType::Regular, "", b"escaped\n")
    }

    fn symlink(self, name: &str, to: &str) -> Self {
        self.member(name, tar::EntryType::Symlink, to, b"")
    }

    fn hardlink(self, name: &str, to: &str) -> Self {
        self.member(name, tar::EntryType::Link, to, b"")
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// A failed import leaves nothing visible and keeps nothing.
#[track_caller]
fn nothing_left(t: &Scenario) {
    assert_eq!(t.ok(&["images", "-aq"]), "", "no image");
    let files = |dir: &str| std::fs::read_dir(t.data_root().join(dir)).map_or(0, |entries| entries.count());
    assert_eq!(files("layers"), 0, "no layer");
    assert_eq!(files("blobs/sha256"), 0, "no blob");
}

/// The import fails with one sentence and leaves nothing behind.
#[track_caller]
fn assert_refused(t: &Scenario, name: &str, bytes: &[u8]) -> String {
    let file = t.write(name, bytes);
    let refused = t.hull(&["import", file.to_str().unwrap(), "bad"]);
    let message = refused.fails(1).to_owned();
    assert!(!message.trim().is_empty(), "it says why: {refused}");
    nothing_left(t);
    message
}

/// The import is refused, or everything that it makes stays inside the image. `outside` is never made.
#[track_caller]
fn assert_stays_inside(t: &Scenario, bytes: &[u8], outside: &Path) {
    let file = t.write("hostile.tar", bytes);
    let outcome = t.hull(&["import", file.to_str().unwrap(), "hostile"]);
    assert!(!outside.exists(), "{} was written: {outcome}", outside.display());
    if !outcome.success() {
        outcome.fails(1);
        nothing_left(t);
    }
}

#[test]
fn a_tar_that_is_cut_short_is_refused() {
    let Some(t) = Scenario::start() else { return };
    let whole = std::fs::read(fixtures::busybox()).unwrap();
    assert_refused(&t, "cut.tar", &whole[..whole.len() / 2]);
    let packed = zstd::encode_all(&whole[..], 1).unwrap();
    assert_refused(&t, "cut.tar.zst", &packed[..packed.len() / 2]);
}

#[test]
fn a_file_that_is_not_a_tar_is_refused() {
    let Some(t) = Scenario::start() else { return };
    assert_refused(&t, "text", "this is no archive at all\n".repeat(100).as_bytes());
    let refused = t.hull(&["load", "-i", t.path("text").to_str().unwrap()]);
    refused.fails(1);
    nothing_left(&t);
}

#[test]
fn an_empty_file_is_refused_by_load() {
    let Some(t) = Scenario::start() else { return };
    let file = t.write("empty", b"");
    t.hull(&["load", "-i", file.to_str().unwrap()]).fails(1);
    nothing_left(&t);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let Some(t) = Scenario::start() else { return };
    let refused = t.hull(&["import", "no/such/file.tar", "bad"]);
    assert!(refused.fails(1).contains("no/such/file.tar"), "{refused}");
}

#[test]
fn a_member_that_climbs_out_is_refused() {
    let Some(t) = Scenario::start() else { return };
    let outside = t.path("climbed");
    for depth in 1..8 {
        let tar = Hostile::new().file(&format!("{}climbed", "../".repeat(depth))).bytes();
        let message = assert_refused(&t, "climb.tar", &tar);
        assert!(message.contains("climbed"), "the member is named: {message}");
        assert!(!outside.exists());
    }
}

#[test]
fn an_absolute_member_stays_inside() {
    let Some(t) = Scenario::start() else { return };
    let outside = t.path("absolute");
    let tar = Hostile::new().file(outside.to_str().unwrap()).bytes();
    assert_stays_inside(&t, &tar, &outside);
}

#[test]
fn a_member_behind_a_symlink_stays_inside() {
    let Some(t) = Scenario::start() else { return };
    let directory = t.path("victim");
    std::fs::create_dir(&directory).unwrap();
    let outside = directory.join("file");
    let absolute = Hostile::new().symlink("door", directory.to_str().unwrap()).file("door/file").bytes();
    assert_stays_inside(&t, &absolute, &outside);
    let climbing = Hostile::new().symlink("door", &format!("../../../../../../../..{}", directory.display()));
    assert_stays_inside(&t, &climbing.file("door/file").bytes(), &outside);
}

#[test]
fn a_hard_link_to_a_file_of_the_machine_is_not_made() {
    let Some(t) = Scenario::start() else { return };
    let secret = t.write("secret", "of the machine");
    for target in [secret.display().to_string(), format!("../../../../../../../..{}", secret.display())] {
        let tar = Hostile::new().hardlink("stolen", &target).bytes();
        let file = t.write("link.tar", tar);
        t.hull(&["import", file.to_str().unwrap(), "thief"]);
        let links = std::os::unix::fs::MetadataExt::nlink(&std::fs::metadata(&secret).unwrap());
        assert_eq!(links, 1, "{target} was linked");
    }
}

#[test]
fn a_full_disk_is_said_and_cleaned_up() {
    let Some(t) = Scenario::start() else { return };
    let data = t.data_root();
    std::fs::create_dir(&data).unwrap();
    mount("tmpfs", &data, "tmpfs", MountFlags::empty(), c"size=1536k").unwrap();
    let file = fixtures::busybox();
    let refused = t.hull(&["import", file.to_str().unwrap(), "big"]);
    assert!(refused.fails(1).contains("No space left"), "{refused}");
    nothing_left(&t);
    mount_remount(&data, MountFlags::empty(), "size=64m").unwrap();
    t.ok(&["import", file.to_str().unwrap(), "big"]);
    unmount(&data, UnmountFlags::empty()).unwrap();
}
