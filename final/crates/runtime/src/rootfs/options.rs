//! Mount options as in mount(8): flags, propagation, and the file system's own options.

use nix::libc;

use crate::spec::Mount;

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Options {
    /// `MS_*`.
    pub flags: u64,
    /// `MOUNT_ATTR_*` to set on a bind mount.
    pub attributes: u64,
    /// `MOUNT_ATTR_*` to set, and to clear, on a mount and all mounts below it.
    pub recursive_attributes: u64,
    pub recursive_clear: u64,
    pub bind: bool,
    /// `MS_REMOUNT`: change the options of the existing mount.
    pub remount: bool,
    /// `idmap`, or `ridmap` for all mounts below it too.
    pub idmap: Option<Depth>,
    /// `tmpcopyup`: a tmpfs that starts with a copy of the files that it covers.
    pub copy_up: bool,
    pub recursive: bool,
    /// The propagation, such as `MS_PRIVATE`, with `MS_REC` if the option begins with `r`.
    pub propagation: Option<u64>,
    /// The file system's own options, separated by commas.
    pub data: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Mount,
    Below,
}

/// Name, `MS_` flag, `MOUNT_ATTR_` flag.
const FLAGS: &[(&str, u64, u64)] = &[
    ("ro", libc::MS_RDONLY, libc::MOUNT_ATTR_RDONLY),
    ("nosuid", libc::MS_NOSUID, libc::MOUNT_ATTR_NOSUID),
    ("nodev", libc::MS_NODEV, libc::MOUNT_ATTR_NODEV),
    ("noexec", libc::MS_NOEXEC, libc::MOUNT_ATTR_NOEXEC),
    ("noatime", libc::MS_NOATIME, libc::MOUNT_ATTR_NOATIME),
    ("nodiratime", libc::MS_NODIRATIME, libc::MOUNT_ATTR_NODIRATIME),
    ("strictatime", libc::MS_STRICTATIME, libc::MOUNT_ATTR_STRICTATIME),
    ("nosymfollow", libc::MS_NOSYMFOLLOW, libc::MOUNT_ATTR_NOSYMFOLLOW),
    ("sync", libc::MS_SYNCHRONOUS, 0),
    ("dirsync", libc::MS_DIRSYNC, 0),
    ("mand", libc::MS_MANDLOCK, 0),
    ("iversion", libc::MS_I_VERSION, 0),
    ("lazytime", libc::MS_LAZYTIME, 0),
    ("silent", libc::MS_SILENT, 0),
];

/// Options that clear a flag.
const CLEAR: &[(&str, &str)] = &[
    ("rw", "ro"),
    ("suid", "nosuid"),
    ("dev", "nodev"),
    ("exec", "noexec"),
    ("atime", "noatime"),
    ("diratime", "nodiratime"),
    ("async", "sync"),
    ("symfollow", "nosymfollow"),
    ("nostrictatime", "strictatime"),
    ("nomand", "mand"),
    ("noiversion", "iversion"),
    ("nolazytime", "lazytime"),
    ("loud", "silent"),
];

/// The kernel's default. With a leading `r` these options reset the access-time attributes of a tree.
const DEFAULT: &[&str] = &["relatime", "norelatime"];

const PROPAGATION: &[(&str, u64)] = &[
    ("private", libc::MS_PRIVATE),
    ("slave", libc::MS_SLAVE),
    ("shared", libc::MS_SHARED),
    ("unbindable", libc::MS_UNBINDABLE),
];

pub(super) fn parse(options: &[String]) -> Options {
    let mut parsed = Options::default();
    let mut data: Vec<&str> = Vec::new();
    for option in options {
        let flag = |name: &str| FLAGS.iter().find(|flag| flag.0 == name);
        let propagation = |name: &str| PROPAGATION.iter().find(|kind| kind.0 == name);
        if let Some((_, ms, attribute)) = flag(option) {
            parsed.flags |= ms;
            parsed.attributes |= attribute;
        } else if let Some((_, set)) = CLEAR.iter().find(|clear| clear.0 == option) {
            if let Some((_, ms, attribute)) = flag(set) {
                parsed.flags &= !ms;
                parsed.attributes &= !attribute;
            }
        } else if option == "bind" || option == "rbind" {
            parsed.bind = true;
            parsed.recursive = option == "rbind";
        } else if let Some((_, kind)) = propagation(option) {
            parsed.propagation = Some(*kind);
        } else if let Some((_, kind)) = option.strip_prefix('r').and_then(propagation) {
            parsed.propagation = Some(kind | libc::MS_REC);
        } else if let Some(option) = option.strip_prefix('r').filter(|option| is_attribute(option)) {
            let clear = CLEAR.iter().find(|clear| clear.0 == option);
            let undone = clear.and_then(|clear| flag(clear.1)).map_or(0, |flag| flag.2);
            let set = flag(option).map_or(0, |flag| flag.2);
            parsed.recursive_attributes = parsed.recursive_attributes & !undone | set;
            parsed.recursive_clear |= undone;
            if is_about_atime(option) {
                // Access time is one field with several values, which must be cleared before one is set (mount_setattr(2)).
                parsed.recursive_attributes &= !libc::MOUNT_ATTR__ATIME | set;
                parsed.recursive_clear |= libc::MOUNT_ATTR__ATIME;
            }
        } else if !parse_other(&mut parsed, option) {
            data.push(option);
        }
    }
    parsed.data = data.join(",");
    parsed
}

/// Handles options that are neither flags nor data of the file system. False for data of the file system.
fn parse_other(parsed: &mut Options, option: &str) -> bool {
    match option {
        "remount" => parsed.remount = true,
        "idmap" => parsed.idmap = Some(Depth::Mount),
        "ridmap" => parsed.idmap = Some(Depth::Below),
        "tmpcopyup" => parsed.copy_up = true,
        other => return other == "defaults" || DEFAULT.contains(&other),
    }
    true
}

/// True for an attribute that mount_setattr(2) can set or clear.
fn is_attribute(option: &str) -> bool {
    let attribute = |name: &str| FLAGS.iter().any(|flag| flag.0 == name && flag.2 != 0);
    attribute(option)
        || CLEAR.iter().any(|clear| clear.0 == option && attribute(clear.1))
        || DEFAULT.contains(&option)
}

fn is_about_atime(option: &str) -> bool {
    option.ends_with("atime") && !option.ends_with("diratime")
}

impl Options {
    pub(super) fn writable(&self) -> Self {
        let (flags, attributes) = (self.flags & !libc::MS_RDONLY, self.attributes & !libc::MOUNT_ATTR_RDONLY);
        Self { flags, attributes, ..self.clone() }
    }

    /// The attributes that mount_setattr(2) has to clear when it sets those of the mount.
    pub(super) fn clear(&self) -> u64 {
        let atime = libc::MOUNT_ATTR_NOATIME | libc::MOUNT_ATTR_STRICTATIME;
        if self.attributes & atime != 0 { libc::MOUNT_ATTR__ATIME } else { 0 }
    }
}

/// True for a bind mount.
pub(crate) fn is_bind(mount: &Mount) -> bool {
    mount.kind.as_deref() == Some("bind") || mount.options.iter().any(|one| one == "bind" || one == "rbind")
}

/// An option of the mount that would have no effect: a bind mount has attributes and no data, ids can be mapped only in a
/// bind mount, and `tmpcopyup` is for a tmpfs.
pub(crate) fn inapplicable(mount: &Mount) -> Option<&str> {
    let bind = is_bind(mount);
    let is_lost = |option: &&String| {
        let alone = parse(std::slice::from_ref(option));
        let lost = match bind {
            true => !alone.data.is_empty() || (alone.flags != 0 && alone.attributes == 0),
            false => alone.idmap.is_some(),
        };
        lost || (alone.copy_up && mount.kind.as_deref() != Some("tmpfs"))
    };
    mount.options.iter().find(is_lost).map(String::as_str)
}

/// All options that are not data of a file system, sorted.
pub fn mount_options() -> Vec<String> {
    let plain = ["bind", "rbind", "defaults", "remount", "idmap", "ridmap", "tmpcopyup"];
    let plain = plain.iter().chain(DEFAULT).map(|name| name.to_string());
    let set = FLAGS.iter().map(|flag| flag.0.to_owned());
    let cleared = CLEAR.iter().map(|clear| clear.0.to_owned());
    let both = FLAGS.iter().map(|flag| flag.0).chain(CLEAR.iter().map(|clear| clear.0));
    let recursive =
        both.chain(DEFAULT.iter().copied()).filter(|name| is_attribute(name)).map(|name| format!("r{name}"));
    let propagation = PROPAGATION.iter().flat_map(|kind| [kind.0.to_owned(), format!("r{}", kind.0)]);
    let mut names: Vec<String> =
        plain.chain(set).chain(recursive).chain(cleared).chain(propagation).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(options: &[&str]) -> Options {
        parse(&options.iter().map(|option| option.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn flags_are_separated_from_what_the_file_system_is_told() {
        let options = of(&["nosuid", "ro", "mode=755", "size=64k", "rw"]);
        assert_eq!(options.flags, libc::MS_NOSUID);
        assert_eq!(options.data, "mode=755,size=64k");
    }

    #[test]
    fn a_leading_r_means_recursively() {
        let options = of(&["rbind", "rro", "rslave"]);
        assert!(options.bind && options.recursive);
        assert_eq!(options.recursive_attributes, libc::MOUNT_ATTR_RDONLY);
        assert_eq!(options.propagation, Some(libc::MS_SLAVE | libc::MS_REC));
        let options = of(&["rro", "rrw", "rnoatime", "rnosuid", "rsymfollow"]);
        let (atime, nosuid) = (libc::MOUNT_ATTR_NOATIME, libc::MOUNT_ATTR_NOSUID);
        assert_eq!(options.recursive_attributes, atime | nosuid, "the last word counts");
        let cleared = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR__ATIME | libc::MOUNT_ATTR_NOSYMFOLLOW;
        assert_eq!((options.recursive_clear, options.data.as_str()), (cleared, ""));
    }
}
