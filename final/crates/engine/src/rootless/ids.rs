//! The ids that are mapped in this user namespace, and advice for those that are not.

use super::idmap;

/// Whether an id is a user's or a group's.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    User,
    Group,
}

/// A line of `/proc/self/uid_map`: user_namespaces(7).
struct Line {
    inside: u32,
    outside: u32,
    count: u32,
}

/// Whether a process of this user namespace can have the id.
pub(crate) fn is_mapped(kind: Kind, id: u32) -> bool {
    contains(&read(kind), id)
}

/// Advice about an id that is not mapped.
pub(crate) fn more_ids_hint() -> String {
    let last = read(Kind::User).iter().map(|line| line.inside.saturating_add(line.count - 1)).max();
    one_id_hint().unwrap_or_else(|| {
        format!(
            "your ids in a container end at {}: /etc/subuid and /etc/subgid give you more",
            last.unwrap_or(0)
        )
    })
}

/// Advice for an unprivileged user without subordinate ids, whose containers have user 0 only. `None` for everybody else.
pub fn one_id_hint() -> Option<String> {
    if !hull_sys::process::has_one_id() {
        return None;
    }
    read(Kind::User).first().map(|line| idmap::remedy(line.outside))
}

fn read(kind: Kind) -> Vec<Line> {
    let path = match kind {
        Kind::User => "/proc/self/uid_map",
        Kind::Group => "/proc/self/gid_map",
    };
    parse(&hull_sys::fs::read_kernel_text(path).unwrap_or_default())
}

fn parse(map: &str) -> Vec<Line> {
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse);
        match (numbers.next()?, numbers.next()?, numbers.next()?) {
            (Ok(inside), Ok(outside), Ok(count)) if count > 0 => Some(Line { inside, outside, count }),
            _ => None,
        }
    };
    map.lines().filter_map(line).collect()
}

fn contains(map: &[Line], id: u32) -> bool {
    map.iter().any(|line| id.checked_sub(line.inside).is_some_and(|offset| offset < line.count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_mapped_when_a_line_of_the_map_has_it() {
        let map = parse("         0      12345          1\n         1    1000000      65536\n");
        assert!([0, 1, 1000, 65536].iter().all(|id| contains(&map, *id)));
        assert!(!contains(&map, 65537) && !contains(&parse("0 1000 1"), 1000));
        assert!(contains(&parse("0 0 4294967295"), 4_294_967_294));
    }
}
