//! Where `hull build` takes files from: directories with their `.dockerignore`, streams, web servers, git repositories and
//! named contexts; and what keeps hostile ones inside.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hull_test_support::outcome::{eventually, run, run_with_input};
use hull_test_support::server::{Body, Reply, Server};
use hull_test_support::{Outcome, Scenario};

/// Builds, and writes the result's files into `out`.
fn build(t: &Scenario, args: &[&str]) -> Outcome {
    let _ = std::fs::remove_dir_all(t.path("out"));
    t.hull(&[&["build", "-o", "out"], args].concat())
}

/// The paths of `out`, sorted, with the contents of files.
fn files(t: &Scenario) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut queue = vec![t.path("out")];
    while let Some(directory) = queue.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(t.path("out")).unwrap().display().to_string();
            let kind = std::fs::symlink_metadata(&path).unwrap().file_type();
            if kind.is_dir() {
                queue.push(path);
            } else if kind.is_symlink() {
                found.insert(name, format!("-> {}", std::fs::read_link(path).unwrap().display()));
            } else {
                found.insert(name, std::fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

#[track_caller]
fn assert_names(t: &Scenario, names: &[&str]) {
    let found = files(t);
    assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), names);
}

/// A tar of the directory `context`.
fn tar(t: &Scenario, compression: &str) -> Vec<u8> {
    let mut command = Command::new("tar");
    command.arg("-C").arg(t.path("context")).args(["-c", compression, "--owner=7", "--group=8", "."]);
    let output = command.output().expect("tar runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn git(directory: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]);
    let output = command.args(args).current_dir(directory).env("GIT_CONFIG_GLOBAL", "/dev/null").output();
    let output = output.expect("git runs");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A daemon for the repositories in `served`, which ends with it.
struct Daemon(Child);

impl Daemon {
    fn start(t: &Scenario) -> (Self, String) {
        hull_test_support::registry::network_up();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // `git daemon` would leave its child behind when it is killed.
        let child = Command::new(format!("{}/git-daemon", git(&t.path("served"), &["--exec-path"])))
            .args(["--reuseaddr", "--listen=127.0.0.1", "--export-all"])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", t.path("served").display()))
            .stderr(Stdio::null())
            .spawn()
            .expect("git daemon starts");
        let daemon = Self(child);
        eventually("git daemon answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        (daemon, format!("git://127.0.0.1:{port}"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn repository(t: &Scenario, name: &str) -> PathBuf {
    let path = t.path("served").join(name);
    std::fs::create_dir_all(&path).unwrap();
    git(&path, &["init", "-q"]);
    path
}

fn commit(repository: &Path) -> String {
    git(repository, &["add", "-A"]);
    git(repository, &["commit", "-q", "--allow-empty", "-m", "x"]);
    git(repository, &["rev-parse", "HEAD"])
}

#[test]
fn dockerignore_leaves_out_what_docker_leaves_out() {
    let Some(t) = Scenario::start() else { return };
    t.write("context/Dockerfile", "FROM scratch\nCOPY . /\n");
    for path in [
        "a.md",
        "README.md",
        "src/a.rs",
        "src/b/keep.log",
        "src/b/x.log",
        "target/x",
        "deep/target/y",
        ".env",
    ] {
        t.write(&format!("context/{path}"), path);
    }
    t.write(
        "context/.dockerignore",
        "\u{feff}# comment\n*.md\n!README.md\n**/*.log\n!**/keep.log\n/target/\n.env\nDockerfile\n",
    );
    build(&t, &["context"]).ok();
    assert_names(&t, &[".dockerignore", "README.md", "deep/target/y", "src/a.rs", "src/b/keep.log"]);
    // The one beside the Dockerfile comes first.
    t.write("context/Dockerfile.dockerignore", "*\n!a.md\n");
    build(&t, &["context"]).ok();
    assert_names(&t, &["a.md"]);
    t.write("elsewhere/Other", "FROM scratch\nCOPY . /\n");
    t.write("elsewhere/Other.dockerignore", "**\n!src/a.rs\n");
    build(&t, &["-f", "elsewhere/Other", "context"]).ok();
    assert_names(&t, &["src/a.rs"]);
    t.write("context/Dockerfile", "FROM scratch\nCOPY README.md /\n");
    let failed = build(&t, &["context"]);
    let shown = failed.fails(1);
    assert!(shown.contains("Dockerfile:2") && shown.contains(".dockerignore leaves it out"), "{shown}");
    t.write("context/Dockerfile.dockerignore", "[\n");
    let failed = build(&t, &["context"]);
    assert!(failed.fails(1).contains("syntax error in pattern"), "{failed}");
}

#[test]
fn symlinks_and_dots_lead_to_nothing_outside_of_the_context() {
    let Some(t) = Scenario::start() else { return };
    t.write("secret/file", "secret");
    t.write("context/inside/file", "inside");
    symlink("../secret", t.path("context/up")).unwrap();
    symlink(t.path("secret"), t.path("context/absolute")).unwrap();
    symlink("../../secret/file", t.path("context/inside/link")).unwrap();
    symlink("/inside", t.path("context/root")).unwrap();
    symlink("up/file", t.path("context/Dockerfile")).unwrap();
    let failed = build(&t, &["context"]);
    assert!(failed.fails(1).contains("Dockerfile"), "{failed}");
    std::fs::remove_file(t.path("context/Dockerfile")).unwrap();
    for source in
        ["up", "up/file", "absolute", "inside/link", "../secret", "/../secret/file", "*/../../secret"]
    {
        t.write("context/Dockerfile", format!("FROM scratch\nCOPY {source} /\n"));
        let failed = build(&t, &["context"]);
        assert!(failed.fails(1).contains("Dockerfile:2"), "{source}: {failed}");
    }
    // A symlink is copied as it is, and one in the path of a source is followed inside.
    t.write("context/Dockerfile", "FROM scratch\nCOPY . /all/\nCOPY root/file /root/\nCOPY u*/file /none/\n");
    build(&t, &["context"]).ok();
    let found = files(&t);
    assert_eq!(found["all/up"], "-> ../secret");
    assert_eq!(found["all/inside/link"], "-> ../../secret/file");
    assert_eq!(found["root/file"], "inside");
    assert!(!found.values().any(|content| content == "secret"));
}

#[test]
fn standard_input_is_a_tar_or_a_dockerfile() {
    let Some(t) = Scenario::start() else { return };
    t.write("context/Dockerfile", "FROM scratch\nCOPY a sub /\n");
    t.write("context/Other", "FROM scratch\nCOPY a /other\n");
    t.write("context/a", "content");
    t.write("context/sub/b", "b");
    for compression in ["-f-", "-z", "-j", "-J", "--zstd"] {
        let tar = tar(&t, compression);
        let built = run_with_input(&mut t.command(&["build", "-o", "out", "-"]), &tar);
        built.ok();
        assert_names(&t, &["a", "b"]);
        std::fs::remove_dir_all(t.path("out")).unwrap();
    }
    // As with BuildKit, the owners of an archive are meant, and its .dockerignore is a file like others.
    t.write("context/.dockerignore", "a\n");
    run_with_input(&mut t.command(&["build", "-o", "type=tar,dest=out.tar", "-"]), &tar(&t, "-f-")).ok();
    let listed = run(Command::new("tar").args(["--numeric-owner", "-tvf"]).arg(t.path("out.tar")));
    assert!(listed.ok().lines().any(|line| line.contains(" 7/8 ") && line.ends_with(" a")), "{listed}");
    run_with_input(&mut t.command(&["build", "-o", "out", "-f", "Other", "-"]), &tar(&t, "-f-")).ok();
    assert_names(&t, &["other"]);
    std::fs::remove_dir_all(t.path("out")).unwrap();
    let dockerfile = b"FROM scratch\nCOPY <<x /heredoc\ntext\nx\n";
    run_with_input(&mut t.command(&["build", "-o", "out", "-"]), dockerfile).ok();
    assert_names(&t, &["heredoc"]);
    let built = run_with_input(&mut t.command(&["build", "-"]), b"FROM scratch\nCOPY a /\n");
    assert!(built.fails(1).contains("Dockerfile:2"), "{built}");
    let damaged = &tar(&t, "-z")[..100];
    run_with_input(&mut t.command(&["build", "-"]), damaged).fails(1);
    assert!(t.traces_left().is_empty());
}

#[test]
fn a_url_is_a_tar_or_a_dockerfile() {
    let Some(t) = Scenario::start() else { return };
    t.write("context/Dockerfile", "FROM scratch\nCOPY a /\n");
    t.write("context/a", "content");
    let tar = tar(&t, "-z");
    let server = Server::start("127.0.0.1:0", move |request| match request.path.as_str() {
        "/context" => Reply::new(200, tar.clone()),
        "/dockerfile" => Reply::new(200, "FROM scratch\nCOPY <<x /heredoc\ntext\nx\n"),
        "/local" => Reply::new(200, "FROM scratch\nCOPY a /remote-file\n"),
        _ => Reply::new(404, ""),
    });
    build(&t, &[&format!("http://{}/context", server.host)]).ok();
    assert_names(&t, &["a"]);
    build(&t, &[&format!("http://{}/dockerfile", server.host)]).ok();
    assert_names(&t, &["heredoc"]);
    build(&t, &["-f", &format!("http://{}/local", server.host), "context"]).ok();
    assert_names(&t, &["remote-file"]);
    let failed = build(&t, &[&format!("http://{}/none", server.host)]);
    assert!(failed.fails(1).contains("404"), "{failed}");
}

#[test]
fn a_repository_is_a_context_with_reference_and_subdirectory() {
    let Some(t) = Scenario::start() else { return };
    let repository = repository(&t, "a.git");
    t.write("served/a.git/Dockerfile", "FROM scratch\nCOPY . /\n");
    t.write("served/a.git/sub/Dockerfile", "FROM scratch\nCOPY file /\n");
    t.write("served/a.git/sub/file", "old");
    let old = commit(&repository);
    git(&repository, &["tag", "v1"]);
    t.write("served/a.git/sub/file", "new");
    commit(&repository);
    let (_daemon, url) = Daemon::start(&t);
    build(&t, &[&format!("{url}/a.git")]).ok();
    assert_names(&t, &["Dockerfile", "sub/Dockerfile", "sub/file"]);
    for (rest, content) in [
        ("#main:sub", "new"),
        ("#v1:sub", "old"),
        (&format!("#{old}:sub"), "old"),
        ("?ref=v1&subdir=sub", "old"),
    ] {
        build(&t, &[&format!("{url}/a.git{rest}")]).ok();
        assert_eq!(files(&t)["file"], content, "{rest}");
    }
    for wrong in ["#none", "#:none", "#--upload-pack=touch /tmp/x"] {
        build(&t, &[&format!("{url}/a.git{wrong}")]).fails(1);
    }
}

#[test]
fn add_fetches_files_once_and_checks_them() {
    let Some(t) = Scenario::start() else { return };
    let server = Server::start("127.0.0.1:0", |request| match request.path.as_str() {
        "/a/file.txt" if request.header("if-none-match") == "\"1\"" => Reply::new(304, ""),
        "/a/file.txt" => Reply::new(200, "content")
            .header("etag", "\"1\"")
            .header("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        "/moved" => Reply::new(302, "").header("location", "/a/file.txt"),
        _ => Reply::new(404, ""),
    });
    let url = format!("http://{}/a/file.txt", server.host);
    let checksum = "sha256:ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";
    t.write(
        "context/Dockerfile",
        format!("FROM scratch\nADD --checksum={checksum} {url} /dir/\nADD --chmod=644 {url} /name\n"),
    );
    build(&t, &["context"]).ok();
    let stat = std::fs::metadata(t.path("out/dir/file.txt")).unwrap();
    assert_eq!((stat.mode() & 0o7777, stat.mtime(), stat.uid()), (0o600, 784_111_777, 0));
    assert_eq!(std::fs::metadata(t.path("out/name")).unwrap().mode() & 0o7777, 0o644);
    assert_eq!(files(&t)["name"], "content");
    let again = build(&t, &["context"]);
    again.ok();
    assert_eq!(again.stderr.matches(" CACHED").count(), 3, "{again}");
    let sent = server.requests().iter().filter(|request| request.header("if-none-match").is_empty()).count();
    assert_eq!(sent, 1, "the file is fetched once");
    t.write(
        "context/Dockerfile",
        format!("FROM scratch\n\nADD --checksum=sha256:{} {url} /\n", "0".repeat(64)),
    );
    let failed = build(&t, &["context"]);
    assert!(failed.fails(1).contains("Dockerfile:3") && failed.stderr.contains("its digest is"), "{failed}");
    for (line, why) in [
        (format!("COPY {url} /"), "can't be a URL"),
        (format!("ADD http://{}/none /", server.host), "404"),
        (format!("ADD --checksum={checksum} file /"), "neither a URL nor a git repository"),
    ] {
        t.write("context/file", "");
        t.write("context/Dockerfile", format!("FROM scratch\n{line}\n"));
        let failed = build(&t, &["context"]);
        assert!(failed.fails(1).contains("Dockerfile:2") && failed.stderr.contains(why), "{line}: {failed}");
    }
}

#[test]
fn add_unpacks_a_fetched_archive_only_if_asked() {
    let Some(t) = Scenario::start() else { return };
    t.write("context/a", "content");
    let tar = tar(&t, "-z");
    let server = Server::start("127.0.0.1:0", move |_| Reply::new(200, tar.clone()));
    let url = format!("http://{}/a.tar.gz", server.host);
    t.write(
        "context/Dockerfile",
        format!("FROM scratch\nADD --unpack=true {url} /unpacked/\nADD --unpack=false {url} /\n"),
    );
    build(&t, &["context"]).ok();
    assert_eq!(std::fs::read_to_string(t.path("out/unpacked/a")).unwrap(), "content");
    assert!(t.path("out/a.tar.gz").is_file());
}

#[test]
fn add_checks_out_a_repository() {
    let Some(t) = Scenario::start() else { return };
    let repository = repository(&t, "a.git");
    t.write("served/a.git/file", "content");
    let head = commit(&repository);
    let (_daemon, url) = Daemon::start(&t);
    t.write(
        "context/Dockerfile",
        format!("FROM scratch\nADD {url}/a.git#main /plain\nADD --keep-git-dir=true {url}/a.git /kept\nADD --checksum={head} {url}/a.git /checked\n"),
    );
    build(&t, &["context"]).ok();
    assert!(t.path("out/plain/file").exists() && !t.path("out/plain/.git").exists());
    assert!(t.path("out/kept/.git/HEAD").exists() && t.path("out/checked/file").exists());
    let again = build(&t, &["context"]);
    again.ok();
    assert_eq!(again.stderr.matches(" CACHED").count(), 4, "{again}");
    t.write("served/a.git/file", "changed");
    commit(&repository);
    let failed = build(&t, &["context"]);
    assert!(failed.fails(1).contains("Dockerfile:4") && failed.stderr.contains("its commit is"), "{failed}");
}

#[test]
fn a_server_that_lies_or_never_ends_fills_no_disk() {
    let Some(t) = Scenario::start() else { return };
    let server = Server::start("127.0.0.1:0", |request| match request.path.as_str() {
        "/short" => Reply::with(200, Body::Said(b"x".to_vec(), 1000)),
        "/huge" => Reply::with(200, Body::Said(b"x".to_vec(), 1 << 60)),
        "/endless" => Reply::with(200, Body::Endless(vec![0; 1 << 20])),
        _ => Reply::new(302, "").header("location", "/round"),
    });
    // A data root that is full soon.
    let data = t.data_root();
    std::fs::create_dir_all(&data).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("tmpfs", &data, "tmpfs", flags, c"size=64m,mode=710").unwrap();
    for (path, why) in
        [("short", ""), ("huge", "more than 64 GiB"), ("endless", "No space left"), ("round", "in circles")]
    {
        t.write("context/Dockerfile", format!("FROM scratch\nADD http://{}/{path} /\n", server.host));
        let failed = build(&t, &["context"]);
        assert!(failed.fails(1).contains("Dockerfile:2") && failed.stderr.contains(why), "{path}: {failed}");
        t.write("context/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
        build(&t, &["context"]).ok();
    }
    rustix::mount::unmount(&data, rustix::mount::UnmountFlags::DETACH).unwrap();
}

#[test]
fn named_contexts_are_directories_repositories_and_archives() {
    let Some(t) = Scenario::start() else { return };
    t.write(
        "context/Dockerfile",
        "FROM scratch\nCOPY --from=other . /dir/\nCOPY --from=repo file /\nCOPY --from=web a /\n",
    );
    t.write("other/a", "a");
    t.write("other/b", "b");
    t.write("other/.dockerignore", "b\n.dockerignore\n");
    let repository = repository(&t, "a.git");
    t.write("served/a.git/file", "content");
    commit(&repository);
    let (_daemon, url) = Daemon::start(&t);
    t.write("context/a", "from the web");
    let tar = tar(&t, "-f-");
    let server = Server::start("127.0.0.1:0", move |_| Reply::new(200, tar.clone()));
    let (repo, web) = (format!("repo={url}/a.git"), format!("web=http://{}/x.tar", server.host));
    let contexts = ["--build-context", "other=other", "--build-context", &repo, "--build-context", &web];
    build(&t, &[&contexts[..], &["context"]].concat()).ok();
    assert_names(&t, &["a", "dir/a", "file"]);
    // What no instruction uses is not opened.
    t.write("context/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    build(&t, &["--build-context", "unused=https://127.0.0.1:1/a.git", "context"]).ok();
}

#[test]
fn a_named_context_may_be_an_image() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("context/Dockerfile", "FROM base\nCOPY --from=tools /bin/busybox /copied/busybox\n");
    t.hull(&[
        "build",
        "--build-context",
        "base=docker-image://busybox",
        "--build-context",
        "tools=docker-image://busybox:latest",
        "-t",
        "built",
        "context",
    ])
    .ok();
    assert_eq!(t.ok(&["run", "--rm", "built", "/copied/busybox", "echo", "hello"]), "hello");
    t.hull(&[
        "build",
        "-o",
        "type=oci,dest=layout.tar",
        "context",
        "--build-context",
        "base=docker-image://busybox",
        "--build-context",
        "tools=docker-image://busybox",
    ])
    .ok();
    std::fs::create_dir(t.path("layout")).unwrap();
    run(Command::new("tar").arg("-xf").arg(t.path("layout.tar")).arg("-C").arg(t.path("layout"))).ok();
    t.write("context/Dockerfile", "FROM layout\nCOPY --from=layout /copied /again/\n");
    t.hull(&["build", "--build-context", "layout=oci-layout://layout", "-t", "third", "context"]).ok();
    assert_eq!(t.ok(&["run", "--rm", "third", "/again/busybox", "echo", "hello"]), "hello");
}

#[test]
fn a_changed_file_misses_the_cache_and_why_names_it() {
    let Some(t) = Scenario::start() else { return };
    t.write("context/Dockerfile", "FROM scratch\nCOPY src /src\n");
    t.write("context/src/a", "a");
    t.write("context/src/b", "b");
    let why = |expected: &[&str]| {
        let built = build(&t, &["--why", "context"]);
        built.ok();
        for text in expected {
            assert!(built.stderr.contains(text), "no {text:?} in {built}");
        }
    };
    build(&t, &["context"]).ok();
    let file = std::fs::File::open(t.path("context/src/a")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    why(&["CACHED"]);
    t.write("context/src/a", "A");
    why(&["the content of src/a changed"]);
    std::fs::set_permissions(t.path("context/src/b"), PermissionsExt::from_mode(0o755)).unwrap();
    why(&["the mode of src/b changed from 644 to 755"]);
    t.write("context/src/c", "c");
    why(&["src/c is new"]);
    std::fs::remove_file(t.path("context/src/c")).unwrap();
    why(&["CACHED"]);
}

#[test]
fn contexts_work_without_privileges() {
    let Some(t) = Scenario::rootless() else { return };
    t.write("context/Dockerfile", "FROM scratch\nCOPY a /\nCOPY --from=other b /\n");
    t.write("context/a", "content");
    t.write("other/b", "b");
    t.hull(&["build", "--build-context", "other=other", "-t", "built", "context"]).ok();
    let tar = tar(&t, "-z");
    t.hull_with_input(&["build", "--build-context", "other=other", "-t", "piped", "-"], &tar).ok();
}

#[test]
fn a_build_that_is_killed_while_it_fetches_leaves_nothing_after_the_next_one() {
    let Some(t) = Scenario::start() else { return };
    let pause = std::time::Duration::from_millis(20);
    let server =
        Server::start("127.0.0.1:0", move |_| Reply::with(200, Body::Slow(vec![0; 64 << 20], pause)));
    t.write("context/Dockerfile", format!("FROM scratch\nADD http://{}/file /\n", server.host));
    t.write("other/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let staged = |directory: &str| {
        let entries = std::fs::read_dir(t.data_root().join("build").join(directory));
        entries.map_or(0, |entries| entries.flatten().count())
    };
    let mut building = t.spawn(&["build", "context"]);
    eventually("the file is being fetched", || staged("downloads") == 1);
    building.kill();
    building.wait();
    // The process that fetches ends with its builder, and then the next build removes what it has written.
    eventually("the remains are gone", || {
        t.hull(&["build", "other"]).ok();
        staged("downloads") == 0 && staged("contexts") == 0
    });
}
