//! The id mappings of this process's user namespace (user_namespaces(7)).

use crate::fs::read_kernel_text;

/// How many ids the initial user namespace maps, onto themselves.
const ALL_IDS: u32 = u32::MAX;

/// The kind of id: of users or of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    Users,
    Groups,
}

/// One line of a map: `count` ids from `inside` on are the ids from `outside` on in the parent namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub inside: u32,
    pub outside: u32,
    pub count: u32,
}

/// The map of this process's user namespace. It has no range if /proc cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMap(Vec<Range>);

impl IdMap {
    /// Reads `/proc/self/uid_map` or `/proc/self/gid_map`.
    pub fn current(ids: Ids) -> Self {
        let path = match ids {
            Ids::Users => "/proc/self/uid_map",
            Ids::Groups => "/proc/self/gid_map",
        };
        Self::parse(&read_kernel_text(path).unwrap_or_default())
    }

    pub fn parse(text: &str) -> Self {
        let range = |line: &str| {
            let mut numbers = line.split_whitespace().map(str::parse);
            match (numbers.next()?, numbers.next()?, numbers.next()?) {
                (Ok(inside), Ok(outside), Ok(count)) if count > 0 => Some(Range { inside, outside, count }),
                _ => None,
            }
        };
        Self(text.lines().filter_map(range).collect())
    }

    pub fn ranges(&self) -> &[Range] {
        &self.0
    }

    /// The id outside of an id inside, if it is mapped.
    pub fn outside(&self, inside: u32) -> Option<u32> {
        let offset = |range: &Range| inside.checked_sub(range.inside).filter(|offset| *offset < range.count);
        self.0.iter().find_map(|range| range.outside.checked_add(offset(range)?))
    }

    /// The last id that is mapped.
    pub fn last(&self) -> Option<u32> {
        self.0.iter().map(|range| range.inside.saturating_add(range.count - 1)).max()
    }

    /// True for the map of the initial user namespace, where every id is itself.
    pub fn is_identity(&self) -> bool {
        self.0 == [Range { inside: 0, outside: 0, count: ALL_IDS }]
    }
}

/// True inside a user namespace other than the initial one, where uid 0 is another user outside.
pub fn in_user_namespace() -> bool {
    !IdMap::current(Ids::Users).is_identity()
}

/// True in a user namespace with a single user, which is all that an unprivileged process can map. Files of all other
/// users have an unknown owner there.
pub fn has_one_id() -> bool {
    matches!(IdMap::current(Ids::Users).ranges(), [Range { count: 1, .. }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_mapped_if_a_range_contains_it() {
        let map = IdMap::parse("         0      12345          1\n         1    1000000      65536\n");
        assert_eq!([0, 1, 65536].map(|id| map.outside(id)), [Some(12345), Some(1_000_000), Some(1_065_535)]);
        assert_eq!((map.outside(65537), map.last()), (None, Some(65536)));
        assert_eq!(IdMap::parse("0 1000 1").outside(1000), None);
    }

    #[test]
    fn only_the_initial_namespace_maps_every_id_onto_itself() {
        let initial = IdMap::parse("         0          0 4294967295\n");
        assert!(initial.is_identity() && initial.outside(4_294_967_294) == Some(4_294_967_294));
        assert!(!IdMap::parse("0 1000 1\n").is_identity() && !IdMap::parse("").is_identity());
    }
}
