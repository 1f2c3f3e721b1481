//! The program's environment: each name once, and HOME.

use std::collections::HashSet;
use std::path::Path;

use crate::spec::Process;

/// The most that is read of /etc/passwd, in bytes.
const LONGEST_PASSWD: u64 = 4 << 20;

/// `process` with the environment that its program gets, called inside the container's root. Of several entries with
/// one name only the last is kept, because getenv(3) would find the first. If HOME is not set, it is taken from the
/// container's /etc/passwd.
pub(crate) fn with_environment(process: &Process) -> Process {
    let mut env = unique(&process.env);
    if !env.iter().any(|entry| entry.starts_with("HOME=")) {
        env.push(format!("HOME={}", home(process.user.uid).unwrap_or_else(|| "/".to_owned())));
    }
    Process { env, ..process.clone() }
}

/// The last entry of each name, in their order. An empty HOME counts as not set.
fn unique(env: &[String]) -> Vec<String> {
    let name = |entry: &str| entry.split_once('=').map_or(entry.to_owned(), |(name, _)| name.to_owned());
    let mut seen = HashSet::new();
    let mut kept: Vec<String> = env.iter().rev().filter(|entry| seen.insert(name(entry))).cloned().collect();
    kept.retain(|entry| entry != "HOME=");
    kept.reverse();
    kept
}

/// `None` if the file cannot be read, because the container may put anything there.
fn home(uid: u32) -> Option<String> {
    let root = std::fs::File::open("/").ok()?;
    let text = hull_sys::untrusted::read(&root, Path::new("etc/passwd"), LONGEST_PASSWD).ok()?;
    home_in(&String::from_utf8_lossy(&text), uid)
}

/// passwd(5): name, password, uid, gid, comment, home, shell.
fn home_in(passwd: &str, uid: u32) -> Option<String> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let is_theirs = fields.nth(2)?.parse() == Ok(uid);
        let home = fields.nth(2)?;
        (is_theirs && !home.contains('\0')).then(|| home.to_owned())
    };
    passwd.lines().find_map(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_entry_of_a_name_counts_and_an_empty_home_is_none() {
        let of = |env: &[&str]| unique(&env.iter().map(|entry| entry.to_string()).collect::<Vec<_>>());
        assert_eq!(of(&["A=1", "B=2", "A=", "C=a=b"]), ["B=2", "A=", "C=a=b"]);
        assert_eq!(of(&["HOME=/x", "HOME="]), Vec::<String>::new());
        assert_eq!(of(&["HOME=", "HOME=/x"]), ["HOME=/x"]);
    }

    #[test]
    fn home_is_the_first_of_the_uid() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nbroken\nx:y\nbob:x:1000:1000::/home/bob:\nbo:x:1000:1::/b:\n";
        assert_eq!(home_in(passwd, 0).as_deref(), Some("/root"));
        assert_eq!(home_in(passwd, 1000).as_deref(), Some("/home/bob"));
        assert_eq!(home_in(passwd, 1), None);
    }
}
