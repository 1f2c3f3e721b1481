//! Contexts and sources of ADD that are not directories of this machine.

use super::{make, walked};
use crate::context::{Fetched, Remote, collect, fetch, load};
use crate::request::ContextSource;
use hull_image::registry::{AccessOptions, Environment};
use hull_storage::root::Root;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

pub(super) struct Bench {
    pub scratch: tempfile::TempDir,
    pub root: Root,
    pub remote: Remote,
}

impl Bench {
    pub fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let root = Root::open(&scratch.path().join("data"), &scratch.path().join("run")).unwrap();
        let variables = ["PATH"].into_iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
        let environment = Environment::of(variables);
        let registry = AccessOptions { environment, ..AccessOptions::default() };
        Self { scratch, root, remote: Remote { registry, ..Remote::default() } }
    }

    pub fn add(&self, url: &str, checksum: Option<&str>) -> crate::Result<Fetched> {
        fetch(&self.root, url, checksum, false, &self.remote).map(Option::unwrap)
    }

    pub fn left(&self) -> usize {
        fs::read_dir(self.root.data().join("build/contexts")).map_or(0, Iterator::count)
    }
}

/// Answers each request with what `answer` makes of its path and its headers. Ends with the test.
fn serve(answer: impl Fn(&str, &str) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let (mut line, mut headers) = (String::new(), String::new());
            reader.read_line(&mut line).unwrap_or_default();
            while reader.read_line(&mut headers).unwrap_or_default() > 2 {}
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            let _ = reader.get_mut().write_all(&answer(&path, &headers.to_lowercase()));
        }
    });
    format!("http://{address}")
}

fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

fn other(status: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n").into_bytes()
}

#[test]
fn a_downloaded_file_has_dockers_name_mode_and_time_and_is_fetched_once() {
    let bench = Bench::new();
    let server = serve(|path, headers| match path {
        "/dir/a%20file.txt?x=1" if headers.contains("if-none-match: \"v1\"") => other("304 Not Modified", ""),
        "/dir/a%20file.txt?x=1" => {
            ok("ETag: \"v1\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", b"content")
        }
        _ => other("404 Not Found", ""),
    });
    let url = format!("{server}/dir/a%20file.txt?x=1");
    let first = bench.add(&url, None).unwrap();
    let path = first.tree.path.clone().unwrap().join("a file.txt");
    assert_eq!(first.source, "a file.txt");
    assert_eq!(fs::read(&path).unwrap(), b"content");
    let stat = fs::metadata(&path).unwrap();
    assert_eq!((stat.mode() & 0o7777, stat.mtime()), (0o600, 784_111_777));
    let second = bench.add(&url, Some(&first.what)).unwrap();
    assert_eq!(second.digest, first.digest);
    assert_eq!(bench.add(&url, None).unwrap().digest, first.digest);
    drop((first, second));
    assert_eq!(bench.left(), 0);
    let error = bench.add(&format!("{server}/none"), None).unwrap_err().to_string();
    assert!(error.contains("404"), "{error}");
}

#[test]
fn a_wrong_checksum_is_refused_and_nothing_is_kept() {
    let bench = Bench::new();
    let server = serve(|_, _| ok("", b"content"));
    let wrong = format!("sha256:{}", "0".repeat(64));
    let error = bench.add(&format!("{server}/file"), Some(&wrong)).unwrap_err().to_string();
    assert!(error.contains("its digest is sha256:ed7002b4"), "{error}");
    assert_eq!(fs::read_dir(bench.root.data().join("build/downloads")).unwrap().count(), 0);
    assert!(bench.add(&format!("{server}/file"), Some("md5:0")).is_err());
}

#[test]
fn a_server_that_lies_about_the_length_is_an_error() {
    let bench = Bench::new();
    let server = serve(|_, _| b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".to_vec());
    assert!(bench.add(&format!("{server}/file"), None).is_err());
    let server = serve(|_, _| b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nshort".to_vec());
    let error = bench.add(&format!("{server}/file"), None).unwrap_err().to_string();
    assert!(error.contains("more than 64 GiB"), "{error}");
    assert_eq!(fs::read_dir(bench.root.data().join("build/downloads")).unwrap().count(), 0);
}

#[test]
fn a_redirect_to_this_machine_is_followed_only_if_the_caller_trusts_it() {
    let mut bench = Bench::new();
    let secret = serve(|_, _| ok("", b"secret"));
    let target = format!("{secret}/file");
    let server = serve(move |path, _| match path {
        "/near" => other("302 Found", "Location: /file\r\n"),
        "/file" => ok("", b"own"),
        "/round" => other("302 Found", "Location: /round\r\n"),
        "/scheme" => other("302 Found", "Location: file:///etc/passwd\r\n"),
        _ => other("302 Found", &format!("Location: {target}\r\n")),
    });
    assert!(bench.add(&format!("{server}/near"), None).is_ok(), "the server that was asked for");
    for path in ["far", "round", "scheme"] {
        let error = bench.add(&format!("{server}/{path}"), None).unwrap_err().to_string();
        let expected = match path {
            "far" => "a redirect to this machine or its link is not followed",
            "round" => "around in circles",
            _ => "makes no sense",
        };
        assert!(error.contains(expected), "{error}");
    }
    bench.remote.trusts_redirects = true;
    assert!(bench.add(&format!("{server}/far"), None).is_ok());
}

#[test]
fn a_context_may_come_from_a_web_server_or_a_stream() {
    let bench = Bench::new();
    make(bench.scratch.path(), &["context/Dockerfile", "context/sub/file"]);
    let tar =
        Command::new("tar").arg("-C").arg(bench.scratch.path().join("context")).args(["-c", "."]).output();
    let tar = tar.unwrap().stdout;
    let (served, plain) = (tar.clone(), tar.clone());
    let server = serve(move |path, _| match path {
        "/tar" => ok("", &served),
        _ => ok("", b"FROM scratch\n"),
    });
    let open = |source: ContextSource, stdin: &[u8]| {
        load(&bench.root, &source, "the build context", None, &bench.remote, &mut &*stdin).unwrap()
    };
    for loaded in [
        open(ContextSource::Url(format!("{server}/tar")), b""),
        open(ContextSource::Stdin, &plain),
        open(ContextSource::Stdin, &zstd(&plain)),
    ] {
        assert!(loaded.dockerfile.is_none() && !loaded.tree.has_local_owners);
        assert_eq!(walked(&loaded.tree, "", &[]).unwrap(), ["/", "Dockerfile", "sub/", "sub/file"]);
    }
    for loaded in [
        open(ContextSource::Url(format!("{server}/file")), b""),
        open(ContextSource::Stdin, b"FROM scratch\n"),
    ] {
        assert_eq!(loaded.dockerfile.as_deref(), Some(&b"FROM scratch\n"[..]));
        assert_eq!(walked(&loaded.tree, "", &[]).unwrap(), ["/"]);
    }
    assert_eq!(walked(&open(ContextSource::Empty, b"").tree, "", &[]).unwrap(), ["/"]);
    assert_eq!(bench.left(), 0);
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new("zstd")
        .args(["-q", "-c"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn a_hostile_archive_writes_nothing_outside_of_its_tree() {
    let bench = Bench::new();
    let script = "import sys,tarfile,io\n\
        t=tarfile.open(fileobj=sys.stdout.buffer,mode='w|')\n\
        def add(name,kind,link='',data=b''):\n\
        \x20i=tarfile.TarInfo(name);i.type=kind;i.linkname=link;i.size=len(data);t.addfile(i,io.BytesIO(data))\n\
        exec(sys.argv[1])\nt.close()\n";
    for members in [
        "add('../escaped',b'0',data=b'x')",
        "add('out',b'2','../..');add('out/escaped',b'0',data=b'x')",
        "add('abs',b'2','/');add('abs/tmp/hull-escaped',b'0',data=b'x')",
        "add('hard',b'1','../../secret')",
        "add('a',b'0',data=b'x');add('a/b',b'0',data=b'x')",
    ] {
        let tar = Command::new("python3").args(["-c", script, members]).output().unwrap();
        assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
        let opened = load(
            &bench.root,
            &ContextSource::Stdin,
            "the build context",
            None,
            &bench.remote,
            &mut tar.stdout.as_slice(),
        );
        assert!(opened.is_err(), "{members}");
        assert_eq!(bench.left(), 0, "{members}");
    }
    assert!(!Path::new("/tmp/hull-escaped").exists());
    assert!(!bench.root.data().join("build/escaped").exists());
}

#[test]
fn what_a_killed_build_left_is_collected() {
    let bench = Bench::new();
    let left = bench.root.data().join("build/contexts/.staging-1_1_another-boot_0/tree");
    fs::create_dir_all(&left).unwrap();
    collect(&bench.root).unwrap();
    assert_eq!(bench.left(), 0);
}
