//! mount(8)'s options: flags, propagation, and what the file system itself is told.

use nix::libc;

use crate::spec::Mount;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// `MS_*`.
    pub flags: u64,
    /// `MOUNT_ATTR_*` to set on a bind mount, on it alone or on all below it.
    pub attributes: u64,
    pub recursive_attributes: u64,
    pub bind: bool,
    pub recursive: bool,
    /// `MS_PRIVATE` and kin, with `MS_REC` where the option begins with `r`.
    pub propagation: Option<u64>,
    /// For the file system, separated by commas.
    pub data: String,
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
];

/// Options that undo a flag, or are the default anyway.
const CLEAR: &[(&str, &str)] = &[
    ("rw", "ro"),
    ("suid", "nosuid"),
    ("dev", "nodev"),
    ("exec", "noexec"),
    ("atime", "noatime"),
    ("diratime", "nodiratime"),
    ("async", "sync"),
];

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
        } else if let Some((_, _, attribute)) = option.strip_prefix('r').and_then(flag) {
            parsed.recursive_attributes |= attribute;
        } else if !matches!(option.as_str(), "defaults" | "relatime" | "rrelatime") {
            data.push(option);
        }
    }
    parsed.data = data.join(",");
    parsed
}

/// Of a mount's options one that would be lost: a bind mount has no data and takes attributes only, and other mounts
/// have nothing below them that a recursive one could be set on.
pub(crate) fn inapplicable(mount: &Mount) -> Option<&str> {
    let bind = mount.kind.as_deref() == Some("bind") || parse(&mount.options).bind;
    let is_lost = |option: &&String| {
        let alone = parse(std::slice::from_ref(option));
        match bind {
            true => !alone.data.is_empty() || (alone.flags != 0 && alone.attributes == 0),
            false => alone.recursive_attributes != 0,
        }
    };
    mount.options.iter().find(is_lost).map(String::as_str)
}

/// Every option that is not for the file system itself, sorted.
pub fn mount_options() -> Vec<String> {
    let plain = ["bind", "rbind", "defaults", "relatime"].into_iter().map(str::to_owned);
    let set = FLAGS.iter().map(|flag| flag.0.to_owned());
    let recursive = FLAGS.iter().filter(|flag| flag.2 != 0).map(|flag| format!("r{}", flag.0));
    let cleared = CLEAR.iter().map(|clear| clear.0.to_owned());
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
    }
}
