//! The ids of an unprivileged user's container. On the outside they are ids of the user namespace that all of the user's
//! containers are in: 0 is the user, and the subordinate ids follow from 1 on.

use hull_docker::flags::userns::KeepId;
use hull_runtime::spec::IdMapping;
use hull_sys::id_map::{IdMap, Ids};

use crate::records::userns::IdMaps;
use crate::rootless::IdRange;

/// The subordinate ids.
pub(super) fn subordinate(ids: Ids) -> IdRange {
    IdRange { start: 1, count: IdMap::current(ids).last().unwrap_or(0) }
}

/// The id that the user has outside of all user namespaces that hull made.
pub(super) fn own(ids: Ids) -> u32 {
    IdMap::current(ids).outside(0).unwrap_or(0)
}

/// `keep-id`: the user has the same id inside, or the one that was given, and the subordinate ids are the others.
pub(super) fn keep_id(keep: &KeepId) -> IdMaps {
    let of = |ids, given: Option<u32>| {
        let most = subordinate(ids).count;
        kept(given.unwrap_or_else(|| own(ids)), keep.size.map_or(most, |size| size.min(most)))
    };
    IdMaps { uids: of(Ids::Users, keep.uid), gids: of(Ids::Groups, keep.gid) }
}

/// `count` subordinate ids around the user's own `id`.
fn kept(id: u32, count: u32) -> Vec<IdMapping> {
    let below = id.min(count);
    let map = |container_id, host_id, size| IdMapping { container_id, host_id, size };
    let maps = [map(0, 1, below), map(id, 0, 1), map(id.saturating_add(1), below + 1, count - below)];
    maps.into_iter().filter(|map| map.size > 0).collect()
}

/// `nomap`: the subordinate ids only.
pub(super) fn no_map() -> IdMaps {
    let of = |ids| vec![IdMapping { container_id: 0, host_id: 1, size: subordinate(ids).count }];
    IdMaps { uids: of(Ids::Users), gids: of(Ids::Groups) }
}

/// The first id outside that the engine's own user namespace does not have. The initial one has all.
pub(super) fn missing(ids: Ids, maps: &[IdMapping]) -> Option<u32> {
    if !hull_sys::id_map::in_user_namespace() {
        return None;
    }
    let last = IdMap::current(ids).last().unwrap_or(0);
    let lacks = |map: &&IdMapping| {
        map.size == 0 || u64::from(map.host_id) + u64::from(map.size) - 1 > u64::from(last)
    };
    maps.iter().find(lacks).map(|map| map.host_id.max(last.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_id_stays_and_the_others_are_around_it() {
        let text = |id, count| {
            let line = |map: &IdMapping| format!("{} {} {}", map.container_id, map.host_id, map.size);
            kept(id, count).iter().map(line).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(text(1000, 65536), "0 1 1000, 1000 0 1, 1001 1001 64536");
        assert_eq!(text(0, 10), "0 0 1, 1 1 10");
        assert_eq!(text(70000, 65536), "0 1 65536, 70000 0 1");
        assert_eq!(text(1000, 0), "1000 0 1");
    }
}
