//! `volume export` and `volume import`, and `import` from a web server.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use hull_test_support::outcome::eventually;
use hull_test_support::{Scenario, fixtures};

fn data(t: &Scenario, name: &str) -> std::path::PathBuf {
    t.data_root().join("volumes").join(name).join("_data")
}

#[test]
fn a_volume_comes_back_as_it_was() {
    let Some(t) = Scenario::start() else { return };
    t.ok(&["volume", "create", "from"]);
    let from = data(&t, "from");
    fs::create_dir_all(from.join("deep/er")).unwrap();
    fs::write(from.join("deep/file"), "content").unwrap();
    chown(from.join("deep/file"), Some(1000), Some(2000)).unwrap();
    chown(&from, Some(7), Some(7)).unwrap();
    symlink("../../outside", from.join("link")).unwrap();
    fs::hard_link(from.join("deep/file"), from.join("same")).unwrap();
    let sparse = fs::File::create(from.join("sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    rustix::fs::setxattr(from.join("deep/file"), "user.note", b"kept", rustix::fs::XattrFlags::empty())
        .unwrap();
    let tar = t.path("volume.tar");
    let tar = tar.to_str().unwrap();
    t.ok(&["volume", "export", "from", "-o", tar]);
    let stdout = t.command(&["volume", "export", "from"]).output().unwrap().stdout;
    assert_eq!(stdout, fs::read(tar).unwrap());
    for to in ["by-file", "by-stdin"] {
        t.ok(&["volume", "create", to]);
        match to {
            "by-file" => drop(t.ok(&["volume", "import", to, tar])),
            _ => drop(t.hull_with_input(&["volume", "import", to, "-"], &stdout).ok().to_owned()),
        }
        let to = data(&t, to);
        let stat = fs::metadata(to.join("deep/file")).unwrap();
        assert_eq!((stat.uid(), stat.gid(), stat.nlink()), (1000, 2000, 2));
        assert_eq!(fs::metadata(&to).unwrap().uid(), 7);
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("../../outside"));
        let sparse = fs::metadata(to.join("sparse")).unwrap();
        assert_eq!(sparse.len(), 64 << 20);
        assert!(sparse.blocks() < 1000, "{} blocks", sparse.blocks());
        let mut note = [0; 8];
        let length = rustix::fs::getxattr(to.join("deep/file"), "user.note", &mut note).unwrap();
        assert_eq!(&note[..length], b"kept");
    }
    t.ok(&["volume", "create", "squeezed"]);
    assert!(Command::new("gzip").args(["-k", tar]).status().unwrap().success());
    t.ok(&["volume", "import", "squeezed", &format!("{tar}.gz")]);
    assert!(data(&t, "squeezed").join("deep/file").exists());
    for words in [
        &["volume", "import", "missing", tar][..],
        &["volume", "export", "missing"],
        &["volume", "export", "missing", "-o", "never"],
        &["volume", "import", "from", "/no/such/file"],
    ] {
        t.hull(words).fails(1);
    }
    assert!(!t.path("never").exists());
    t.hull_with_input(&["volume", "import", "from", "-"], b"no tar at all").fails(1);
}

/// An entry of a tar, without content.
fn member(builder: &mut tar::Builder<Vec<u8>>, path: &str, kind: tar::EntryType, link: &str) {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(0);
    header.set_cksum();
    builder.append(&header, std::io::empty()).unwrap();
}

#[test]
fn a_hostile_tar_stays_in_the_volume() {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let Some(t) = Scenario::start() else { return };
    let out = t.path("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("secret"), "secret").unwrap();
    let out = out.to_str().unwrap();
    let secret = format!("{out}/secret");
    t.ok(&["volume", "create", "data"]);
    for entries in [
        &[("../../../escaped", Regular, "")][..],
        &[("/escaped", Regular, "")],
        &[("link", Symlink, out), ("link/escaped", Regular, "")],
        &[("up", Symlink, "../../.."), ("up/escaped", Regular, "")],
        &[("dir", Directory, ""), ("dir", Symlink, out), ("dir/escaped", Regular, "")],
        &[("hard", Link, &secret), ("hard", Regular, "")],
        &[("hard", Link, "../../../../../../etc/passwd")],
    ] {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, link) in entries {
            member(&mut builder, path, *kind, link);
        }
        let bytes = builder.into_inner().unwrap();
        // The entry may be refused or kept beneath the volume. Both are right.
        let imported = t.hull_with_input(&["volume", "import", "data", "-"], &bytes);
        assert!(imported.success() || imported.code() == 1, "{imported}");
        assert_eq!(fs::read_dir(out).unwrap().count(), 1, "{entries:?}");
        for place in [t.path("escaped"), t.data_root().join("escaped"), "/escaped".into()] {
            assert!(!place.exists(), "{entries:?}: {}", place.display());
        }
        assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    }
}

#[test]
fn a_volume_with_options_is_mounted_for_it() {
    let Some(t) = Scenario::with_busybox() else { return };
    let tree = t.path("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("file"), "").unwrap();
    let tar = t.path("tree.tar");
    fixtures::tar(&tree, &tar).unwrap();
    let tar = tar.to_str().unwrap();
    let device = format!("device={}", tree.display());
    t.ok(&["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", &device, "bound"]);
    assert!(t.ok(&["volume", "export", "bound"]).contains("file"));
    t.ok(&["volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "fast"]);
    t.ok(&["run", "-d", "--name", "box", "--network", "none", "-v", "fast:/x", "busybox", "sleep", "300"]);
    t.ok(&["volume", "import", "fast", tar]);
    assert_eq!(t.ok(&["exec", "box", "ls", "/x"]), "file");
    assert_eq!(fs::read_dir(data(&t, "fast")).unwrap().count(), 0);
}

/// Serves each answer to one connection.
fn serve(answers: Vec<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(&answer);
        }
    });
    port
}

fn ok_with(body: &[u8], announced: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {announced}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[test]
fn an_image_is_imported_from_a_web_server() {
    let Some(t) = Scenario::start() else { return };
    loopback_up(&t);
    let tar = fs::read(fixtures::busybox()).unwrap();
    let moved =
        b"HTTP/1.1 302 Found\r\nLocation: /there.tar\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            .to_vec();
    let missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngone".to_vec();
    let file = b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
    let port = serve(vec![
        moved.clone(),
        ok_with(&tar, tar.len()),
        missing,
        ok_with(&tar[..tar.len() / 2], tar.len()),
        file,
    ]);
    let url = format!("http://127.0.0.1:{port}/image.tar");
    t.ok(&["import", &url, "web"]);
    t.ok(&["image", "inspect", "web"]);
    for what in ["a missing file", "half a file", "a redirect to a file"] {
        let refused = t.hull(&["import", &url, "never"]);
        assert_eq!(refused.code(), 1, "{what}: {refused}");
    }
    for scheme in ["file", "ftp"] {
        let refused = t.hull(&["import", &format!("{scheme}:///etc/passwd"), "never"]);
        assert!(refused.fails(1).contains("http and https"), "{refused}");
    }
    t.hull(&["image", "inspect", "never"]).fails(1);
    let port = serve(vec![moved; 20]);
    let circles = t.hull(&["import", &format!("http://127.0.0.1:{port}/image.tar")]);
    assert!(circles.fails(1).contains("circles"), "{circles}");
}

/// In the test's network namespace, the loopback is down at first.
fn loopback_up(t: &Scenario) {
    eventually("loopback is up", || {
        Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .current_dir(t.path(""))
            .status()
            .is_ok_and(|s| s.success())
    });
}
