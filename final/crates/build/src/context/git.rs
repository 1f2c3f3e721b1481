//! Checkouts of git repositories, by the user's `git`.
//!
//! The repository is a stranger's. git gets none of the user's settings, runs no hook and no filter, asks nothing, and
//! speaks only the protocols of [`PROTOCOLS`], also for submodules.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hull_image::Digest;
use hull_image::registry::Environment;
use hull_storage::root::Root;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::git_url::{GitUrl, check_commit};
use super::staged::Staged;
use super::{Fetched, Remote, Tree};
use crate::error::IoContext;
use crate::{Error, Result};

/// `GIT_ALLOW_PROTOCOL`, git(1).
const PROTOCOLS: &str = "https:http:ssh:git";

/// A repository of a kilobyte can have a tree of billions of files.
const MOST_FILES: u64 = if cfg!(test) { 50_000 } else { 1_000_000 };
const MOST_BYTES: u64 = 64 << 30;
/// Bytes of one file that git writes: a pack.
const LARGEST_FILE: u64 = 64 << 30;

/// Bytes of git's last words in an error.
const WORDS: u64 = 4096;

/// Settings for every command, which submodules get too.
const SETTINGS: [&str; 10] = [
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.fsmonitor=false",
    "credential.helper=",
    "protocol.allow=never",
    "advice.detachedHead=false",
    "gc.auto=0",
    // A connection on which less than this arrives for a minute is given up; bytes a second.
    "http.lowSpeedLimit=100",
    "http.lowSpeedTime=60",
];

/// A checkout for ADD. `checksum` is the commit that it must be.
pub(super) fn source(root: &Root, url: &GitUrl, remote: &Remote) -> Result<Fetched> {
    let (tree, commit) = checkout(root, url, remote, &url.shown())?;
    let identity =
        format!("git {commit} {:?} {} {}", url.subdirectory, url.keeps_git_directory, url.without_submodules);
    Ok(Fetched { tree, source: ".".into(), digest: Digest::of(identity.as_bytes()), what: commit })
}

/// Fetches a repository, and returns the tree and its commit.
pub(super) fn checkout(root: &Root, url: &GitUrl, remote: &Remote, name: &str) -> Result<(Tree, String)> {
    if let Some(checksum) = &url.checksum {
        check_commit(checksum)?;
    }
    let staged = Staged::new(root)?;
    let path = staged.make_tree()?;
    let git = Git::new(remote, path.clone(), staged.beside("words"), url)?;
    git.run(&["init", "--quiet", "--template="])?;
    git.run(&["remote", "add", "--", "origin", &url.remote])?;
    let commit = git.fetch(url.reference.as_deref().unwrap_or("HEAD"))?;
    if let Some(checksum) =
        url.checksum.as_deref().filter(|checksum| !commit.starts_with(&checksum.to_ascii_lowercase()))
    {
        return Err(refused(url, &format!("its commit is {commit}, and not {checksum}")));
    }
    git.measure(&commit)?;
    git.run(&["checkout", "--quiet", "--force", "--detach", &commit, "--"])?;
    if !url.without_submodules && fs::symlink_metadata(path.join(".gitmodules")).is_ok() {
        git.run(&["submodule", "--quiet", "update", "--init", "--recursive", "--force", "--depth=1"])?;
    }
    match url.keeps_git_directory {
        // Without the password.
        true => git.run(&["remote", "set-url", "origin", "--", &url.shown()])?,
        false => forget_git_directories(&path)?,
    }
    let tree = staged.into_tree(name, true)?;
    match &url.subdirectory {
        None => Ok((tree, commit)),
        Some(subdirectory) => Ok((beneath(tree, subdirectory, url)?, commit)),
    }
}

/// The tree of a subdirectory, which symlinks of the repository cannot lead out of it.
fn beneath(tree: Tree, subdirectory: &str, url: &GitUrl) -> Result<Tree> {
    let path = tree.resolve(Path::new(subdirectory))?;
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::NOFOLLOW;
    let inside = if path.as_os_str().is_empty() { Path::new(".") } else { &path };
    let opened = hull_sys::fs::open_in_root(&tree.root, inside, flags);
    let root = opened.map_err(|_| refused(url, &format!("it has no directory {subdirectory:?}")))?;
    Ok(Tree { root, path: tree.path.map(|top| top.join(path)), ..tree })
}

struct Git<'a> {
    program: PathBuf,
    directory: PathBuf,
    /// A file for what git says.
    words: PathBuf,
    remote: &'a Remote,
    url: &'a GitUrl,
}

impl<'a> Git<'a> {
    fn new(remote: &'a Remote, directory: PathBuf, words: PathBuf, url: &'a GitUrl) -> Result<Self> {
        let path = variable(&remote.registry.environment, "PATH").unwrap_or_default();
        let program =
            std::env::split_paths(&path).map(|directory| directory.join("git")).find(|git| git.is_file());
        let program = program.ok_or_else(|| {
            Error::Unsupported("git repositories need the program git, which no directory of PATH has".into())
        })?;
        Ok(Self { program, directory, words, remote, url })
    }

    /// Fetches one commit if the server gives single ones, and else as much as it takes to find it.
    fn fetch(&self, reference: &str) -> Result<String> {
        let shallow = ["fetch", "--quiet", "--no-tags", "--depth=1", "--", "origin", reference];
        let whole = ["fetch", "--quiet", "--no-tags", "--", "origin", reference];
        let everything = [
            "fetch",
            "--quiet",
            "--",
            "origin",
            "+refs/heads/*:refs/remotes/origin/*",
            "+refs/tags/*:refs/tags/*",
        ];
        let is_hex =
            (7..=64).contains(&reference.len()) && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
        let Err(first) = self.run(&shallow) else { return self.commit("FETCH_HEAD") };
        if self.run(&whole).is_ok() {
            return self.commit("FETCH_HEAD");
        }
        if is_hex && self.run(&everything).is_ok() {
            return self.commit(reference).map_err(|_| first);
        }
        Err(first)
    }

    fn commit(&self, name: &str) -> Result<String> {
        let text = self.read(&["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")])?;
        Ok(text.trim().to_owned())
    }

    /// Refuses a tree that would fill the disk when it is checked out.
    fn measure(&self, commit: &str) -> Result<()> {
        let mut child =
            self.start(&["ls-tree", "-r", "-z", "--long", "--full-tree", commit], Stdio::piped())?;
        let entries = child.stdout.take().map(BufReader::new);
        let (mut files, mut bytes) = (0, 0);
        for entry in entries.into_iter().flat_map(|entries| entries.split(0)) {
            let entry = entry.context(|| self.action("ls-tree"))?;
            // `MODE TYPE OBJECT SIZE<TAB>PATH`
            let size = entry
                .split(|byte| *byte == b'\t')
                .next()
                .and_then(|fields| fields.rsplit(|byte| *byte == b' ').next());
            let size = size.and_then(|size| std::str::from_utf8(size).ok()?.parse::<u64>().ok());
            files += 1;
            bytes += size.unwrap_or(0);
            if files > MOST_FILES || bytes > MOST_BYTES {
                let _ = child.kill();
                let _ = child.wait();
                let why = format!("it has more than {MOST_FILES} files or {} GiB", MOST_BYTES >> 30);
                return Err(refused(self.url, &why));
            }
        }
        self.finish(child, "ls-tree")
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        let child = self.start(arguments, Stdio::null())?;
        self.finish(child, arguments[0])
    }

    fn read(&self, arguments: &[&str]) -> Result<String> {
        let mut child = self.start(arguments, Stdio::piped())?;
        let mut text = String::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(WORDS).read_to_string(&mut text).context(|| self.action(arguments[0]))?;
        }
        self.finish(child, arguments[0])?;
        Ok(text)
    }

    fn start(&self, arguments: &[&str], stdout: Stdio) -> Result<Child> {
        let words = File::create(&self.words).context(|| format!("make {}", self.words.display()))?;
        let mut command = Command::new(&self.program);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        for protocol in PROTOCOLS.split(':') {
            command.arg("-c").arg(format!("protocol.{protocol}.allow=always"));
        }
        if !self.remote.trusts_redirects {
            command.args(["-c", "http.followRedirects=false"]);
        }
        command.args(arguments).current_dir(&self.directory);
        command.stdin(Stdio::null()).stdout(stdout).stderr(words);
        self.set_environment(&mut command);
        let child = hull_sys::process::run_as_helper(&mut command).spawn();
        let child = child.context(|| format!("run {}", self.program.display()))?;
        let limit = Rlimit { current: Some(LARGEST_FILE), maximum: Some(LARGEST_FILE) };
        // It may have ended already.
        let _ = prlimit(Pid::from_raw(child.id() as i32), Resource::Fsize, limit);
        Ok(child)
    }

    fn set_environment(&self, command: &mut Command) {
        let environment = &self.remote.registry.environment;
        command.env_clear();
        for name in ["PATH", "GIT_SSL_CAINFO", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK"] {
            if let Some(value) = variable(environment, name) {
                command.env(name, value);
            }
        }
        if let Some(agent) = &self.remote.ssh_agent {
            command.env("SSH_AUTH_SOCK", agent);
        }
        let proxies = &environment.proxies;
        let proxies = [
            ("http_proxy", &proxies.http),
            ("https_proxy", &proxies.https),
            ("all_proxy", &proxies.all),
            ("no_proxy", &proxies.none),
        ];
        for (name, value) in proxies.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            command.env(name, value);
        }
        command.envs([
            ("HOME", "/dev/null"),
            ("LC_ALL", "C"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TEMPLATE_DIR", ""),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ALLOW_PROTOCOL", PROTOCOLS),
            ("GIT_PROTOCOL_FROM_USER", "0"),
            // ssh would ask for a password or about a host's key.
            ("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
        ]);
    }

    fn finish(&self, mut child: Child, verb: &str) -> Result<()> {
        let status = child.wait().context(|| self.action(verb))?;
        if status.success() {
            return Ok(());
        }
        let mut words = Vec::new();
        let file = File::open(&self.words).map(|file| file.take(WORDS).read_to_end(&mut words));
        let _ = file;
        let words = String::from_utf8_lossy(&words);
        let last =
            words.lines().rev().find(|line| line.starts_with("fatal: ") || line.starts_with("error: "));
        let last = last.or_else(|| words.lines().last()).unwrap_or("it says nothing about it");
        let shown = hull_image::members::shown(Path::new(OsStr::from_bytes(last.as_bytes())));
        let source = std::io::Error::other(format!("git {verb}: {shown}"));
        Err(Error::Io { action: format!("take files from the repository {}", self.url.shown()), source })
    }

    fn action(&self, verb: &str) -> String {
        format!("run git {verb} for {}", self.url.shown())
    }
}

fn variable(environment: &Environment, name: &str) -> Option<std::ffi::OsString> {
    let found = environment.variables.iter().find(|(other, _)| other == name);
    found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
}

fn refused(url: &GitUrl, why: &str) -> Error {
    Error::Invalid { what: format!("git repository {}", url.shown()), why: why.into() }
}

/// Removes `.git` of the repository and of its submodules. git checks out no other file of this name.
fn forget_git_directories(top: &Path) -> Result<()> {
    let tree = Tree::open(top, "the checkout")?;
    let none = crate::patterns::Patterns::default();
    let mut walk = tree.walk(Path::new(""), &none)?;
    let mut found = Vec::new();
    while let Some(entry) = walk.next_entry()? {
        if entry.path.file_name() == Some(OsStr::new(".git")) {
            walk.skip_directory(&entry);
            found.push(top.join(&entry.path));
        }
    }
    for path in found {
        hull_storage::tree::remove_tree(&path)?;
    }
    Ok(())
}
