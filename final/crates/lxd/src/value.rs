//! Which texts a key accepts.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::size::digits;
use crate::{cpu, idmap, rlimit, schedule, size};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    Text,
    Bool,
    /// A whole number from the first to the second.
    Integer(i64, i64),
    Size,
    /// A size, or a percentage of what the machine has.
    Amount,
    /// Bits in a second.
    Bits,
    /// Bytes or operations in a second.
    DiskRate,
    Cpus,
    Allowance,
    Rlimit,
    Idmap,
    /// Names of system calls, each on a line.
    Syscalls,
    Schedule,
    Expiry,
    OneOf(&'static [&'static str]),
    /// An absolute path.
    Path,
    /// Permissions in octal.
    Mode,
    Mac,
    /// Addresses with commas between them, or `none`, or `auto`.
    Ipv4,
    Ipv6,
    /// An address and the length of its prefix, several with commas between them.
    Networks,
    /// A document in YAML.
    Yaml,
    /// What cloud-init takes as user data: YAML if it begins with `#cloud-config`, or anything else, such as a script.
    UserData,
}

/// Reads a boolean value in any form that LXD accepts.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("it is true or false".into()),
    }
}

impl Value {
    /// Checks a text. The error says why the text is not accepted.
    pub fn check(self, text: &str) -> Result<(), String> {
        match self {
            Self::Text => Ok(()),
            Self::Bool => boolean(text).map(drop),
            Self::Integer(least, most) => integer(text, least, most),
            Self::Size => size::bytes(text).map(drop),
            Self::Amount => size::amount(text).map(drop),
            Self::Bits => size::bits(text).map(drop),
            Self::DiskRate => size::disk_rate(text).map(drop),
            Self::Cpus => cpu::cpus(text).map(drop),
            Self::Allowance => cpu::allowance(text).map(drop),
            Self::Rlimit => rlimit::parse(text).map(drop),
            Self::Idmap => idmap::parse(text).map(drop),
            Self::Syscalls => syscalls(text).map(drop),
            Self::Schedule => schedule::check(text),
            Self::Expiry => schedule::expiry(text).map(drop),
            Self::OneOf(known) if known.contains(&text) => Ok(()),
            Self::OneOf(known) => Err(format!("it is one of {}", known.join(", "))),
            Self::Path => path(text),
            Self::Mode => mode(text).map(drop),
            Self::Mac => mac(text),
            Self::Ipv4 => address::<Ipv4Addr>(text, "IPv4"),
            Self::Ipv6 => address::<Ipv6Addr>(text, "IPv6"),
            Self::Networks => networks(text),
            Self::UserData if !text.starts_with("#cloud-config") => Ok(()),
            Self::Yaml | Self::UserData => {
                hull_yaml::parse(text).map(drop).map_err(|error| error.to_string())
            }
        }
    }
}

fn integer(text: &str, least: i64, most: i64) -> Result<(), String> {
    let number = text.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
    number.map(drop).ok_or_else(|| match (least, most) {
        (i64::MIN, i64::MAX) => "it is a whole number".into(),
        (least, i64::MAX) => format!("it is a whole number, {least} or more"),
        (least, most) => format!("it is a whole number from {least} to {most}"),
    })
}

/// Reads the names of system calls, one on each line.
pub fn syscalls(text: &str) -> Result<Vec<&str>, String> {
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let check = |name| match is_name(name) {
        true => Ok(name),
        false => {
            Err(format!("{name:?} is no name of a system call; conditions on arguments are not supported"))
        }
    };
    names.map(check).collect()
}

fn path(text: &str) -> Result<(), String> {
    if !text.starts_with('/') {
        return Err("it is an absolute path".into());
    }
    match text.contains('\0') || text.split('/').any(|part| part == "..") {
        true => Err("a path has no .. in it".into()),
        false => Ok(()),
    }
}

/// Permissions in octal, such as `0660`.
pub fn mode(text: &str) -> Result<u32, String> {
    let is_octal = !text.is_empty() && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = is_octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
    mode.filter(|mode| *mode <= 0o7777).ok_or_else(|| "permissions are octal digits such as 0660".into())
}

fn mac(text: &str) -> Result<(), String> {
    let is_byte = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.split(':').count() == 6 && text.split(':').all(is_byte) {
        true => Ok(()),
        false => Err("a hardware address is six bytes such as 00:16:3e:01:02:03".into()),
    }
}

fn address<T: std::str::FromStr>(text: &str, family: &str) -> Result<(), String> {
    let is_address = |text: &str| text.trim().parse::<T>().is_ok();
    match text == "none" || text == "auto" || text.split(',').all(is_address) {
        true => Ok(()),
        false => Err(format!("it is an {family} address")),
    }
}

fn networks(text: &str) -> Result<(), String> {
    let is_network = |text: &str| {
        let (address, length) = text.trim().split_once('/')?;
        let most = if address.parse::<Ipv4Addr>().is_ok() {
            32
        } else {
            address.parse::<Ipv6Addr>().is_ok().then_some(128)?
        };
        digits(length).filter(|length| *length <= most)
    };
    match text.split(',').all(|text| is_network(text).is_some()) {
        true => Ok(()),
        false => Err("it is a network such as 192.0.2.0/24, or several with commas between them".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_value_is_checked() {
        let right = [
            (Value::Bool, "on"),
            (Value::Integer(0, 10), "10"),
            (Value::OneOf(&["hard", "soft"]), "soft"),
            (Value::Path, "/mnt"),
            (Value::Mode, "0660"),
            (Value::Mac, "00:16:3e:01:02:03"),
            (Value::Ipv4, "none"),
            (Value::Networks, "192.0.2.0/24, 2001:db8::/32"),
            (Value::Syscalls, "mount\numount2"),
            (Value::Yaml, "#cloud-config\npackages: [vim]"),
        ];
        for (value, text) in right {
            assert_eq!(value.check(text), Ok(()), "{text}");
        }
        let wrong = [
            (Value::Bool, "maybe"),
            (Value::Integer(0, 10), "11"),
            (Value::Integer(i64::MIN, i64::MAX), "1.5"),
            (Value::OneOf(&["hard", "soft"]), ""),
            (Value::Path, "mnt"),
            (Value::Path, "/mnt/../etc"),
            (Value::Mode, "888"),
            (Value::Mac, "00:16:3e:01:02"),
            (Value::Ipv4, "::1"),
            (Value::Networks, "192.0.2.0/33"),
            (Value::Syscalls, "mount errno 1"),
            (Value::Yaml, "a: [1"),
        ];
        for (value, text) in wrong {
            assert!(value.check(text).is_err(), "{text}");
        }
    }
}
