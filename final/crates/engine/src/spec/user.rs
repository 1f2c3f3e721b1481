//! The ids that `--user` stands for, looked up in the container's own /etc/passwd and /etc/group.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hull_sys::untrusted;

use crate::error::{Error, IoContext, Result};
use crate::records::record::Record;
use crate::records::userns::IdMaps;

/// The most that is read of a file that a hostile image may have made endless.
const LONGEST_FILE: u64 = 4 << 20;

/// How long reading may take: a FUSE daemon in the container may never answer.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

const PASSWD: &str = "etc/passwd";
const GROUP: &str = "etc/group";

/// A container's /etc/passwd and /etc/group. A file that cannot be read counts as empty.
#[derive(Debug)]
pub(crate) struct UserFiles {
    passwd: String,
    group: String,
}

impl UserFiles {
    /// Those of a root that hull has mounted and that no container runs on.
    pub(crate) fn of_image(rootfs: &Path) -> Result<Self> {
        let root = std::fs::File::open(rootfs).context(|| format!("open {}", rootfs.display()))?;
        let file = |path: &str| text(untrusted::read(&root, Path::new(path), LONGEST_FILE));
        Ok(Self { passwd: file(PASSWD), group: file(GROUP) })
    }

    /// Those of a running container, whose root was the file system `device` when hull mounted it.
    pub(crate) fn of_running(root: impl AsFd, device: Option<u64>) -> Result<Self> {
        let quick = |path: &str| match device {
            Some(device) => untrusted::read_on_device(&root, device, Path::new(path), LONGEST_FILE),
            None => Err(io::Error::from_raw_os_error(nix::libc::EXDEV)),
        };
        let (passwd, group) = (quick(PASSWD), quick(GROUP));
        let crosses = |file: &io::Result<Vec<u8>>| {
            file.as_ref().is_err_and(|error| error.raw_os_error() == Some(nix::libc::EXDEV))
        };
        if !crosses(&passwd) && !crosses(&group) {
            return Ok(Self { passwd: text(passwd), group: text(group) });
        }
        let paths = [Path::new(PASSWD), Path::new(GROUP)];
        let files = untrusted::read_within(&root, &paths, LONGEST_FILE, READ_TIMEOUT)
            .context(|| "read the container's /etc/passwd and /etc/group".into())?;
        let mut files = files.into_iter().map(text);
        Ok(Self { passwd: files.next().unwrap_or_default(), group: files.next().unwrap_or_default() })
    }
}

fn text(file: io::Result<Vec<u8>>) -> String {
    String::from_utf8_lossy(&file.unwrap_or_default()).into_owned()
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    pub home: Option<String>,
}

/// `user[:group]`, each a name or a number, and `--group-add`. Empty is root.
pub(crate) fn resolve(files: &UserFiles, record: &Record, user: &str) -> Result<User> {
    let added = &record.options.group_add;
    let mut user = resolve_in(&files.passwd, &files.group, user, added)?;
    if record.in_user_namespace() {
        check_mapped(&mut user, &files.group, record)?;
    }
    Ok(user)
}

/// A process of a user namespace can have the namespace's ids only (user_namespaces(7)). A group that only the image's
/// /etc/group gives is left out if it is not mapped, because no file can belong to it there.
fn check_mapped(user: &mut User, group: &str, record: &Record) -> Result<()> {
    use hull_sys::id_map::Ids;
    let is_mapped = |kind: Ids, id: u32| match &record.id_maps {
        Some(maps) => maps.outside(kind, id).is_some(),
        None => crate::rootless::is_mapped(kind, id),
    };
    let asked = record.options.group_add.iter().map(|name| gid(group, name)).collect::<Result<Vec<_>>>()?;
    let missing = |kind: Ids, id: u32, what: &str| match is_mapped(kind, id) {
        true => Ok(()),
        false if record.id_maps.is_some() => Err(IdMaps::missing(what, id)),
        false => Err(Error::NotMapped { what: format!("{what} {id}") }),
    };
    missing(Ids::Users, user.uid, "user")?;
    asked.into_iter().chain([user.gid]).try_for_each(|id| missing(Ids::Groups, id, "group"))?;
    user.groups.retain(|id| is_mapped(Ids::Groups, *id));
    Ok(())
}

fn resolve_in(passwd: &str, group: &str, user: &str, added: &[String]) -> Result<User> {
    let (name, group_name) = match user.split_once(':') {
        Some((name, group)) => (name, Some(group).filter(|group| !group.is_empty())),
        None => (user, None),
    };
    let name = if name.is_empty() { "0" } else { name };
    let entry = find(passwd, name, 2);
    let mut found = match &entry {
        Some(fields) => User {
            uid: number(fields.get(2)).ok_or_else(|| no_such(name, PASSWD))?,
            gid: number(fields.get(3)).ok_or_else(|| no_such(name, PASSWD))?,
            home: fields.get(5).filter(|home| !home.is_empty()).map(|home| home.to_string()),
            groups: vec![],
        },
        // A number needs no entry.
        None => User { uid: id(name).ok_or_else(|| no_such(name, PASSWD))?, ..User::default() },
    };
    match group_name {
        Some(name) => found.gid = gid(group, name)?,
        // As in docker, the user's other groups count only if no group is given.
        None => {
            if let Some(name) = entry.as_ref().and_then(|fields| fields.first()) {
                found.groups = groups_of(group, name);
            }
        }
    }
    for name in added {
        found.groups.push(gid(group, name)?);
    }
    // The primary group is one of the supplementary groups too. Otherwise a set-group-ID program could lose it, and
    // with it a denial of access that applies to the group (CVE-2022-36109).
    found.groups.push(found.gid);
    found.groups.sort_unstable();
    found.groups.dedup();
    Ok(found)
}

fn gid(group: &str, name: &str) -> Result<u32> {
    match find(group, name, 2) {
        Some(fields) => number(fields.get(2)).ok_or_else(|| no_such(name, GROUP)),
        None => id(name).ok_or_else(|| no_such(name, GROUP)),
    }
}

fn groups_of(group: &str, user: &str) -> Vec<u32> {
    let lines = group.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines
        .filter(|fields| fields.get(3).is_some_and(|members| members.split(',').any(|m| m == user)))
        .filter_map(|fields| number(fields.get(2)))
        .collect()
}

/// A line by its first field, or by the number in `number_field`.
fn find<'a>(file: &'a str, name: &str, number_field: usize) -> Option<Vec<&'a str>> {
    let lines = || file.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines().find(|fields| fields.first() == Some(&name)).or_else(|| {
        let wanted: u32 = name.parse().ok()?;
        lines().find(|fields| number(fields.get(number_field)) == Some(wanted))
    })
}

fn number(field: Option<&&str>) -> Option<u32> {
    id(field?)
}

/// docker's limit for ids. The largest 32-bit number would mean "no change" in setresuid(2), and so leave root.
fn id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| i32::try_from(*id).is_ok())
}

fn no_such(user: &str, file: &str) -> Error {
    Error::NoSuchUser { user: user.into(), file: PathBuf::from(file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1001::/home/bob:/bin/sh\n";
    const GROUPS: &str = "root:x:0:\nbob:x:1001:\naudio:x:29:bob,eve\n";

    fn ids(user: &str, added: &[&str]) -> (u32, u32, Vec<u32>) {
        let added: Vec<String> = added.iter().map(|name| name.to_string()).collect();
        let user = resolve_in(USERS, GROUPS, user, &added).unwrap();
        (user.uid, user.gid, user.groups)
    }

    #[test]
    fn names_and_numbers_mean_what_docker_means() {
        assert_eq!(ids("", &[]), (0, 0, vec![0]));
        assert_eq!(ids("bob", &[]), (1000, 1001, vec![29, 1001]));
        assert_eq!(ids("1000", &[]), (1000, 1001, vec![29, 1001]));
        assert_eq!(ids("bob:audio", &[]), (1000, 29, vec![29]));
        assert_eq!(ids("4242", &["audio", "7"]), (4242, 0, vec![0, 7, 29]));
        assert_eq!(ids("4242:4243", &[]), (4242, 4243, vec![4243]));
    }

    #[test]
    fn the_number_that_means_no_change_is_no_user() {
        for user in ["4294967295", "2147483648", "0:4294967295", "odd"] {
            let passwd = "odd:x:4294967295:0::/:/bin/sh\n";
            assert!(resolve_in(passwd, GROUP, user, &[]).is_err(), "{user}");
        }
        assert!(resolve_in(USERS, GROUPS, "bob", &["4294967295".into()]).is_err());
    }

    #[test]
    fn an_unknown_name_is_an_error_that_names_the_file() {
        let error = resolve_in(USERS, GROUPS, "alice", &[]).unwrap_err();
        assert_eq!(error.to_string(), "no user \"alice\" in the image's /etc/passwd");
    }
}
