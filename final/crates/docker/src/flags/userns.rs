//! `--userns`, `--uidmap` and `--gidmap`: the user namespace of a container, in podman's syntax (podman-run(1)). docker knows
//! `host` only.

use std::fmt;

/// `--userns`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Userns {
    /// The caller's own: the container gets no user namespace.
    #[default]
    Host,
    /// A namespace with the ids that `--uidmap` and its kin give.
    Private,
    /// A namespace whose ids no other container has.
    Auto(Auto),
    /// A namespace in which the calling user has the same id as outside.
    KeepId(KeepId),
    /// A namespace in which the calling user has no id.
    NoMap,
    /// The namespace of another container, which is given by name or id.
    Container(String),
}

/// The options of `--userns auto`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Auto {
    /// How many ids there are. `None`: as many as the image needs.
    pub size: Option<u32>,
    /// Ids that are mapped in addition.
    pub uids: Vec<Map>,
    pub gids: Vec<Map>,
}

/// The options of `--userns keep-id`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeepId {
    /// The id that the calling user has inside, if it is to be another one.
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// How many ids there are.
    pub size: Option<u32>,
}

/// `count` ids from `inside` on are the ids from `outside` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Map {
    pub inside: u32,
    pub outside: u32,
    pub count: u32,
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.inside, self.outside, self.count)
    }
}

/// `host`, `private`, `auto[:OPTION,…]`, `keep-id[:OPTION,…]`, `nomap` or `container:NAME`; empty is the host's.
pub fn parse(text: &str) -> Result<Userns, String> {
    let (mode, rest) = text.split_once(':').map_or((text, None), |(mode, rest)| (mode, Some(rest)));
    match (mode, rest) {
        ("host" | "", None) => Ok(Userns::Host),
        ("private", None) => Ok(Userns::Private),
        ("nomap", None) => Ok(Userns::NoMap),
        ("auto", rest) => auto(rest.unwrap_or_default()).map(Userns::Auto),
        ("keep-id", rest) => keep_id(rest.unwrap_or_default()).map(Userns::KeepId),
        ("container", Some(name)) if !name.is_empty() => Ok(Userns::Container(name.to_owned())),
        ("ns", Some(_)) => {
            Err("hull joins no user namespace by its path; container:NAME joins that of a container".into())
        }
        _ => Err(format!(
            "{text:?} is no user namespace: expected host, private, auto, keep-id, nomap or container:NAME"
        )),
    }
}

fn auto(options: &str) -> Result<Auto, String> {
    let mut auto = Auto::default();
    for (key, value) in pairs(options) {
        match key {
            "size" => auto.size = Some(size(value)?),
            "uidmapping" => auto.uids.push(map(value)?),
            "gidmapping" => auto.gids.push(map(value)?),
            _ => return Err(format!("auto has no option {key:?}: expected size, uidmapping or gidmapping")),
        }
    }
    Ok(auto)
}

fn keep_id(options: &str) -> Result<KeepId, String> {
    let mut keep = KeepId::default();
    for (key, value) in pairs(options) {
        match key {
            "uid" => keep.uid = Some(id(value)?),
            "gid" => keep.gid = Some(id(value)?),
            "size" => keep.size = Some(size(value)?),
            _ => return Err(format!("keep-id has no option {key:?}: expected uid, gid or size")),
        }
    }
    Ok(keep)
}

fn pairs(options: &str) -> impl Iterator<Item = (&str, &str)> {
    let given = options.split(',').filter(|option| !option.is_empty());
    given.map(|option| option.split_once('=').unwrap_or((option, "")))
}

/// `INSIDE:OUTSIDE[:COUNT]`, of `--uidmap` and `--gidmap`. Without a count it is one id.
pub fn map(text: &str) -> Result<Map, String> {
    if text.starts_with(['@', '+', 'u', 'g']) || text.contains(":@") {
        return Err("podman's prefixes @, +, u and g are not supported: write the ids of the host".into());
    }
    let mut fields = text.split(':');
    let (Some(inside), Some(outside), count, None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(format!("{text:?} is no mapping: expected INSIDE:OUTSIDE[:COUNT]"));
    };
    let map = Map { inside: id(inside)?, outside: id(outside)?, count: count.map_or(Ok(1), size)? };
    // The last id, 4294967295, stands for "no change" in chown(2) and cannot be mapped.
    let ends_in_range = |first: u32| first.checked_add(map.count).is_some();
    match ends_in_range(map.inside) && ends_in_range(map.outside) {
        true => Ok(map),
        false => Err(format!("{text:?} ends after the last id, {}", u32::MAX - 1)),
    }
}

fn id(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{text:?} is no id"))
}

fn size(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("{text:?} is no number of ids")),
        Ok(size) => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_of_podman_is_read() {
        assert_eq!(parse(""), Ok(Userns::Host));
        assert_eq!(parse("host"), Ok(Userns::Host));
        assert_eq!(parse("private"), Ok(Userns::Private));
        assert_eq!(parse("nomap"), Ok(Userns::NoMap));
        assert_eq!(parse("container:db"), Ok(Userns::Container("db".into())));
        assert_eq!(parse("auto"), Ok(Userns::Auto(Auto::default())));
        let wanted =
            Auto { size: Some(8192), uids: vec![Map { inside: 5, outside: 1000, count: 2 }], gids: vec![] };
        assert_eq!(parse("auto:size=8192,uidmapping=5:1000:2"), Ok(Userns::Auto(wanted)));
        let keep = KeepId { uid: Some(7), gid: Some(8), size: None };
        assert_eq!(parse("keep-id:uid=7,gid=8"), Ok(Userns::KeepId(keep)));
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in
            ["x", "host:1", "nomap:", "auto:x=1", "auto:size=0", "keep-id:uid=-1", "container:", "ns:/x"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_mapping_stays_within_the_ids() {
        assert_eq!(map("0:100000:65536").unwrap().to_string(), "0:100000:65536");
        assert_eq!(map("5:6").unwrap().count, 1);
        for wrong in
            ["", "0", "0:1:0", "0:1:2:3", "0:4294967295:1", "0:1:4294967295", "@0:1:2", "a:b:c", "-1:0:1"]
        {
            assert!(map(wrong).is_err(), "{wrong}");
        }
        assert!(map("0:4294967294:1").is_ok());
    }
}
