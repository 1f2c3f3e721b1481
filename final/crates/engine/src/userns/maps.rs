//! The ids that each mode gives a container, as podman chooses them (podman-run(1), `--userns`).

use hull_docker::flags::userns::{Auto, Userns};
use hull_runtime::spec::IdMapping;
use hull_sys::id_map::Ids;

use super::leases::Leases;
use super::{pool, unprivileged};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::record::Record;
use crate::records::userns::{IdMaps, mapping};
use crate::rootless::{IdRange as Range, subordinate_ids};

/// How many ids a container gets that asks for no number: all that an ordinary image uses, and nobody's 65534.
const USUAL_SIZE: u32 = 65536;

/// podman's smallest number of ids.
const LEAST_SIZE: u32 = 1024;

/// The users whose lines in /etc/subuid and /etc/subgid say which ids are the containers' of `auto`.
const OWNERS: [&str; 2] = ["containers", "hull"];

/// The user whose line in these files gives ids to system containers if [`OWNERS`] have none, as in LXC and LXD.
const ROOT: &str = "root";

/// The ids of `auto` where there are no such lines: 1879048192 to 2147352575, which systemd's list of ids keeps for users of its
/// own assignment, and which useradd gives to nobody.
const DEFAULT_POOL: Range = Range { start: 0x7000_0000, count: 0x0ffd_f000 };

/// The kernel's limit (user_namespaces(7)).
const MOST_LINES: usize = 340;

/// The container's ids, which are leased to it. `None` if it joins a container in the engine's own user namespace.
pub(super) fn choose(engine: &Engine, record: &Record) -> Result<Option<IdMaps>> {
    let options = &record.options.userns;
    let mode = options.mode().map_err(|why| invalid(&options.mode, why))?;
    if options.has_maps() && !matches!(mode, Userns::Host | Userns::Private) {
        return Err(invalid(
            &options.mode,
            "it chooses the ids itself, so --uidmap, --gidmap, --subuidname and --subgidname cannot be given",
        ));
    }
    let leases = Leases::lock(engine.root())?;
    let maps = match mode {
        Userns::Host if options.mode == "host" => {
            return Err(invalid("host", "a mapping of ids needs a user namespace of the container's own"));
        }
        Userns::Host | Userns::Private => given(record)?,
        Userns::Auto(auto) => automatic(&leases, &auto, record.options.system)?,
        Userns::KeepId(_) | Userns::NoMap if !hull_sys::id_map::in_user_namespace() => {
            return Err(invalid(
                &options.mode,
                "it is about the ids of an unprivileged user, and you are root",
            ));
        }
        Userns::KeepId(keep) => {
            let maps = unprivileged::keep_id(&keep);
            check(&maps)?;
            // The user's own ids are those of other containers, too, and are not leased.
            return Ok(Some(maps));
        }
        Userns::NoMap => {
            let maps = unprivileged::no_map();
            check(&maps)?;
            return Ok(Some(maps));
        }
        Userns::Container(other) => match engine.find(&other)?.id_maps {
            Some(maps) => maps,
            None => return Ok(None),
        },
    };
    check(&maps)?;
    leases.add(&record.id, &maps)?;
    Ok(Some(maps))
}

fn invalid(mode: &str, why: impl Into<String>) -> Error {
    Error::Invalid { what: format!("user namespace {mode:?}"), why: why.into() }
}

/// The ids of `--uidmap`, `--gidmap`, `--subuidname` and `--subgidname`. What is given for users only holds for groups too,
/// and the other way round.
fn given(record: &Record) -> Result<IdMaps> {
    let options = &record.options.userns;
    let of = |maps: &[IdMapping], name: Option<&String>, file| match name {
        Some(_) if !maps.is_empty() => {
            Err(invalid("private", "ids are given by a mapping or by a name in /etc/subuid, not by both"))
        }
        Some(name) => named(name, file),
        None => Ok(maps.to_vec()),
    };
    let names = (options.uids_of.as_ref(), options.gids_of.as_ref());
    let mut uids = of(&options.uids, names.0.or(names.1.filter(|_| options.uids.is_empty())), "/etc/subuid")?;
    let mut gids = of(&options.gids, names.1.or(names.0.filter(|_| options.gids.is_empty())), "/etc/subgid")?;
    if uids.is_empty() {
        uids.clone_from(&gids);
    }
    if gids.is_empty() {
        gids.clone_from(&uids);
    }
    match uids.is_empty() {
        true => Err(invalid(
            "private",
            "it needs --uidmap, --gidmap, --subuidname or --subgidname to say which ids it has",
        )),
        false => Ok(IdMaps { uids, gids }),
    }
}

/// The ids of a name, one range after the other from 0 on.
fn named(name: &str, file: &str) -> Result<Vec<IdMapping>> {
    let mut inside = 0u32;
    let mut maps = Vec::new();
    for range in subordinate_ids(file, name) {
        let count = range.count.min(u32::MAX - inside);
        if count > 0 {
            maps.push(IdMapping { container_id: inside, host_id: range.start, size: count });
            inside += count;
        }
    }
    match maps.is_empty() {
        true => Err(invalid("private", format!("{file} has no ids for {name:?}"))),
        false => Ok(maps),
    }
}

/// Chooses ids that no other container has. If the usual number of ids in a row is not free, and none was asked for, a
/// container gets fewer. A system container does not, because it needs the id of its user `nobody`, 65534.
fn automatic(leases: &Leases<'_>, auto: &Auto, is_system: bool) -> Result<IdMaps> {
    let sizes = match auto.size {
        Some(size) => vec![size],
        None if is_system => vec![USUAL_SIZE],
        // An unprivileged user has as many for all containers together.
        None if hull_sys::id_map::in_user_namespace() => vec![LEAST_SIZE],
        None => vec![USUAL_SIZE, LEAST_SIZE],
    };
    let find = |ids, size| find(leases, ids, auto, size, is_system);
    for size in &sizes {
        if let (Some(uids), Some(gids)) = (find(Ids::Users, *size)?, find(Ids::Groups, *size)?) {
            return Ok(IdMaps { uids, gids });
        }
    }
    let owners =
        if is_system { "\"containers\", \"hull\" or \"root\"" } else { "\"containers\" or \"hull\"" };
    Err(invalid(
        "auto",
        format!(
            "{} ids in a row are not free: other containers have them, and /etc/subuid and /etc/subgid give no more to {owners}",
            sizes[sizes.len() - 1]
        ),
    ))
}

fn find(
    leases: &Leases<'_>,
    ids: Ids,
    auto: &Auto,
    size: u32,
    is_system: bool,
) -> Result<Option<Vec<IdMapping>>> {
    let (taken, more) = match ids {
        Ids::Users => (&leases.users, &auto.uids),
        Ids::Groups => (&leases.groups, &auto.gids),
    };
    let more: Vec<IdMapping> = more.iter().map(mapping).collect();
    // The ids that are not mapped otherwise.
    let whole = [Range { start: 0, count: size }];
    let mapped: Vec<Range> =
        more.iter().map(|map| Range { start: map.container_id, count: map.size }).collect();
    let inside = pool::free(&whole, &mapped);
    let count = inside.iter().map(|range| range.count).sum();
    let mut taken = taken.clone();
    taken.extend(more.iter().map(|map| Range { start: map.host_id, count: map.size }));
    let pool = pool_of(ids, is_system);
    let free = pool::free(&pool.ranges, &taken);
    let found = if pool.is_roots { pool::last_fit(&free, count) } else { pool::first_fit(&free, count) };
    let Some(found) = found else { return Ok(None) };
    let mut start = found.start;
    let mut maps = Vec::new();
    for range in inside {
        maps.push(IdMapping { container_id: range.start, host_id: start, size: range.count });
        start += range.count;
    }
    maps.extend(more);
    Ok(Some(maps))
}

/// The ids among which `auto` chooses.
struct Pool {
    ranges: Vec<Range>,
    /// They are those of root in /etc/subuid and /etc/subgid. Other programs take these from the beginning, so hull
    /// takes them from the end.
    is_roots: bool,
}

/// The ids of `auto`. The default ones exclude those that the administrator has given to somebody.
fn pool_of(ids: Ids, is_system: bool) -> Pool {
    if hull_sys::id_map::in_user_namespace() {
        return Pool { ranges: vec![unprivileged::subordinate(ids)], is_roots: false };
    }
    let file = match ids {
        Ids::Users => "/etc/subuid",
        Ids::Groups => "/etc/subgid",
    };
    let own: Vec<Range> = OWNERS.iter().flat_map(|owner| subordinate_ids(file, owner)).collect();
    if !own.is_empty() {
        return Pool { ranges: own, is_roots: false };
    }
    // As in LXD, a line with too few ids for one system container is ignored.
    let roots: Vec<Range> = match is_system {
        true => subordinate_ids(file, ROOT).into_iter().filter(|range| range.count >= USUAL_SIZE).collect(),
        false => vec![],
    };
    match roots.is_empty() {
        true => Pool {
            ranges: pool::free(&[DEFAULT_POOL], &crate::rootless::all_subordinate_ids(file)),
            is_roots: false,
        },
        false => Pool { ranges: roots, is_roots: true },
    }
}

/// Refuses what the kernel would refuse with a bare EINVAL.
fn check(maps: &IdMaps) -> Result<()> {
    for (ids, kind) in [(Ids::Users, "user"), (Ids::Groups, "group")] {
        let maps = maps.of(ids);
        let refuse = |why: String| Err(Error::Invalid { what: format!("mapping of {kind} ids"), why });
        if maps.len() > MOST_LINES {
            return refuse(format!("the kernel takes {MOST_LINES} ranges, and these are {}", maps.len()));
        }
        let inside = |map: &IdMapping| Range { start: map.container_id, count: map.size };
        let outside = |map: &IdMapping| Range { start: map.host_id, count: map.size };
        for (index, map) in maps.iter().enumerate() {
            if map.size == 0
                || inside(map).end() > u64::from(u32::MAX)
                || outside(map).end() > u64::from(u32::MAX)
            {
                return refuse(format!("it ends after the last id, {}", u32::MAX - 1));
            }
            for other in &maps[..index] {
                if inside(map).overlaps(inside(other)) {
                    return refuse(format!(
                        "id {} is mapped twice",
                        map.container_id.max(other.container_id)
                    ));
                }
                if outside(map).overlaps(outside(other)) {
                    return refuse(format!(
                        "id {} of the host is mapped twice",
                        map.host_id.max(other.host_id)
                    ));
                }
            }
        }
        if let Some(id) = unprivileged::missing(ids, maps) {
            return Err(Error::NotMapped { what: format!("{kind} {id}") });
        }
        if !maps.iter().any(|map| map.container_id == 0) {
            return refuse(format!("{kind} 0 of the container has to be mapped"));
        }
    }
    Ok(())
}
