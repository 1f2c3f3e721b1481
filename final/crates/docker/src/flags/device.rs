//! `--device` and `--device-cgroup-rule` (<https://docs.docker.com/reference/cli/docker/container/run/#device>).

use std::fmt;

use crate::wire::host_config::Device;

/// `HOST[:CONTAINER[:rwm]]`; the middle may be left out: `/dev/sda:r`.
pub fn parse(text: &str) -> Result<Device, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (host, container, permissions) = match parts[..] {
        [host] => (host, host, "rwm"),
        [host, mode] if is_mode(mode) => (host, host, mode),
        [host, container] => (host, container, "rwm"),
        [host, container, mode] if is_mode(mode) => (host, container, mode),
        _ => return Err(format!("{text:?} is not a device: expected HOST[:CONTAINER[:rwm]]")),
    };
    let device = Device {
        path_on_host: host.to_owned(),
        path_in_container: container.to_owned(),
        cgroup_permissions: permissions.to_owned(),
    };
    check(&device, text).map(|()| device)
}

/// A device of a request, which may leave out the path inside and the permissions.
pub fn complete(mut device: Device) -> Result<Device, String> {
    if device.path_in_container.is_empty() {
        device.path_in_container.clone_from(&device.path_on_host);
    }
    if device.cgroup_permissions.is_empty() {
        device.cgroup_permissions = "rwm".to_owned();
    }
    let shown = device.to_string();
    check(&device, &shown).map(|()| device)
}

/// `shown` is how the user or the client wrote the device.
fn check(device: &Device, shown: &str) -> Result<(), String> {
    if !device.path_on_host.starts_with('/') || !device.path_in_container.starts_with('/') {
        return Err(format!("{shown:?} is not a device: paths begin with /"));
    }
    match is_mode(&device.cgroup_permissions) {
        true => Ok(()),
        false => Err(format!("{:?} is no set of r, w and m", device.cgroup_permissions)),
    }
}

/// Each letter once at most.
fn is_mode(text: &str) -> bool {
    let times = |letter: u8| text.bytes().filter(|byte| *byte == letter).count();
    let known: usize = b"rwm".iter().map(|letter| times(*letter).min(1)).sum();
    !text.is_empty() && known == text.len()
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path_on_host, self.path_in_container, self.cgroup_permissions)
    }
}

/// `TYPE MAJOR:MINOR ACCESS`, the line that cgroup v1 takes in `devices.allow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupRule {
    /// `a` (all), `b` (block) or `c` (character).
    pub kind: char,
    /// `None` is `*`, any number.
    pub major: Option<u32>,
    pub minor: Option<u32>,
    pub access: String,
}

/// `c 1:3 rwm`, with `*` for any number.
pub fn parse_rule(text: &str) -> Result<CgroupRule, String> {
    let expected = || "expected something like 'c 1:3 rwm'".to_owned();
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [kind, numbers, access] = fields[..] else { return Err(expected()) };
    let (major, minor) = numbers.split_once(':').ok_or_else(expected)?;
    let number = |text: &str| match text {
        "*" => Ok(None),
        _ => text.parse::<u32>().map(Some).map_err(|_| expected()),
    };
    let kind = match kind {
        "a" => 'a',
        "b" => 'b',
        "c" => 'c',
        _ => return Err(expected()),
    };
    if !is_mode(access) {
        return Err(expected());
    }
    Ok(CgroupRule { kind, major: number(major)?, minor: number(minor)?, access: access.to_owned() })
}

impl fmt::Display for CgroupRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<u32>| number.map_or("*".into(), |number| number.to_string());
        write!(f, "{} {}:{} {}", self.kind, number(self.major), number(self.minor), self.access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn devices_may_leave_the_middle_out() {
        assert_eq!(parse("/dev/a:r").unwrap().cgroup_permissions, "r");
        assert_eq!(parse("/dev/a:/dev/b").unwrap().path_in_container, "/dev/b");
        assert_eq!(parse("/dev/a:/dev/b:rw").unwrap().cgroup_permissions, "rw");
        for wrong in ["", "dev", "/dev/a:b:c:d", "/dev/a:/dev/b:x", "/dev/a:rr"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_request_may_leave_out_all_but_the_hosts_path() {
        let device = |host: &str, container: &str, permissions: &str| Device {
            path_on_host: host.into(),
            path_in_container: container.into(),
            cgroup_permissions: permissions.into(),
        };
        assert_eq!(complete(device("/dev/a", "", "")), Ok(device("/dev/a", "/dev/a", "rwm")));
        assert_eq!(complete(device("/dev/a", "/dev/b", "r")), Ok(device("/dev/a", "/dev/b", "r")));
        for wrong in [device("", "", ""), device("/dev/a", "b", ""), device("/dev/a", "", "rx")] {
            assert!(complete(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rule_is_read_or_refused() {
        let rule = parse_rule("c 10:* rw").unwrap();
        assert_eq!((rule.major, rule.minor), (Some(10), None));
        for wrong in ["", "c 1:3", "x 1:3 r", "c 1 r", "c 1:3 rx", "c 1:3 r w", "cc 1:3 r"] {
            assert!(parse_rule(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(host in "/[a-z0-9/]{0,9}", container in "/[a-z0-9/]{0,9}", mode in "r|w|m|rw|wm|rwm") {
            let device = Device { path_on_host: host, path_in_container: container, cgroup_permissions: mode };
            prop_assert_eq!(parse(&device.to_string()), Ok(device));
        }

        #[test]
        fn a_printed_rule_is_read_back(kind in "[abc]", major in any::<Option<u32>>(), minor in any::<Option<u32>>(), access in "r|w|m|rw|wm|rwm") {
            let rule = CgroupRule { kind: kind.chars().next().unwrap(), major, minor, access };
            prop_assert_eq!(parse_rule(&rule.to_string()), Ok(rule));
        }
    }
}
