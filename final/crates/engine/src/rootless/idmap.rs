//! The mapping of a new user namespace's ids to ids of the host: user_namespaces(7), newuidmap(1).

use std::ffi::CString;
use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::path::Path;

use hull_sys::process::{Fork, exit_now, fork};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::{getegid, geteuid};

use super::range::IdRange;
use crate::search_path::SearchPath;

/// The step that failed, and why.
type Failure = (String, io::Error);

/// Moves the calling process into a new user namespace, in which it is root. `meanwhile` is called there, perhaps while the
/// ids are still being mapped: the process then has all capabilities in the namespace, and the overflow user id.
///
/// The user's subordinate ids are mapped if there are any and `newuidmap` is installed. Otherwise one id is mapped, which
/// is enough for images whose files all belong to root.
pub(super) fn enter_new(programs: &SearchPath, meanwhile: impl FnOnce()) -> Result<(), Failure> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let name = user_name(&read("/etc/passwd"), uid);
    let uids = ranges(&read("/etc/subuid"), name.as_deref(), uid);
    let gids = ranges(&read("/etc/subgid"), name.as_deref(), uid);
    let (Some(newuidmap), Some(newgidmap)) = (programs.find("newuidmap"), programs.find("newgidmap")) else {
        return enter_alone(uid, gid, meanwhile);
    };
    if uids.is_empty() || gids.is_empty() {
        return enter_alone(uid, gid, meanwhile);
    }
    // newuidmap and newgidmap run outside the new namespace, so they are forked before it is made, and wait. They run
    // side by side, because each takes longer than everything else here.
    let mut helpers = [
        Helper::fork(&newuidmap, map_arguments(uid, &uids))?,
        Helper::fork(&newgidmap, map_arguments(gid, &gids))?,
    ];
    unshare_user()?;
    helpers.iter_mut().try_for_each(Helper::release)?;
    meanwhile();
    helpers.into_iter().try_for_each(Helper::finish)
}

pub(super) fn enter_alone(uid: u32, gid: u32, meanwhile: impl FnOnce()) -> Result<(), Failure> {
    unshare_user()?;
    map_one(uid, gid)?;
    meanwhile();
    Ok(())
}

/// newuidmap or newgidmap as a child process that waits for [`Helper::release`]. Dropped before that, it maps nothing.
struct Helper {
    program: String,
    pid: i32,
    /// The child starts the program when a byte comes through this pipe.
    release: Option<PipeWriter>,
    /// What the program writes to its standard error.
    messages: PipeReader,
}

impl Helper {
    fn fork(program: &Path, map: Vec<String>) -> Result<Self, Failure> {
        let shown = program.display().to_string();
        let failed = |error: io::Error| (format!("run {shown}"), error);
        let words = [shown.clone(), std::process::id().to_string()].into_iter().chain(map);
        let words =
            words.map(CString::new).collect::<Result<Vec<_>, _>>().map_err(|error| failed(error.into()))?;
        let (mut released, release) = io::pipe().map_err(failed)?;
        let (messages, mut stderr) = io::pipe().map_err(failed)?;
        match fork().map_err(|errno| failed(errno.into()))? {
            Fork::Child => {
                drop((release, messages));
                // If no byte comes, the parent has failed, and there is nothing to map.
                if released.read_exact(&mut [0]).is_ok() {
                    let redirected = rustix::stdio::dup2_stderr(&stderr).map_err(io::Error::from);
                    let Err(error) = redirected.and_then(|()| {
                        nix::unistd::execve::<_, CString>(&words[0], &words, &[]).map_err(io::Error::from)
                    });
                    let _ = write!(stderr, "{shown}: {error}");
                }
                exit_now(1)
            }
            Fork::Parent { pid } => Ok(Self { program: shown, pid, release: Some(release), messages }),
        }
    }

    fn release(&mut self) -> Result<(), Failure> {
        let written = self.release.take().map_or(Ok(()), |mut release| release.write_all(&[0]));
        written.map_err(|error| (format!("run {}", self.program), error))
    }

    /// Waits until the program has written the map.
    fn finish(mut self) -> Result<(), Failure> {
        let mut messages = String::new();
        let read = self.messages.read_to_string(&mut messages);
        let status = waitpid(Pid::from_raw(self.pid), None);
        self.pid = 0;
        let failed = |error: io::Error| ("map the ids of /etc/subuid and /etc/subgid".to_owned(), error);
        read.map_err(failed)?;
        match status.map_err(|errno| failed(errno.into()))? {
            WaitStatus::Exited(_, 0) => Ok(()),
            status if messages.trim().is_empty() => {
                Err(failed(io::Error::other(format!("{}: {status:?}", self.program))))
            }
            _ => Err(failed(io::Error::other(messages.trim().to_owned()))),
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.release.take());
        if self.pid != 0 {
            // The child is only reaped here. The step that failed before has its own error.
            let _ = waitpid(Pid::from_raw(self.pid), None);
        }
    }
}

fn unshare_user() -> Result<(), Failure> {
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| ("unshare".to_owned(), error.into()))
}

/// The map that an unprivileged process may write: its own id. The kernel requires that setgroups(2) is denied first
/// (CVE-2014-8989).
fn map_one(uid: u32, gid: u32) -> Result<(), Failure> {
    let write = |name: &str, text: &str| {
        let path = format!("/proc/self/{name}");
        fs::write(&path, text).map_err(|error| (format!("write {path}"), error))
    };
    write("setgroups", "deny")?;
    write("uid_map", &format!("0 {uid} 1"))?;
    write("gid_map", &format!("0 {gid} 1"))
}

/// Triples of (inside, outside, count): root is the user, and the ranges follow one another from 1 on.
fn map_arguments(own: u32, ranges: &[IdRange]) -> Vec<String> {
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

/// How an unprivileged user gets more ids than their own, as a sentence.
pub(super) fn remedy(uid: u32, programs: &SearchPath) -> String {
    let name = user_name(&read("/etc/passwd"), uid);
    let helpers = programs.has("newuidmap") && programs.has("newgidmap");
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

/// The lines `who:start:count` in which `who` is the user, by name or by number. /etc/subgid lists users as well.
pub(super) fn ranges(text: &str, name: Option<&str>, uid: u32) -> Vec<IdRange> {
    let number = uid.to_string();
    lines(text).filter(|(who, _)| Some(*who) == name || *who == number).map(|(_, range)| range).collect()
}

/// Every line of a file like /etc/subuid: who has the ids, and which.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (&str, IdRange)> {
    text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let who = fields.next()?;
        let start = fields.next()?.parse().ok()?;
        let count = fields.next()?.parse().ok()?;
        (count > 0).then_some((who, IdRange { start, count }))
    })
}

pub(super) fn user_name(passwd: &str, uid: u32) -> Option<String> {
    let number = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    })
}

/// A missing file counts as empty.
pub(super) fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        let text = "root:1:1\nann:100000:65536\n1000:300000:10\nbroken:x\nann:500000:0\n";
        let found = ranges(text, Some("ann"), 1000);
        assert_eq!(found, [IdRange { start: 100000, count: 65536 }, IdRange { start: 300000, count: 10 }]);
        assert_eq!(ranges(text, None, 7), []);
    }

    #[test]
    fn root_is_the_user_and_the_ranges_follow_from_one() {
        let ranges = [IdRange { start: 100000, count: 65536 }, IdRange { start: 300000, count: 10 }];
        let arguments = map_arguments(1000, &ranges).join(" ");
        assert_eq!(arguments, "0 1000 1 1 100000 65536 65537 300000 10");
    }

    #[test]
    fn no_range_reaches_past_the_last_id() {
        let ranges = [IdRange { start: 1, count: u32::MAX }, IdRange { start: 5, count: 7 }];
        assert_eq!(map_arguments(0, &ranges)[3..6].join(" "), format!("1 1 {}", u32::MAX - 1));
    }

    #[test]
    fn a_user_is_named_by_passwd() {
        let passwd = "root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\n";
        assert_eq!(user_name(passwd, 1000).as_deref(), Some("ann"));
        assert_eq!(user_name(passwd, 1), None);
    }
}
