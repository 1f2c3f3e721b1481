//! The options of docker's volume driver `local`: `volume create -o KEY=VALUE` and `--mount volume-opt=KEY=VALUE`
//! (<https://docs.docker.com/reference/cli/docker/volume/create/#driver-specific-options>).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::size;

/// The mount that a volume with options is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalMount {
    /// The type of the file system: `tmpfs`, `nfs`, `none` for a bind mount.
    pub kind: String,
    pub device: String,
    /// Options of mount(8).
    pub options: Vec<String>,
}

/// Refuses every driver but `local`. An empty name is the default.
pub fn check_name(driver: &str) -> Result<(), String> {
    match driver {
        "" | "local" => Ok(()),
        other => Err(format!("there is no volume driver {other:?}: hull has \"local\" and no plugins")),
    }
}

/// Checks the options by docker's rules. `None` for a volume that is a plain directory.
pub fn parse(options: &BTreeMap<String, String>) -> Result<Option<LocalMount>, String> {
    const KNOWN: [&str; 4] = ["device", "o", "size", "type"];
    if let Some(key) = options.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("invalid option: {key:?}"));
    }
    for (key, required) in [("device", "type"), ("o", "device"), ("o", "type"), ("type", "device")] {
        if options.contains_key(key) && !options.contains_key(required) {
            return Err(format!("missing required option: {required:?}"));
        }
    }
    let value = |key: &str| options.get(key).cloned().unwrap_or_default();
    let mut mount = LocalMount {
        kind: value("type"),
        device: value("device"),
        options: value("o").split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect(),
    };
    if let Some(limit) = options.get("size") {
        let bytes = size::parse(limit)?;
        // docker's size is a quota of the file system below its volumes.
        match &*mount.kind {
            "tmpfs" => mount.options.push(format!("size={bytes}")),
            _ if bytes > 0 => return Err("quota size requested but no quota support".into()),
            _ => {}
        }
    }
    if mount.kind.is_empty() && mount.device.is_empty() {
        return Ok(None);
    }
    if mount.device.is_empty() {
        return Err("missing device in volume options".into());
    }
    let is_bind = mount.options.iter().any(|option| option == "bind" || option == "rbind");
    if is_bind && !mount.device.starts_with('/') {
        return Err(format!(
            "the device of a bind mount is an absolute path, which {:?} is not",
            mount.device
        ));
    }
    if mount.options.iter().any(|option| option == "shared" || option == "rshared") {
        return Err("shared: mounts made in a container never reach the host".into());
    }
    Ok(Some(mount))
}

impl LocalMount {
    /// The server of a network file system that is given by name: the kernel takes addresses only.
    pub fn server(&self) -> Option<&str> {
        if !["nfs", "nfs4", "cifs"].contains(&&*self.kind) {
            return None;
        }
        let server = self.options.iter().find_map(|option| option.strip_prefix("addr="))?;
        (!server.is_empty() && server.parse::<Ipv4Addr>().is_err() && server.parse::<IpAddr>().is_err())
            .then_some(server)
    }

    /// Replaces the server's name by its address.
    pub fn resolved(mut self, address: IpAddr) -> Self {
        for option in &mut self.options {
            if option.starts_with("addr=") {
                *option = format!("addr={address}");
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<LocalMount>, String> {
        parse(&pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect())
    }

    #[test]
    fn the_options_are_dockers() {
        assert_eq!(read(&[]), Ok(None));
        let bind = read(&[("type", "none"), ("device", "/srv"), ("o", "bind,ro")]).unwrap().unwrap();
        assert_eq!((bind.kind.as_str(), bind.options.len()), ("none", 2));
        let tmpfs = read(&[("type", "tmpfs"), ("device", "tmpfs"), ("size", "1m")]).unwrap().unwrap();
        assert_eq!(tmpfs.options, ["size=1048576"]);
        for (wrong, why) in [
            (&[("colour", "blue")][..], "invalid option: \"colour\""),
            (&[("type", "tmpfs")], "missing required option: \"device\""),
            (&[("device", "tmpfs")], "missing required option: \"type\""),
            (&[("o", "ro")], "missing required option: \"device\""),
            (&[("size", "1m")], "quota size requested but no quota support"),
            (&[("type", "none"), ("device", ""), ("o", "bind")], "missing device in volume options"),
        ] {
            assert_eq!(read(wrong).unwrap_err(), why);
        }
        assert!(read(&[("type", "none"), ("device", "srv"), ("o", "bind")]).is_err());
        assert!(check_name("local").is_ok() && check_name("nfs").is_err());
    }

    #[test]
    fn the_name_of_a_server_becomes_its_address() {
        let nfs = |o: &str| read(&[("type", "nfs"), ("device", ":/srv"), ("o", o)]).unwrap().unwrap();
        assert_eq!(nfs("addr=192.0.2.1,rw").server(), None);
        assert_eq!(nfs("addr=::1").server(), None);
        let named = nfs("rw,addr=files.example");
        assert_eq!(named.server(), Some("files.example"));
        assert_eq!(named.resolved(IpAddr::from([192, 0, 2, 1])).options, ["rw", "addr=192.0.2.1"]);
    }
}
