//! `raw.idmap`: ids of the host that a container has, too.

use crate::size::digits;

/// Which ids a line maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    Both,
    Users,
    Groups,
}

/// One line of `raw.idmap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub ids: Ids,
    /// The first id on the host.
    pub host: u32,
    /// The first id in the container.
    pub container: u32,
    pub count: u32,
}

/// Lines of `both|uid|gid HOST[-LAST] CONTAINER[-LAST]`.
pub fn parse(text: &str) -> Result<Vec<Entry>, String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(entry).collect()
}

fn entry(line: &str) -> Result<Entry, String> {
    let why = || format!("{line:?} is not: both, uid or gid, the host's ids, the container's ids");
    let words: Vec<&str> = line.split_whitespace().collect();
    let [kind, host, container] = words[..] else { return Err(why()) };
    let ids = match kind {
        "both" => Ids::Both,
        "uid" => Ids::Users,
        "gid" => Ids::Groups,
        _ => return Err(why()),
    };
    let (host, count) = range(host).ok_or_else(why)?;
    let (container, other) = range(container).ok_or_else(why)?;
    match count == other {
        true => Ok(Entry { ids, host, container, count }),
        false => Err(format!("the two ranges of {line:?} differ in length")),
    }
}

fn range(text: &str) -> Option<(u32, u32)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let id = |text| digits(text).and_then(|id| u32::try_from(id).ok()).filter(|id| *id < u32::MAX);
    let (first, last) = (id(first)?, id(last)?);
    Some((first, last.checked_sub(first)?.checked_add(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_map_ids_and_ranges() {
        let entries = parse("both 1000 500\n\nuid 50-60 500-510\n").unwrap();
        assert_eq!(entries[0], Entry { ids: Ids::Both, host: 1000, container: 500, count: 1 });
        assert_eq!(entries[1], Entry { ids: Ids::Users, host: 50, container: 500, count: 11 });
        for wrong in [
            "both 1000",
            "all 1 1",
            "uid 1-3 1-2",
            "gid 3-1 3-1",
            "uid -1 1",
            "uid 0-4294967295 0-4294967295",
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
