//! Addresses of git repositories, as docker reads them: <https://docs.docker.com/build/concepts/context/#git-repositories>.

use crate::{Error, Result};

/// A repository, and what is taken of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitUrl {
    /// What git gets: `https://…`, `ssh://…`, `git://…`, `user@host:path`.
    pub remote: String,
    /// A branch, a tag, a commit, a full name such as `refs/pull/1/head`. `None`: what the repository's HEAD is.
    pub reference: Option<String>,
    pub subdirectory: Option<String>,
    /// The commit that it must be: 7 to 64 hex digits.
    pub checksum: Option<String>,
    pub keeps_git_directory: bool,
    pub without_submodules: bool,
}

const SCHEMES: [&str; 4] = ["https", "http", "ssh", "git"];

impl GitUrl {
    /// The repository that a text names. `None` if docker takes the text as something else: a path, the URL of a file.
    ///
    /// # Errors
    ///
    /// If the text names a repository in a way that is refused.
    pub fn parse(text: &str) -> Option<Result<Self>> {
        if text.starts_with(['/', '.', '-']) || text.is_empty() {
            return None;
        }
        let (address, fragment) = match text.split_once('#') {
            Some((address, fragment)) => (address, Some(fragment)),
            None => (text, None),
        };
        let (address, query) = match address.split_once('?') {
            Some((address, query)) => (address, Some(query)),
            None => (address, None),
        };
        let remote = match address.split_once("://") {
            Some((scheme, rest)) => {
                let scheme = scheme.to_ascii_lowercase();
                let path = rest.split_once('/').map_or("", |(_, path)| path);
                let is_named = path.ends_with(".git") || path.ends_with(".git/");
                match scheme.as_str() {
                    "http" | "https" if !is_named => return None,
                    scheme if SCHEMES.contains(&scheme) => format!("{scheme}://{rest}"),
                    "git+ssh" | "ssh+git" => format!("ssh://{rest}"),
                    "git+https" => format!("https://{rest}"),
                    _ => return None,
                }
            }
            None if text.starts_with("github.com/") => format!("https://{address}"),
            None if is_scp(address) => address.to_owned(),
            None => return None,
        };
        Some(
            Self { remote, ..Self::default() }
                .with_query(query)
                .and_then(|url| url.with_fragment(fragment))
                .and_then(Self::checked),
        )
    }

    fn with_query(mut self, query: Option<&str>) -> Result<Self> {
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value)?;
            let given = (!value.is_empty()).then_some(value.clone());
            match name {
                "ref" => self.reference = given,
                "branch" => self.reference = given.map(|name| format!("refs/heads/{name}")),
                "tag" => self.reference = given.map(|name| format!("refs/tags/{name}")),
                "commit" | "checksum" => self.checksum = given,
                "subdir" => self.subdirectory = given,
                "keep-git-dir" => self.keeps_git_directory = flag(name, &value)?,
                "submodules" => self.without_submodules = !flag(name, &value)?,
                _ => return Err(self.refused(&format!("it has no part {name:?}"))),
            }
        }
        if self.reference.is_none() {
            self.reference.clone_from(&self.checksum);
        }
        Ok(self)
    }

    fn with_fragment(mut self, fragment: Option<&str>) -> Result<Self> {
        let Some(fragment) = fragment else { return Ok(self) };
        let (reference, subdirectory) = fragment.split_once(':').unwrap_or((fragment, ""));
        if !reference.is_empty() {
            self.reference = Some(reference.to_owned());
        }
        if !subdirectory.is_empty() {
            self.subdirectory = Some(subdirectory.to_owned());
        }
        Ok(self)
    }

    /// What could be an option, another command, or a refspec, is refused here; git refuses it too.
    fn checked(self) -> Result<Self> {
        let host = self.remote.split_once("://").map_or(self.remote.as_str(), |(_, rest)| rest);
        let authority = host.split(['/', ':']).next().unwrap_or_default();
        let begins_with_dash = |text: &str| text.split('@').any(|part| part.starts_with('-'));
        if authority.is_empty() || begins_with_dash(host) || begins_with_dash(authority) {
            return Err(self.refused("it has no host, or one that looks like an option"));
        }
        if self.remote.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(self.refused("it has blanks or control characters"));
        }
        if let Some(reference) = &self.reference {
            let is_bad = reference.starts_with(['-', '+', '/'])
                || reference.ends_with(['/', '.'])
                || ["..", "@{", "//"].iter().any(|part| reference.contains(part))
                || reference.chars().any(|c| c.is_control() || " ~^:?*[\\".contains(c));
            if is_bad {
                return Err(self.refused(&format!("{reference:?} is no name of a branch, tag or commit")));
            }
        }
        if let Some(checksum) = &self.checksum {
            check_commit(checksum)?;
        }
        Ok(self)
    }

    fn refused(&self, why: &str) -> Error {
        Error::Invalid { what: format!("git repository {}", self.shown()), why: why.into() }
    }

    /// The address without a password.
    pub fn shown(&self) -> String {
        match self.remote.split_once("://") {
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                format!("{scheme}://{host}{path}")
            }
            None => self.remote.clone(),
        }
    }
}

/// A commit of ADD --checksum.
pub(super) fn check_commit(commit: &str) -> Result<()> {
    let is_commit = (7..=64).contains(&commit.len()) && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    match is_commit {
        true => Ok(()),
        false => Err(Error::Invalid {
            what: format!("checksum {commit:?}"),
            why: "the checksum of a git repository is a commit, in hex".into(),
        }),
    }
}

/// `user@host:path`, as ssh's programs read it.
fn is_scp(text: &str) -> bool {
    let Some((user, rest)) = text.split_once('@') else { return false };
    let Some((host, path)) = rest.split_once(':') else { return false };
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    is_word(user) && is_word(host) && !path.is_empty()
}

fn flag(name: &str, value: &str) -> Result<bool> {
    match value {
        "" | "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(Error::Invalid { what: format!("{name}={value}"), why: "it is true or false".into() }),
    }
}

fn decoded(value: &str) -> Result<String> {
    let decoded = super::download::percent_decoded(&value.replace('+', " "));
    match decoded.contains(char::is_control) {
        true => {
            Err(Error::Invalid { what: format!("part {value:?}"), why: "it has control characters".into() })
        }
        false => Ok(decoded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_told_from_paths_and_files() {
        for (text, remote, reference, subdirectory) in [
            ("https://a.b/c.git", "https://a.b/c.git", None, None),
            ("https://a.b/c.git#main", "https://a.b/c.git", Some("main"), None),
            ("https://a.b/c.git#main:sub/dir", "https://a.b/c.git", Some("main"), Some("sub/dir")),
            ("http://a.b/c.git#:sub", "http://a.b/c.git", None, Some("sub")),
            ("https://a.b/c.git?ref=v1&subdir=x%2Fy", "https://a.b/c.git", Some("v1"), Some("x/y")),
            ("https://a.b/c.git?branch=x", "https://a.b/c.git", Some("refs/heads/x"), None),
            ("git@a.b:c/d.git#v1", "git@a.b:c/d.git", Some("v1"), None),
            ("git@a.b:c", "git@a.b:c", None, None),
            ("ssh://u@a.b:22/c", "ssh://u@a.b:22/c", None, None),
            ("git://a.b/c", "git://a.b/c", None, None),
            ("github.com/c/d", "https://github.com/c/d", None, None),
        ] {
            let url = GitUrl::parse(text).unwrap().unwrap();
            let found = (url.remote.as_str(), url.reference.as_deref(), url.subdirectory.as_deref());
            assert_eq!(found, (remote, reference, subdirectory), "{text}");
        }
        for other in [
            "/a/b.git",
            "./b.git",
            "../b.git",
            "a/b.git",
            "https://a.b/c.tar.gz",
            "https://a.b/c",
            "file:///a/b.git",
            "ext::sh -c x",
            "a:b.git",
            "",
            ".",
            "-",
            "git@host",
            "fd::17/foo",
        ] {
            assert!(GitUrl::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn what_git_could_take_for_something_else_is_refused() {
        for text in [
            "ssh://-oProxyCommand=x/c.git",
            "ssh://u@-oProxyCommand=x/c",
            "git@-oProxyCommand:c.git",
            "https://a.b/c.git#--upload-pack=x",
            "https://a.b/c.git#+main",
            "https://a.b/c.git?ref=a:b",
            "https://a.b/c.git#a..b",
            "https://a.b/c.git?checksum=xyz",
            "https://a.b/c.git?unknown=1",
            "https://a.b/c\n.git",
            "ssh:///c.git",
        ] {
            assert!(GitUrl::parse(text).is_none_or(|url| url.is_err()), "{text}");
        }
        assert_eq!(
            GitUrl::parse("https://u:secret@a.b/c.git").unwrap().unwrap().shown(),
            "https://a.b/c.git"
        );
    }
}
