//! Repositories that a git daemon on loopback serves.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::remote::Bench;
use super::{make, walked};
use crate::context::{Loaded, load};
use crate::request::ContextSource;

struct Server {
    bench: Bench,
    daemon: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "-c",
            "init.defaultBranch=main",
            "-c",
            "protocol.file.allow=always",
        ])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Server {
    /// Serves `a.git`, which has two commits and a branch.
    fn new() -> Self {
        let bench = Bench::new();
        let served = bench.scratch.path().join("served");
        let repository = served.join("a.git");
        make(&repository, &["Dockerfile", "sub/file"]);
        git(&repository, &["init", "-q"]);
        symlink("/etc", repository.join("etc")).unwrap();
        let commit = || {
            git(&repository, &["add", "-A"]);
            git(&repository, &["commit", "-q", "-m", "x"]);
        };
        commit();
        git(&repository, &["tag", "-a", "v1", "-m", "x"]);
        git(&repository, &["branch", "old"]);
        make(&repository, &["new"]);
        commit();
        // A port that was free a moment ago; the daemon cannot be given a socket that listens.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // `git daemon` would leave its child behind when it is killed.
        let daemon = Command::new(format!("{}/git-daemon", git(&served, &["--exec-path"])))
            .args(["--reuseaddr", "--listen=127.0.0.1", "--export-all"])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", served.display()))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { bench, daemon, port };
        let started = std::time::Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed().as_secs() < 20, "the daemon does not answer");
            std::thread::yield_now();
        }
        server
    }

    fn repository(&self) -> PathBuf {
        self.bench.scratch.path().join("served/a.git")
    }

    fn url(&self, rest: &str) -> String {
        format!("git://127.0.0.1:{}/a.git{rest}", self.port)
    }

    fn open(&self, rest: &str) -> crate::Result<Loaded> {
        let source = ContextSource::Git(self.url(rest));
        load(&self.bench.root, &source, "the build context", None, &self.bench.remote, &mut std::io::empty())
    }

    fn files(&self, rest: &str) -> Vec<String> {
        walked(&self.open(rest).unwrap().tree, "", &[]).unwrap()
    }
}

#[test]
fn branches_tags_commits_and_subdirectories_are_checked_out_without_git_directory() {
    let server = Server::new();
    let all = ["/", "Dockerfile", "etc", "new", "sub/", "sub/file"];
    let old = ["/", "Dockerfile", "etc", "sub/", "sub/file"];
    assert_eq!(server.files(""), all);
    for rest in ["#old", "#v1", "?ref=v1", "?tag=v1", "?branch=old", "#refs/heads/old"] {
        assert_eq!(server.files(rest), old, "{rest}");
    }
    let commit = git(&server.repository(), &["rev-parse", "old"]);
    assert_eq!(server.files(&format!("#{commit}")), old);
    assert_eq!(server.files(&format!("#{}", &commit[..10])), old);
    assert_eq!(server.files("#main:sub"), ["/", "file"]);
    assert_eq!(server.files("?subdir=../sub/."), ["/", "file"]);
    let kept = server.open("?keep-git-dir=1").unwrap();
    assert!(
        kept.tree.has_local_owners && kept.tree.read_file(Path::new(".git/HEAD"), 1000).unwrap().is_some()
    );
    for (wrong, expected) in [
        ("#none", "none"),
        ("#main:none", "no directory \"none\""),
        ("#main:etc", "symbolic links"),
        ("#main:Dockerfile", "no directory \"Dockerfile\""),
        ("?checksum=0123456789", "its commit"),
    ] {
        let error = server.open(wrong).unwrap_err().to_string();
        assert!(error.contains(expected) || error.contains("0123456789"), "{wrong}: {error}");
    }
    drop(kept);
    assert_eq!(server.bench.left(), 0);
}

#[test]
fn add_checks_the_commit_and_depends_on_nothing_else() {
    let server = Server::new();
    let commit = git(&server.repository(), &["rev-parse", "HEAD"]);
    let first = server.bench.add(&server.url(""), Some(&commit)).unwrap();
    assert_eq!((first.what.as_str(), first.source.as_str()), (commit.as_str(), "."));
    let again = server.bench.add(&server.url("#main"), Some(&commit[..8])).unwrap();
    assert_eq!(again.digest, first.digest);
    let error = server.bench.add(&server.url("#old"), Some(&commit)).unwrap_err().to_string();
    assert!(error.contains("its commit is"), "{error}");
}

#[test]
fn files_of_a_checkout_have_the_usual_modes() {
    let server = Server::new();
    fs::set_permissions(server.repository().join("new"), fs::Permissions::from_mode(0o777)).unwrap();
    git(&server.repository(), &["commit", "-q", "-a", "-m", "x"]);
    let loaded = server.open("").unwrap();
    let top = loaded.tree.path.clone().unwrap();
    let mode = |name: &str| fs::metadata(top.join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("Dockerfile"), mode("new"), mode("sub")), (0o644, 0o755, 0o755));
}

#[test]
fn submodules_are_fetched_by_the_same_protocols_only() {
    let server = Server::new();
    let outside = server.bench.scratch.path().join("outside.git");
    make(&outside, &["secret"]);
    git(&outside, &["init", "-q"]);
    git(&outside, &["add", "-A"]);
    git(&outside, &["commit", "-q", "-m", "x"]);
    let repository = server.repository();
    let good = server.bench.scratch.path().join("served/b.git");
    git(
        server.bench.scratch.path(),
        &["clone", "-q", "--", outside.to_str().unwrap(), good.to_str().unwrap()],
    );
    git(&repository, &["submodule", "--quiet", "add", "--", good.to_str().unwrap(), "module"]);
    let point = |url: &str| {
        git(&repository, &["config", "-f", ".gitmodules", "submodule.module.url", url]);
        git(&repository, &["commit", "-q", "-a", "--allow-empty", "-m", "x"]);
    };
    point("../b.git");
    assert!(server.files("").contains(&"module/secret".to_owned()));
    assert!(!server.files("").iter().any(|path| path.contains(".git/") || path.ends_with("/.git")));
    assert!(!server.files("?submodules=0").contains(&"module/secret".to_owned()));
    let marker = server.bench.scratch.path().join("marker");
    for url in [
        outside.display().to_string(),
        format!("file://{}", outside.display()),
        format!("ext::sh -c touch% {}", marker.display()),
        format!("--upload-pack=touch {}", marker.display()),
        format!("ssh://-oProxyCommand=touch%20{}/x", marker.display()),
    ] {
        point(&url);
        let error = server.open("").unwrap_err().to_string();
        assert!(error.contains("git submodule"), "{url}: {error}");
    }
    assert!(!marker.exists());
    assert_eq!(server.bench.left(), 0);
}

#[test]
fn no_hook_and_no_filter_of_the_repository_or_the_user_runs() {
    let server = Server::new();
    let marker = server.bench.scratch.path().join("marker");
    let repository = server.repository();
    fs::write(repository.join(".gitattributes"), "* filter=evil\n").unwrap();
    git(&repository, &["add", "-A"]);
    git(&repository, &["commit", "-q", "-m", "x"]);
    for hook in ["post-checkout", "reference-transaction", "post-index-change"] {
        let hook = repository.join(".git/hooks").join(hook);
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        fs::write(&hook, format!("#!/bin/sh\ntouch {}\n", marker.display())).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert!(server.files("").contains(&".gitattributes".to_owned()));
    assert!(!marker.exists());
}

/// A kilobyte of a repository whose tree has billions of files.
#[test]
fn a_repository_that_would_fill_the_disk_is_refused() {
    let server = Server::new();
    let repository = server.repository();
    let blob = git(&repository, &["hash-object", "-w", "Dockerfile"]);
    let mut object = ("100644 blob".to_owned(), blob);
    for _ in 0..9 {
        let list: String = (0..10).map(|n| format!("{} {}\td{n}\n", object.0, object.1)).collect();
        let path = server.bench.scratch.path().join("list");
        fs::write(&path, list).unwrap();
        let tree = Command::new("git")
            .arg("mktree")
            .current_dir(&repository)
            .stdin(fs::File::open(path).unwrap())
            .output()
            .unwrap();
        object = ("040000 tree".into(), String::from_utf8(tree.stdout).unwrap().trim().to_owned());
    }
    let commit = git(&repository, &["commit-tree", "-m", "x", &object.1]);
    git(&repository, &["update-ref", "refs/heads/bomb", &commit]);
    let error = server.open("#bomb").unwrap_err().to_string();
    assert!(error.contains("more than 50000 files"), "{error}");
    assert_eq!(server.bench.left(), 0);
}
