//! The program's environment: every name once, and HOME set.

use std::collections::HashSet;
use std::path::Path;

use crate::spec::Process;

/// How many bytes of /etc/passwd are read at most.
const LONGEST_PASSWD: u64 = 4 << 20;

/// Returns the process with the environment that its program gets. Called inside the container's root. If a name occurs
/// more than once, only its last entry is kept, because getenv(3) would find the first. If HOME is not set, it is read
/// from the container's /etc/passwd.
pub(crate) fn with_environment(process: &Process) -> Process {
    let mut env = unique(&process.env);
    if !env.iter().any(|entry| entry.starts_with("HOME=")) {
        env.push(format!("HOME={}", home(process.user.uid).unwrap_or_else(|| "/".to_owned())));
    }
    Process { env, ..process.clone() }
}

/// The last entry of each name, in the original order. An empty HOME counts as not set.
fn unique(env: &[String]) -> Vec<String> {
    let name = |entry: &str| entry.split_once('=').map_or(entry.to_owned(), |(name, _)| name.to_owned());
    let mut seen = HashSet::new();
    let mut kept: Vec<String> = env.iter().rev().filter(|entry| seen.insert(name(entry))).cloned().collect();
    kept.retain(|entry| entry != "HOME=");
    kept.reverse();
    kept
}

/// The user's home directory. The container controls the file, so a file that cannot be read is no error.
fn home(uid: u32) -> Option<String> {
    let root = std::fs::File::open("/").ok()?;
    let text = hull_sys::untrusted::read(&root, Path::new("etc/passwd"), LONGEST_PASSWD).ok()?;
    home_in(&String::from_utf8_lossy(&text), uid)
}

/// passwd(5): name, password, uid, gid, comment, home, shell.
fn home_in(passwd: &str, uid: u32) -> Option<String> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let is_user = fields.nth(2)?.parse() == Ok(uid);
        let home = fields.nth(2)?;
        (is_user && !home.contains('\0')).then(|| home.to_owned())
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
    fn home_is_that_of_the_first_entry_with_the_uid() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nbroken\nx:y\nbob:x:1000:1000::/home/bob:\nbo:x:1000:1::/b:\n";
        assert_eq!(home_in(passwd, 0).as_deref(), Some("/root"));
        assert_eq!(home_in(passwd, 1000).as_deref(), Some("/home/bob"));
        assert_eq!(home_in(passwd, 1), None);
    }
}
