//! The types of devices, and their keys.

use crate::error::{Error, Result};
use crate::value::Value;
use crate::{Device, Devices};

/// A type of device.
#[derive(Debug, Clone, Copy)]
pub struct Type {
    pub name: &'static str,
    pub keys: &'static [Key],
}

#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub value: Value,
    pub about: &'static str,
}

const fn key(name: &'static str, value: Value, about: &'static str) -> Key {
    Key { name, value, about }
}

const ID: Value = Value::Integer(0, u32::MAX as i64 - 1);
const NUMBER: Value = Value::Integer(0, u32::MAX as i64);
const VLAN: Value = Value::Integer(1, 4094);
const DIRECTIONS: Value = Value::OneOf(&["host", "instance", "guest", "container"]);
const PROPAGATION: Value = Value::OneOf(&[
    "private",
    "rprivate",
    "slave",
    "rslave",
    "shared",
    "rshared",
    "unbindable",
    "runbindable",
]);
const NIC_TYPES: Value = Value::OneOf(&["bridged", "macvlan", "physical", "p2p", "routed"]);

const DISK: &[Key] = &[
    key("limits.max", Value::DiskRate, "Bytes or operations in a second, both ways"),
    key("limits.read", Value::DiskRate, "Bytes (30MB) or operations (100iops) read in a second"),
    key("limits.write", Value::DiskRate, "Bytes or operations written in a second"),
    key("optional", Value::Bool, "Start without it if the source is missing, by its older name"),
    key("path", Value::Path, "Where it is in the container"),
    key("pool", Value::Text, "The storage pool whose volume the source is"),
    key("propagation", PROPAGATION, "How mounts below it reach the container"),
    key("raw.mount.options", Value::Text, "Options of the file system"),
    key("readonly", Value::Bool, "Whether the container cannot write to it"),
    key("recursive", Value::Bool, "With what is mounted below the source"),
    key("required", Value::Bool, "Whether the container does not start without it"),
    key("shift", Value::Bool, "The files have the container's ids"),
    key("size", Value::Size, "How large it may get"),
    key("source", Value::Text, "A path of the host, or a volume of the pool"),
];

const NIC: &[Key] = &[
    key("host_name", Value::Text, "The name of the link's end on the host"),
    key("hwaddr", Value::Mac, "The hardware address"),
    key("ipv4.address", Value::Ipv4, "A static address"),
    key("ipv4.gateway", Value::OneOf(&["auto", "none"]), "Whether there is a default route"),
    key("ipv4.host_address", Value::Ipv4, "The gateway's address on the host's end"),
    key("ipv4.routes", Value::Networks, "Networks that the host sends to it"),
    key("ipv6.address", Value::Ipv6, "A static address"),
    key("ipv6.gateway", Value::OneOf(&["auto", "none"]), "Whether there is a default route"),
    key("ipv6.host_address", Value::Ipv6, "The gateway's address on the host's end"),
    key("ipv6.routes", Value::Networks, "Networks that the host sends to it"),
    key("limits.egress", Value::Bits, "Bits that it sends in a second (100Mbit)"),
    key("limits.ingress", Value::Bits, "Bits that it receives in a second"),
    key("limits.max", Value::Bits, "Both of these"),
    key("mtu", Value::Integer(68, 65535), "The largest packet"),
    key("name", Value::Text, "The link's name in the container"),
    key("network", Value::Text, "A network of hull, instead of nictype and parent"),
    key("nictype", NIC_TYPES, "bridged, macvlan, physical, p2p or routed"),
    key("parent", Value::Text, "The host's bridge or link"),
    key("security.ipv4_filtering", Value::Bool, "Refuse packets from other IPv4 addresses"),
    key("security.ipv6_filtering", Value::Bool, "Refuse packets from other IPv6 addresses"),
    key("security.mac_filtering", Value::Bool, "Refuse packets from other hardware addresses"),
    key("security.port_isolation", Value::Bool, "Not to reach other isolated ports of the bridge"),
    key("vlan", VLAN, "The VLAN's number"),
];

const PROXY: &[Key] = &[
    key("bind", DIRECTIONS, "On which side it listens: host or instance"),
    key("connect", Value::Text, "Where it connects: tcp:ADDRESS:PORT, udp:ADDRESS:PORT or unix:PATH"),
    key("gid", ID, "The group of the socket's file"),
    key("listen", Value::Text, "Where it listens: tcp:ADDRESS:PORTS, udp:ADDRESS:PORTS or unix:PATH"),
    key("mode", Value::Mode, "The permissions of the socket's file"),
    key("nat", Value::Bool, "By the kernel's address translation instead of a process"),
    key("proxy_protocol", Value::Bool, "Tell the client's address (HAProxy's protocol)"),
    key("security.gid", ID, "The group that the proxy runs as"),
    key("security.uid", ID, "The user that the proxy runs as"),
    key("uid", ID, "The owner of the socket's file"),
];

const UNIX: &[Key] = &[
    key("gid", ID, "The group of the device's file"),
    key("major", NUMBER, "The device's major number"),
    key("minor", NUMBER, "The device's minor number"),
    key("mode", Value::Mode, "The permissions of the device's file"),
    key("path", Value::Path, "Where it is in the container"),
    key("required", Value::Bool, "Whether the container does not start without it"),
    key("source", Value::Path, "The device on the host"),
    key("uid", ID, "The owner of the device's file"),
];

const GPU: &[Key] = &[
    key("gid", ID, "The group of the devices' files"),
    key("gputype", Value::OneOf(&["physical"]), "physical"),
    key("id", Value::Text, "A CDI device such as nvidia.com/gpu=0, or the number of a card"),
    key("mode", Value::Mode, "The permissions of the devices' files"),
    key("pci", Value::Text, "The card's address on the PCI bus"),
    key("productid", Value::Text, "The product's number"),
    key("uid", ID, "The owner of the devices' files"),
    key("vendorid", Value::Text, "The vendor's number"),
];

pub const TYPES: &[Type] = &[
    Type { name: "disk", keys: DISK },
    Type { name: "gpu", keys: GPU },
    Type { name: "nic", keys: NIC },
    Type { name: "none", keys: &[] },
    Type { name: "proxy", keys: PROXY },
    Type { name: "unix-block", keys: UNIX },
    Type { name: "unix-char", keys: UNIX },
];

/// Types of LXD's devices that hull does not have, and why.
const LACKING: &[(&str, &str)] = &[
    ("infiniband", "give it the device files as unix-char, and the link as a nic"),
    ("pci", "it is a virtual machine's"),
    ("tpm", "it takes swtpm, which hull does not run"),
    ("unix-hotplug", "nothing of hull waits for devices to appear: add a unix-char when it has"),
    ("usb", "nothing of hull waits for devices to appear: add its file below /dev/bus/usb as unix-char"),
];
/// Beginnings of their keys that hull does not have, and why.
const LACKING_KEYS: &[(&str, &str)] = &[
    ("boot.priority", "it is a virtual machine's"),
    ("ceph.", "hull works on one machine"),
    ("ipv4.routes.external", "there is no OVN"),
    ("ipv6.routes.external", "there is no OVN"),
    ("maas.", "hull talks to no MAAS"),
    ("migration.", "containers move while they are stopped"),
    ("security.acls", "there are no ACLs of networks: internal networks and the host's firewall divide them"),
    ("size.state", "it is a virtual machine's"),
];

/// The type of a device.
pub fn type_of(name: &str) -> Result<&'static Type> {
    if let Some((_, why)) = LACKING.iter().find(|(known, _)| *known == name) {
        return Err(Error::Unsupported { name: format!("the device type {name}"), why });
    }
    let known = TYPES.iter().find(|known| known.name == name);
    known.ok_or_else(|| Error::unknown("device type", name, TYPES.iter().map(|known| known.name)))
}

/// Refuses devices with names, types, keys or values that do not exist.
pub fn check_all(devices: &Devices) -> Result<()> {
    devices.iter().try_for_each(|(name, device)| check(name, device))
}

/// Refuses a device with a wrong name, type, key or value. What depends on the machine is checked when the device is
/// applied.
pub fn check(name: &str, device: &Device) -> Result<()> {
    check_name(name)?;
    let Some(kind) = device.get("type") else {
        return Err(Error::invalid(format!("device {name}"), "it has no type"));
    };
    let kind = type_of(kind)?;
    for (key, value) in device {
        check_key(kind, key, value)?;
    }
    whole(kind.name, device).map_err(|why| Error::invalid(format!("device {name}"), why))
}

fn check_name(name: &str) -> Result<()> {
    let is_sane = |character: char| character.is_ascii_alphanumeric() || "-_.:/".contains(character);
    let is_name = (1..=64).contains(&name.len()) && name.chars().all(is_sane) && !matches!(name, "." | "..");
    match is_name {
        true => Ok(()),
        false => Err(Error::invalid(
            format!("device name {name:?}"),
            "it has up to 64 letters, digits and any of - _ . : /",
        )),
    }
}

fn check_key(kind: &Type, key: &str, value: &str) -> Result<()> {
    if key == "type" || key.starts_with("user.") {
        return Ok(());
    }
    let Some(known) = kind.keys.iter().find(|known| known.name == key) else {
        if let Some((_, why)) = LACKING_KEYS.iter().find(|(beginning, _)| key.starts_with(beginning)) {
            return Err(Error::Unsupported { name: key.into(), why });
        }
        let what = format!("key of a {} device", kind.name);
        return Err(Error::unknown(&what, key, kind.keys.iter().map(|known| known.name)));
    };
    let refused = |why: String| Error::value(key, value, why);
    match value.contains('\0') {
        true => Err(refused("it has a byte of zero in it".into())),
        false => known.value.check(value).map_err(refused),
    }
}

/// Refuses a device whose keys do not go together. The error says why.
fn whole(kind: &str, device: &Device) -> Result<(), String> {
    let has = |key: &str| device.get(key).is_some_and(|value| !value.is_empty());
    let need = |key: &str| if has(key) { Ok(()) } else { Err(format!("a {kind} needs {key}")) };
    match kind {
        "disk" => {
            need("path")?;
            match device.get("path").is_some_and(|path| path == "/") {
                true if has("source") => Err("the root has no source: its files are the container's".into()),
                true => Ok(()),
                false => need("source"),
            }
        }
        "nic" => match (has("network"), has("nictype")) {
            (true, true) => Err("network says what nictype is: give one of them".into()),
            (false, false) => Err("a nic needs network or nictype".into()),
            _ => nic_parent(device),
        },
        "proxy" => need("listen").and_then(|()| need("connect")),
        "unix-char" | "unix-block" => match has("source") || has("path") {
            true => Ok(()),
            false => Err(format!("a {kind} needs source or path")),
        },
        _ => Ok(()),
    }
}

fn nic_parent(device: &Device) -> Result<(), String> {
    let kind = device.get("nictype").map(String::as_str);
    match (kind, device.contains_key("parent")) {
        (Some("bridged" | "macvlan" | "physical"), false) => {
            Err(format!("a nic of the type {} needs parent", kind.unwrap_or_default()))
        }
        (Some("p2p"), true) => Err("a nic of the type p2p has no parent".into()),
        (None, true) => Err("a nic of a network has no parent of its own".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(keys: &[(&str, &str)]) -> Device {
        keys.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    }

    #[test]
    fn the_tables_are_in_order() {
        for kind in TYPES {
            assert!(kind.keys.is_sorted_by(|a, b| a.name < b.name), "{}", kind.name);
        }
    }

    #[test]
    fn devices_of_each_type_are_accepted() {
        let right: &[&[(&str, &str)]] = &[
            &[("type", "disk"), ("path", "/"), ("pool", "default"), ("size", "10GiB")],
            &[
                ("type", "disk"),
                ("path", "/mnt"),
                ("source", "/srv"),
                ("shift", "true"),
                ("limits.read", "30MB"),
            ],
            &[("type", "nic"), ("network", "hull0"), ("ipv4.address", "10.0.0.2"), ("user.note", "mine")],
            &[("type", "nic"), ("nictype", "macvlan"), ("parent", "eth0"), ("limits.egress", "100Mbit")],
            &[
                ("type", "proxy"),
                ("listen", "tcp:0.0.0.0:80"),
                ("connect", "tcp:127.0.0.1:80"),
                ("bind", "host"),
            ],
            &[("type", "unix-char"), ("source", "/dev/null"), ("mode", "0660")],
            &[("type", "gpu"), ("id", "nvidia.com/gpu=0")],
            &[("type", "none")],
        ];
        for keys in right {
            assert_eq!(check("d", &device(keys)), Ok(()), "{keys:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |keys: &[(&str, &str)]| check("d", &device(keys)).unwrap_err();
        assert!(error(&[]).to_string().contains("no type"));
        assert_eq!(error(&[("type", "dsk")]).near(), Some("disk"));
        assert!(error(&[("type", "usb")]).is_unsupported());
        assert_eq!(error(&[("type", "nic"), ("network", "n"), ("hwadr", "x")]).near(), Some("hwaddr"));
        assert!(error(&[("type", "disk"), ("path", "/mnt")]).to_string().contains("needs source"));
        assert!(error(&[("type", "nic")]).to_string().contains("network or nictype"));
        assert!(error(&[("type", "nic"), ("nictype", "bridged")]).to_string().contains("needs parent"));
        assert!(
            error(&[("type", "disk"), ("path", "mnt"), ("source", "/s")]).to_string().contains("absolute")
        );
        assert!(check("", &device(&[("type", "none")])).is_err());
        assert!(check("a b", &device(&[("type", "none")])).is_err());
    }
}
