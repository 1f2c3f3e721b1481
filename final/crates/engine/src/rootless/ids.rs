//! The ids that are mapped in this user namespace, and advice for those that are not.

use hull_sys::id_map::{IdMap, Ids};

use super::idmap;
use super::range::IdRange;
use crate::search_path::SearchPath;

/// The ids that /etc/subuid or /etc/subgid gives to a name, for every caller.
pub(crate) fn subordinate_ids(file: &str, name: &str) -> Vec<IdRange> {
    let text = idmap::read(file);
    idmap::lines(&text).filter(|(who, _)| *who == name).map(|(_, range)| range).collect()
}

/// The ids that the file gives to anybody.
pub(crate) fn all_subordinate_ids(file: &str) -> Vec<IdRange> {
    let text = idmap::read(file);
    idmap::lines(&text).map(|(_, range)| range).collect()
}

/// Checks that /etc/subuid and /etc/subgid give ids to the calling user. The error names the file that does not. The
/// caller is outside of the user namespace.
pub(crate) fn check_own_subordinate_ids() -> Result<(), String> {
    let uid = rustix::process::geteuid().as_raw();
    let name = idmap::user_name(&idmap::read("/etc/passwd"), uid);
    for file in ["/etc/subuid", "/etc/subgid"] {
        if idmap::ranges(&idmap::read(file), name.as_deref(), uid).is_empty() {
            return Err(format!("{file} gives no ids to {}", name.unwrap_or_else(|| uid.to_string())));
        }
    }
    Ok(())
}

/// Whether a process of this user namespace can have the id.
pub(crate) fn is_mapped(ids: Ids, id: u32) -> bool {
    IdMap::current(ids).outside(id).is_some()
}

/// Advice about an id that is not mapped.
pub fn more_ids_hint(programs: &SearchPath) -> String {
    let last = IdMap::current(Ids::Users).last();
    one_id_hint(programs).unwrap_or_else(|| {
        format!(
            "your ids in a container end at {}: /etc/subuid and /etc/subgid give you more",
            last.unwrap_or(0)
        )
    })
}

/// Advice for an unprivileged user without subordinate ids, whose containers have user 0 only. `None` for everybody else.
pub fn one_id_hint(programs: &SearchPath) -> Option<String> {
    if !hull_sys::id_map::has_one_id() {
        return None;
    }
    IdMap::current(Ids::Users).ranges().first().map(|range| idmap::remedy(range.outside, programs))
}
