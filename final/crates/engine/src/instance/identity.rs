//! `security.privileged`, `security.idmap.*` and `raw.idmap`: which ids the container has.

use hull_lxd::Config;
use hull_lxd::idmap::{self, Entry, Ids};
use hull_runtime::spec::IdMapping;

use super::difference::Change;
use crate::error::{Error, Result};
use crate::records::options::CreateOptions;
use crate::records::userns::UsernsOptions;

/// The number of ids of a container without `security.idmap.size`.
const SIZE: u32 = 65536;

pub(super) const ISOLATED: &str = "security.idmap.isolated";

const KEYS: [&str; 5] =
    ["raw.idmap", "security.idmap.base", ISOLATED, "security.idmap.size", "security.privileged"];

/// Whether a change of keys gives the container other ids.
pub(crate) fn differs(before: &Config, after: &Config, is_system: bool) -> bool {
    let keys = KEYS.into_iter().filter(|key| *key != ISOLATED);
    Change { before, after }.of(&keys.collect::<Vec<_>>()) || isolates(before, after, is_system)
}

/// Whether a change of the key `security.idmap.isolated` gives the container other ids. It gives a system container none,
/// because each has ids of its own. Another container has the host's ids without it.
pub(super) fn isolates(before: &Config, after: &Config, is_system: bool) -> bool {
    let is_set = |config| Change { before: config, after: config }.flag(ISOLATED);
    !is_system && is_set(before) != is_set(after)
}

/// Puts the keys into the options of a new container, which gets its ids from them.
pub(super) fn put(after: &Config, options: &mut CreateOptions) -> Result<()> {
    if differs(&Config::new(), after, options.system) {
        options.userns = possible(after)?;
    }
    Ok(())
}

/// Puts the keys into the options of a container that had other ids. A system container also gets other rights, which
/// depend on its ids.
pub(super) fn replace(after: &Config, options: &mut CreateOptions) -> Result<()> {
    options.userns = possible(after)?;
    if options.system {
        crate::init::forget_identity(options);
        crate::init::apply(options)?;
    }
    Ok(())
}

fn possible(after: &Config) -> Result<UsernsOptions> {
    let userns = userns(&Change { before: &Config::new(), after })?;
    // The kernel maps the ids of no host file system for an unprivileged user (mount_setattr(2)).
    match !userns.is_host() && hull_sys::id_map::in_user_namespace() {
        true => Err(Error::Unsupported(
            "an unprivileged user's containers share the ids of the user: security.idmap.* and raw.idmap are for root"
                .into(),
        )),
        false => Ok(userns),
    }
}

fn userns(keys: &Change<'_>) -> Result<UsernsOptions> {
    let is_mapped = |key: &&&str| **key != ISOLATED && key.contains("idmap");
    let has_maps = keys.flag(ISOLATED) || KEYS.iter().filter(is_mapped).any(|key| keys.get(key).is_some());
    if keys.flag("security.privileged") {
        return match keys.get("raw.idmap").or(keys.get("security.idmap.base")) {
            Some(_) => Err(Error::Invalid {
                what: "combination of keys".into(),
                why: "security.privileged is without a user namespace, so no ids can be mapped (raw.idmap, \
                      security.idmap.base)"
                    .into(),
            }),
            None => Ok(UsernsOptions { mode: "host".into(), ..UsernsOptions::default() }),
        };
    }
    if !has_maps {
        return Ok(UsernsOptions::default());
    }
    let number = |key: &str| keys.get(key).and_then(|text| text.parse::<u32>().ok());
    let raw = idmap::parse(keys.get("raw.idmap").unwrap_or_default());
    let raw = raw.map_err(|why| Error::Invalid { what: "raw.idmap".into(), why })?;
    let (size, base) = (number("security.idmap.size"), number("security.idmap.base"));
    match base {
        Some(base) => Ok(UsernsOptions {
            mode: "private".into(),
            uids: around(&raw, Ids::Users, base, size.unwrap_or(SIZE)),
            gids: around(&raw, Ids::Groups, base, size.unwrap_or(SIZE)),
            ..UsernsOptions::default()
        }),
        None => Ok(UsernsOptions { mode: automatic(&raw, size), ..UsernsOptions::default() }),
    }
}

fn has(entry: &Entry, ids: Ids) -> bool {
    entry.ids == Ids::Both || entry.ids == ids
}

/// The mode `auto`, in which hull chooses all ids except those of `raw.idmap`.
fn automatic(raw: &[Entry], size: Option<u32>) -> String {
    let mut options: Vec<String> = size.iter().map(|size| format!("size={size}")).collect();
    for (ids, name) in [(Ids::Users, "uidmapping"), (Ids::Groups, "gidmapping")] {
        let of_kind = raw.iter().filter(|entry| has(entry, ids));
        options.extend(
            of_kind.map(|entry| format!("{name}={}:{}:{}", entry.container, entry.host, entry.count)),
        );
    }
    match options.is_empty() {
        true => "auto".into(),
        false => format!("auto:{}", options.join(",")),
    }
}

/// Maps the container's ids to those from `base` on, except the ids of `raw.idmap`. The order is that of the
/// container's ids.
fn around(raw: &[Entry], ids: Ids, base: u32, size: u32) -> Vec<IdMapping> {
    let mut raw: Vec<&Entry> = raw.iter().filter(|entry| has(entry, ids)).collect();
    raw.sort_by_key(|entry| entry.container);
    let mut maps = Vec::new();
    let mut next = 0;
    let fill = |maps: &mut Vec<IdMapping>, next: u32, end: u32| {
        if next < end {
            let host_id = base.saturating_add(next);
            maps.push(IdMapping { container_id: next, host_id, size: end - next });
        }
    };
    for entry in raw {
        fill(&mut maps, next, entry.container.min(size));
        maps.push(IdMapping { container_id: entry.container, host_id: entry.host, size: entry.count });
        next = next.max(entry.container.saturating_add(entry.count));
    }
    fill(&mut maps, next, size);
    maps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(keys: &[(&str, &str)]) -> Result<UsernsOptions> {
        let after = keys.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        userns(&Change { before: &Config::new(), after: &after })
    }

    #[test]
    fn keys_become_a_user_namespace() {
        assert_eq!(of(&[]).unwrap().mode, "");
        assert_eq!(of(&[("security.idmap.isolated", "true")]).unwrap().mode, "auto");
        assert_eq!(of(&[("security.idmap.isolated", "false")]).unwrap().mode, "");
        assert_eq!(of(&[("security.privileged", "true")]).unwrap().mode, "host");
        let auto = of(&[("raw.idmap", "both 1000 1000\nuid 5 6"), ("security.idmap.size", "10000")]).unwrap();
        assert_eq!(
            auto.mode,
            "auto:size=10000,uidmapping=1000:1000:1,uidmapping=6:5:1,gidmapping=1000:1000:1"
        );
        assert!(hull_docker::flags::userns::parse(&auto.mode).is_ok());
        assert!(of(&[("security.privileged", "true"), ("raw.idmap", "both 1 1")]).is_err());
    }

    #[test]
    fn isolation_gives_other_ids_to_a_container_that_has_the_hosts() {
        let config = |value: &str| Config::from([(ISOLATED.to_owned(), value.to_owned())]);
        assert!(
            differs(&Config::new(), &config("true"), false) && differs(&config("1"), &config("false"), false)
        );
        assert!(!differs(&Config::new(), &config("false"), false), "unset is false");
        assert!(!differs(&Config::new(), &config("true"), true), "a system container has ids of its own");
    }

    #[test]
    fn a_base_leaves_room_for_the_hosts_ids() {
        let given = of(&[("security.idmap.base", "100000"), ("raw.idmap", "both 1000 500")]).unwrap();
        let map = |container_id, host_id, size| IdMapping { container_id, host_id, size };
        assert_eq!(given.uids, [map(0, 100_000, 500), map(500, 1000, 1), map(501, 100_501, 65_035)]);
        assert_eq!(given.uids, given.gids);
    }
}
