//! The options of docker's drivers for a container's endpoint on a network
//! (<https://docs.docker.com/reference/cli/docker/network/connect/>).

use std::collections::BTreeMap;

/// The name of the link in the container.
pub const INTERFACE_NAME: &str = "com.docker.network.endpoint.ifname";

/// Settings of the link: `net.ipv4.conf.IFNAME.KEY=VALUE`, with commas between them.
pub const SYSCTLS: &str = "com.docker.network.endpoint.sysctls";

pub fn check(options: &BTreeMap<String, String>) -> Result<(), String> {
    for (key, value) in options {
        match key.as_str() {
            INTERFACE_NAME => interface_name(value)?,
            SYSCTLS => drop(sysctls(value)?),
            _ => return Err(format!("hull does not have the option {key:?} of an endpoint")),
        }
    }
    Ok(())
}

/// The kernel's rule (`dev_valid_name`), without what /proc or a shell would read otherwise.
fn interface_name(name: &str) -> Result<(), String> {
    let is_valid = !["", ".", "..", "lo", "all", "default"].contains(&name)
        && name.len() <= 15
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    match is_valid {
        true => Ok(()),
        false => Err(format!("{name:?} cannot be the name of an interface")),
    }
}

/// Each setting as the parts of its key, of which one is `IFNAME`, and its value.
pub fn sysctls(text: &str) -> Result<Vec<(Vec<&str>, &str)>, String> {
    text.split(',').map(sysctl).collect()
}

fn sysctl(pair: &str) -> Result<(Vec<&str>, &str), String> {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let is_valid = |key: &[&str]| match key {
        ["net", "ipv4" | "ipv6" | "mpls", "conf" | "neigh", "IFNAME", own] => is_word(own),
        _ => false,
    };
    let split = pair.split_once('=').map(|(key, value)| (key.split('.').collect::<Vec<_>>(), value));
    split
        .filter(|(key, _)| is_valid(key))
        .ok_or_else(|| format!("{pair:?}: expected net.FAMILY.conf.IFNAME.KEY=VALUE, or neigh for conf"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_those_of_the_link_alone() {
        let (key, value) =
            sysctls("net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.neigh.IFNAME.mcast_solicit=2")
                .unwrap()
                .remove(0);
        assert_eq!((key.len(), key[3], value), (5, "IFNAME", "1"));
        for wrong in [
            "",
            "net.ipv4.ip_forward=1",
            "net.ipv4.conf.all.x=1",
            "net.ipv4.conf.IFNAME.a/b=1",
            "net.ipv4.conf.IFNAME.x",
        ] {
            assert!(sysctls(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_interface_has_a_name_that_the_kernel_takes() {
        let asked = |name: &str| check(&[(INTERFACE_NAME.to_owned(), name.to_owned())].into());
        assert!(asked("wan0").is_ok());
        for wrong in ["", "..", "a/b", "lo", "a%d", "sixteen-letters-"] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
    }
}
