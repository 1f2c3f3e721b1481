//! Files that are not of this machine. Compose can fetch them with git or from a registry; hull reads files only, because
//! what they name would run with the rights of the user, and nobody has seen it.

use crate::Error;

/// What kind of remote file a name stands for.
fn kind(name: &str) -> Option<&'static str> {
    let begins = |with: &str| name.starts_with(with);
    if begins("oci://") {
        return Some("an OCI artifact");
    }
    let path = name.split(['#', '?']).next().unwrap_or(name);
    let is_git = path.to_ascii_lowercase().ends_with(".git");
    match () {
        () if begins("git://") || begins("ssh://") || begins("github.com/") || is_scp(name) => {
            Some("a git repository")
        }
        () if begins("http://") || begins("https://") => {
            Some(if is_git { "a git repository" } else { "a URL" })
        }
        () => None,
    }
}

/// `user@host:path`, which git takes for ssh.
fn is_scp(name: &str) -> bool {
    let Some((user, rest)) = name.split_once('@') else { return false };
    let is_word = |text: &str, also: &[char]| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(&c))
    };
    let host = rest.split_once(':').map(|(host, _)| host);
    is_word(user, &['_', '-']) && host.is_some_and(|host| is_word(host, &['.', '-']))
}

/// Whether `name` is no file of this machine.
pub(crate) fn is_remote(name: &str) -> bool {
    kind(name).is_some()
}

/// An error if `name`, which `what` names, is remote.
pub(crate) fn refuse(name: &str, what: &str) -> Result<(), Error> {
    match kind(name) {
        None => Ok(()),
        Some(kind) => {
            Err(Error::new(format!("{what} names {name:?}, which is {kind}: hull reads local files only"))
                .hint("fetch it, look at it, and name the local file"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_names_are_told_from_files() {
        for name in [
            "oci://docker.io/a/b:c",
            "https://example.com/a.yaml",
            "https://example.com/a/b.git#main:dir",
            "git@example.com:a/b.git",
            "git://example.com/a",
            "ssh://git@example.com/a",
            "github.com/a/b",
        ] {
            assert!(is_remote(name), "{name}");
        }
        for name in ["compose.yaml", "/a/b.git", "../x@y/compose.yaml", "a:b", "githubXcom/a", "a@b/c:d"] {
            assert!(!is_remote(name), "{name}");
        }
    }
}
