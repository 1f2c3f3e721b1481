//! Which ids of the host the user's namespace has, and writing that down: user_namespaces(7), newuidmap(1).

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use hull_sys::process::{Fork, exit_now, fork};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use rustix::process::{getegid, geteuid};

/// The step that failed, and why.
type Failure = (String, io::Error);

/// Ids that `/etc/subuid` or `/etc/subgid` gives to a user; subuid(5).
#[derive(Debug, PartialEq, Eq)]
struct Range {
    start: u32,
    count: u32,
}

/// Moves the calling process into a new user namespace, in which it is root.
///
/// With the user's subordinate ids mapped where `newuidmap` is installed and there are any; else with one id only,
/// which will do for images whose files all belong to root.
pub(super) fn enter_new() -> Result<(), Failure> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let name = user_name(&read("/etc/passwd"), uid);
    let uids = ranges(&read("/etc/subuid"), name.as_deref(), uid);
    let gids = ranges(&read("/etc/subgid"), name.as_deref(), uid);
    let helpers = ["newuidmap", "newgidmap"].iter().all(|program| is_installed(program));
    if !helpers || uids.is_empty() || gids.is_empty() {
        unshare_user()?;
        return map_one(uid, gid);
    }
    // The helpers run outside of the namespace, for a process inside it: so they are forked before, and wait.
    let (mut ours, mut theirs) =
        UnixStream::pair().map_err(|error| ("make a socket pair".to_owned(), error))?;
    let pid = std::process::id();
    match fork().map_err(|error| ("fork".to_owned(), error.into()))? {
        Fork::Child => {
            drop(ours);
            // No byte: the parent failed, and there is nothing to map.
            if theirs.read_exact(&mut [0]).is_ok()
                && let Err(text) = run_helper("newuidmap", pid, uid, &uids)
                    .and_then(|()| run_helper("newgidmap", pid, gid, &gids))
            {
                let _ = theirs.write_all(text.as_bytes());
            }
            exit_now(0)
        }
        Fork::Parent { pid: helper } => {
            drop(theirs);
            let mapped = unshare_user().and_then(|()| await_helpers(&mut ours));
            drop(ours);
            let _ = waitpid(Pid::from_raw(helper), None);
            mapped
        }
    }
}

fn unshare_user() -> Result<(), Failure> {
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| ("unshare".to_owned(), error.into()))
}

fn await_helpers(helper: &mut UnixStream) -> Result<(), Failure> {
    let mut complaint = String::new();
    let answered = helper.write_all(&[0]).and_then(|()| helper.read_to_string(&mut complaint));
    match answered {
        Ok(0) => Ok(()),
        Ok(_) => Err(("map the ids of /etc/subuid and /etc/subgid".to_owned(), io::Error::other(complaint))),
        Err(error) => Err(("wait for newuidmap".to_owned(), error)),
    }
}

/// The map that a process may write by itself: its own id, and no way to change groups (CVE-2014-8989).
fn map_one(uid: u32, gid: u32) -> Result<(), Failure> {
    let write = |name: &str, text: &str| {
        let path = format!("/proc/self/{name}");
        fs::write(&path, text).map_err(|error| (format!("write {path}"), error))
    };
    write("setgroups", "deny")?;
    write("uid_map", &format!("0 {uid} 1"))?;
    write("gid_map", &format!("0 {gid} 1"))
}

fn run_helper(program: &str, pid: u32, own: u32, ranges: &[Range]) -> Result<(), String> {
    let output = Command::new(program)
        .arg(pid.to_string())
        .args(map_arguments(own, ranges))
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(if text.trim().is_empty() { format!("{program}: {}", output.status) } else { text.trim().to_owned() })
}

/// Triples of (inside, outside, count): root is the user, and the ranges follow one another from 1 on.
fn map_arguments(own: u32, ranges: &[Range]) -> Vec<String> {
    let mut arguments = vec!["0".to_owned(), own.to_string(), "1".to_owned()];
    let mut inside = 1u32;
    for range in ranges {
        // The last id, 4294967295, stands for "no change" in chown(2) and cannot be mapped.
        let count = range.count.min(u32::MAX - inside);
        if count == 0 {
            break;
        }
        arguments.extend([inside, range.start, count].map(|number| number.to_string()));
        inside += count;
    }
    arguments
}

/// What would give a user of the host more ids than their own one.
pub(super) fn remedy(uid: u32) -> String {
    let name = user_name(&read("/etc/passwd"), uid);
    let helpers = ["newuidmap", "newgidmap"].iter().all(|program| is_installed(program));
    let has = |file: &str| !ranges(&read(file), name.as_deref(), uid).is_empty();
    let mut steps = Vec::new();
    if !helpers {
        steps.push("install newuidmap and newgidmap (Debian's package is uidmap)".to_owned());
    }
    if !has("/etc/subuid") || !has("/etc/subgid") {
        let who = name.unwrap_or_else(|| uid.to_string());
        steps.push(format!(
            "have root give you ids: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {who}"
        ));
    }
    match steps.is_empty() {
        true => "stop your containers: the ids of /etc/subuid are yours when the next one starts".to_owned(),
        false => steps.join(", and "),
    }
}

/// The lines `who:start:count` in which `who` is the user, by name or by number. Both files go by the user.
fn ranges(text: &str, name: Option<&str>, uid: u32) -> Vec<Range> {
    let number = uid.to_string();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let who = fields.next()?;
            let start = fields.next()?.parse().ok()?;
            let count = fields.next()?.parse().ok()?;
            let ours = Some(who) == name || who == number;
            (ours && count > 0).then_some(Range { start, count })
        })
        .collect()
}

fn user_name(passwd: &str, uid: u32) -> Option<String> {
    let number = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    })
}

/// A file that is not there says nothing.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| Path::new(&dir).join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        let text = "root:1:1\nann:100000:65536\n1000:300000:10\nbroken:x\nann:500000:0\n";
        let found = ranges(text, Some("ann"), 1000);
        assert_eq!(found, [Range { start: 100000, count: 65536 }, Range { start: 300000, count: 10 }]);
        assert_eq!(ranges(text, None, 7), []);
    }

    #[test]
    fn root_is_the_user_and_the_ranges_follow_from_one() {
        let ranges = [Range { start: 100000, count: 65536 }, Range { start: 300000, count: 10 }];
        let arguments = map_arguments(1000, &ranges).join(" ");
        assert_eq!(arguments, "0 1000 1 1 100000 65536 65537 300000 10");
    }

    #[test]
    fn no_range_reaches_past_the_last_id() {
        let ranges = [Range { start: 1, count: u32::MAX }, Range { start: 5, count: 7 }];
        assert_eq!(map_arguments(0, &ranges)[3..6].join(" "), format!("1 1 {}", u32::MAX - 1));
    }

    #[test]
    fn a_user_is_named_by_passwd() {
        let passwd = "root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\n";
        assert_eq!(user_name(passwd, 1000).as_deref(), Some("ann"));
        assert_eq!(user_name(passwd, 1), None);
    }
}
