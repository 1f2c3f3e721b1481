//! The file systems of block devices, which LXD's disk devices mount in containers.
//!
//! Each monitor mounts the file system for its container, and nothing of it is on the host. Which file system it is, its
//! mark says. One that is not in the table is tried with every file system that the kernel has.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::errno::Errno;

use super::source_paths::make_directory;
use crate::error::{Error, IoContext, Result};

/// The marks of file systems: the offset and the bytes.
const MARKS: [(&str, u64, &[u8]); 13] = [
    ("ext4", 0x438, &[0x53, 0xef]),
    ("xfs", 0, b"XFSB"),
    ("btrfs", 0x1_0040, b"_BHRfS_M"),
    ("squashfs", 0, b"hsqs"),
    ("erofs", 0x400, &[0xe2, 0xe1, 0xf5, 0xe0]),
    ("f2fs", 0x400, &[0x10, 0x20, 0xf5, 0xf2]),
    ("iso9660", 0x8001, b"CD001"),
    ("exfat", 3, b"EXFAT   "),
    ("ntfs3", 3, b"NTFS    "),
    ("vfat", 0x52, b"FAT32   "),
    ("vfat", 0x36, b"FAT16   "),
    ("vfat", 0x36, b"FAT12   "),
    ("bcachefs", 0x1018, &[0xc6, 0x85, 0x73, 0xf6]),
];

/// Words that would make something else than a mount of the device's file system.
const REFUSED: [&str; 13] = [
    "bind",
    "rbind",
    "remount",
    "move",
    "loop",
    "private",
    "slave",
    "shared",
    "unbindable",
    "idmap",
    "ridmap",
    "tmpcopyup",
    "dev",
];

/// Reads the options of a file system: those of mount(8), separated by commas. An error says what is wrong.
pub(crate) fn options(text: &str) -> Result<Vec<String>, String> {
    let mut options = Vec::new();
    for option in text.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        let name = option.split_once('=').map_or(option, |(name, _)| name);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if !name.bytes().all(is_name) || option.chars().any(char::is_control) {
            return Err(format!("{option:?} is no option of a file system"));
        }
        if name == "dev" {
            return Err("device nodes in the file system of a disk have no effect, whatever it says".into());
        }
        let plain = name.strip_prefix('r').filter(|rest| REFUSED.contains(rest)).unwrap_or(name);
        if REFUSED.contains(&plain) {
            return Err(format!("{name:?} is about the mount, and has keys of its own, or none"));
        }
        options.push(option.to_owned());
    }
    Ok(options)
}

/// Mounts the file system of a block device at `target`, which is made. Device nodes in it have no effect.
pub(super) fn mount(device: &Path, target: &Path, options: &[String], read_only: bool) -> Result<()> {
    let context = || format!("mount the file system of {}", device.display());
    let mut all = vec!["nodev".to_owned()];
    all.extend(options.iter().cloned());
    if read_only {
        all.push("ro".into());
    }
    make_directory(target)?;
    let source = device.to_str().ok_or(Errno::EINVAL).context(context)?;
    let mount = |kind: &str| hull_runtime::mount_at(target, kind, source, &all);
    if let Some(kind) = kind_of(&File::open(device).context(context)?) {
        return mount(kind).context(|| format!("mount the file system of {} ({kind})", device.display()));
    }
    let known = std::fs::read_to_string("/proc/filesystems").context(context)?;
    for kind in of_devices(&known) {
        match mount(kind) {
            Ok(()) => return Ok(()),
            // It has another file system, or this one's module does not load.
            Err(Errno::EINVAL | Errno::ENODEV | Errno::EIO | Errno::EUCLEAN) => {}
            Err(errno) => return Err(errno).context(|| format!("{} ({kind})", context())),
        }
    }
    let why = "it has no file system that this kernel knows".into();
    Err(Error::Invalid { what: format!("block device {}", device.display()), why })
}

fn kind_of(device: &File) -> Option<&'static str> {
    let has = |offset: u64, mark: &[u8]| {
        let mut found = [0; 8];
        let found = &mut found[..mark.len()];
        device.read_exact_at(found, offset).is_ok() && found == mark
    };
    MARKS.iter().find(|(_, offset, mark)| has(*offset, mark)).map(|(kind, ..)| *kind)
}

/// The file systems that are on block devices, of the list /proc/filesystems (proc(5)).
fn of_devices(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter(|line| line.starts_with(char::is_whitespace)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_a_file_system() {
        assert_eq!(options("noatime, data=journal,,ro").unwrap(), ["noatime", "data=journal", "ro"]);
        assert_eq!(options("").unwrap(), [""; 0]);
        for wrong in ["dev", "bind", "rshared", "remount", "ro,loop", "a b", "x\u{1b}=1", "idmap"] {
            assert!(options(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_system_is_known_by_its_mark() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(kind_of(&file), None);
        file.write_all_at(b"_BHRfS_M", 0x1_0040).unwrap();
        assert_eq!(kind_of(&file), Some("btrfs"));
        file.write_all_at(b"XFSB", 0).unwrap();
        assert_eq!(kind_of(&file), Some("xfs"));
    }

    #[test]
    fn only_file_systems_of_devices_are_tried() {
        assert_eq!(of_devices("nodev\tsysfs\n\text3\n\tvfat\n").collect::<Vec<_>>(), ["ext3", "vfat"]);
    }
}
