//! File systems of block devices as disks.

use std::path::Path;
use std::process::Command;

use hull_test_support::outcome::eventually;

use super::{containers, refusal};

/// A block device that is a file. It goes with the value.
struct Loop(String);

impl Loop {
    fn of(file: &Path) -> Self {
        let made = Command::new("losetup").args(["-f", "--show"]).arg(file).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        Self(String::from_utf8(made.stdout).unwrap().trim().to_owned())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        Command::new("losetup").args(["-d", &self.0]).status().unwrap();
    }
}

#[test]
fn the_file_system_of_a_block_device_is_a_disk() {
    let Some(t) = containers() else { return };
    let image = t.path("image");
    std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    let made = Command::new("mkfs.ext4").arg("-q").arg(&image).status();
    assert!(made.unwrap().success());
    let disk = Loop::of(&image);
    let source = format!("source={}", disk.0);
    let mounted = |name: &str| t.ok(&["exec", name, "sh", "-c", "grep ' /disk ' /proc/mounts || true"]);
    for (name, shift) in [("plain", "shift=false"), ("box", "shift=true")] {
        let options = "raw.mount.options=noatime,commit=7";
        t.ok(&["device", "add", name, "d", "disk", &source, "path=/disk", options, shift]);
        let shown = mounted(name);
        for word in ["ext4 rw", "nodev", "noatime", "commit=7"] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        t.ok(&["exec", name, "sh", "-c", "echo content > /disk/file"]);
        t.ok(&["restart", "-t", "0", name]);
        assert_eq!(t.ok(&["exec", name, "cat", "/disk/file"]), "content");
        assert!(mounted(name).contains("commit=7"));
        t.ok(&["exec", name, "rm", "/disk/file"]);
        t.ok(&["device", "remove", name, "d"]);
        assert_eq!(mounted(name), "");
        t.ok(&["device", "add", name, "d", "disk", &source, "path=/disk", "readonly=true"]);
        assert!(mounted(name).contains("ext4 ro"));
        t.ok(&["device", "remove", name, "d"]);
    }
    for (key, why) in [
        ("raw.mount.options=dev", "no effect"),
        ("raw.mount.options=bind", "about the mount"),
        ("raw.mount.options=nonsense=1", "mount the file system of"),
    ] {
        let said = refusal(&t, &["device", "add", "plain", "d", "disk", &source, "path=/disk", key]);
        assert!(said.contains(why), "{key}: {said}");
    }
    let key = "raw.mount.options=noatime";
    let said = refusal(&t, &["device", "add", "plain", "d", "disk", "source=/srv", "path=/disk", key]);
    assert!(said.contains("block device"), "{said}");
    // Nothing holds the device any more, so it can go while the containers run.
    drop(disk);
    eventually("the block device is free", || {
        let attached = Command::new("losetup").arg("-j").arg(&image).output().unwrap();
        attached.stdout.is_empty()
    });
}
