//! Files that are copied into and out of containers.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hull_test_support::http::{Client, Response};
use serde_json::{Value, json};

use crate::world::{SLEEP, create, start};

/// A tar with these members.
fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        // `set_path` refuses what a hostile client sends.
        let bytes = name.as_bytes();
        header.as_old_mut().name[..bytes.len()].copy_from_slice(bytes);
        header.set_size(content.len() as u64);
        header.set_mode(0o640);
        header.set_uid(7);
        header.set_gid(8);
        header.set_entry_type(if name.ends_with('/') {
            tar::EntryType::Directory
        } else {
            tar::EntryType::Regular
        });
        header.set_cksum();
        builder.append(&header, *content).expect("memory");
    }
    builder.into_inner().expect("memory")
}

fn members(tar: &[u8]) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().expect("a tar").map(|entry| {
        let mut entry = entry.expect("a member");
        let path = entry.path().expect("a path").display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("the content");
        (path, String::from_utf8_lossy(&content).into_owned())
    });
    entries.collect()
}

fn path_stat(answer: &Response) -> Value {
    let header = answer.field("x-docker-container-path-stat").unwrap_or_else(|| panic!("{answer}"));
    serde_json::from_slice(&STANDARD.decode(header).expect("base64")).expect("JSON")
}

#[test]
fn files_go_in_and_out_as_tars() {
    let Some((_t, api)) = start() else { return };
    let mut client = api.client();
    create(&mut client, "one", &["sh", "-c", "cat /in/a; exec sleep 300"], json!({"User": "worker"}));
    // Before the start, as Compose does with its configs, and while it runs.
    for (round, content) in [("before", "first\n"), ("after", "second\n")] {
        client
            .put("/containers/one/archive?path=/", &tar(&[("in/", b""), ("in/a", content.as_bytes())]))
            .ok(200);
        let answer = client.get("/containers/one/archive?path=/in/a");
        assert_eq!(answer.field("content-type"), Some("application/x-tar"), "{round}");
        assert_eq!(members(&answer.body), [("a".to_owned(), content.to_owned())], "{round}");
        let stat = path_stat(&answer);
        assert_eq!(
            (&stat["name"], &stat["size"], &stat["mode"]),
            (&json!("a"), &json!(content.len()), &json!(0o640))
        );
        let mut archive = tar::Archive::new(&answer.body[..]);
        let entry = archive.entries().expect("a tar").next().expect("a member").expect("a member");
        assert_eq!((entry.header().uid().ok(), entry.header().gid().ok()), (Some(7), Some(8)));
        if round == "before" {
            client.post("/containers/one/start").ok(204);
        }
    }
    let names = |target: &str, client: &mut Client| {
        let answer = client.get(target);
        members(&answer.body).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(names("/containers/one/archive?path=/in", &mut client), ["in/", "in/a"]);
    assert_eq!(names("/containers/one/archive?path=/in/", &mut client), ["in/", "in/a"]);
    assert_eq!(names("/containers/one/archive?path=/in/.", &mut client), ["./", "./a"]);
    assert!(names("/containers/one/export", &mut client).contains(&"in/a".to_owned()));
    // The owner is the container's user if that is asked for.
    client.put("/containers/one/archive?path=/in&copyUIDGID=true", &tar(&[("mine", b"")])).ok(200);
    let answer = client.get("/containers/one/archive?path=/in/mine");
    let mut archive = tar::Archive::new(&answer.body[..]);
    let entry = archive.entries().expect("a tar").next().expect("a member").expect("a member");
    assert_eq!((entry.header().uid().ok(), entry.header().gid().ok()), (Some(1000), Some(1000)));
    // Directories and files replace each other unless that is forbidden.
    let forbidden =
        client.put("/containers/one/archive?path=/&noOverwriteDirNonDir=1", &tar(&[("in", b"x")]));
    assert!(forbidden.fails(400).contains("cannot overwrite"));
    client.put("/containers/one/archive?path=/", &tar(&[("in", b"x")])).ok(200);
    client.put("/containers/one/archive?path=/&noOverwriteDirNonDir=1", &tar(&[("in/", b"")])).fails(400);
    client.put("/containers/one/archive?path=/", &tar(&[("in/", b""), ("in/b", b"")])).ok(200);
    assert_eq!(names("/containers/one/archive?path=/in", &mut client), ["in/", "in/b"]);
    // Symlinks are told, and nothing is no tar.
    let link = path_stat(&client.head("/containers/one/archive?path=/bin/sh"));
    assert_eq!((&link["linkTarget"], &link["mode"]), (&json!("/bin/busybox"), &json!(0o777 | 1 << 27)));
    let directory = path_stat(&client.head("/containers/one/archive?path=/etc/"));
    assert_eq!((&directory["name"], directory["mode"].as_u64()), (&json!("etc"), Some(0o755 | 1 << 31)));
    let missing = client.get("/containers/one/archive?path=/nope").fails(404);
    assert_eq!(missing, "Could not find the file /nope in container one");
    client.put("/containers/one/archive?path=/nope", &tar(&[("a", b"")])).fails(404);
    client.put("/containers/one/archive?path=/etc/passwd", &tar(&[("a", b"")])).fails(400);
    client.put("/containers/one/archive?path=/", b"").ok(200);
    assert!(client.get("/containers/one/archive").fails(400).contains("path"));
    let nonsense = client.put("/containers/one/archive?path=/", &[b'x'; 4096]);
    assert!(nonsense.status >= 400, "{nonsense}");
    // The connection can still be used: what the child left of the body was read.
    client.get("/_ping").ok_text();
}

trait Text {
    fn ok_text(&self);
}

impl Text for Response {
    #[track_caller]
    fn ok_text(&self) {
        assert_eq!((self.status, self.text().as_str()), (200, "OK"), "{self}");
    }
}

#[test]
fn hostile_archives_stay_inside() {
    let Some((t, api)) = start() else { return };
    let mut client = api.client();
    create(&mut client, "one", &SLEEP, json!({}));
    let outside = t.path("outside");
    std::fs::create_dir(&outside).expect("own directory");
    std::fs::set_permissions(&outside, PermissionsExt::from_mode(0o755)).expect("own directory");
    let name = outside.display().to_string();
    let before = std::fs::metadata(&outside).expect("own directory");
    for state in ["stopped", "running"] {
        for hostile in
            [format!("../../../../..{name}/a"), format!("{name}/a"), "/../../etc/hull-was-here".into()]
        {
            // It is refused, or lands inside.
            let answer = client.put("/containers/one/archive?path=/", &tar(&[(&hostile, b"x")]));
            assert!([200, 400, 500].contains(&answer.status), "{state}: {answer}");
        }
        // A symlink of the container leads to its own root.
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "out", &outside).expect("memory");
        client.put("/containers/one/archive?path=/", &builder.into_inner().expect("memory")).ok(200);
        let through = client.put("/containers/one/archive?path=/out", &tar(&[("b", b"x")]));
        assert!([200, 404].contains(&through.status), "{through}");
        let inside = client.put("/containers/one/archive?path=/", &tar(&[("out/c", b"x")]));
        assert!(inside.status == 200 || inside.status >= 400, "{inside}");
        let read = client.get(&format!("/containers/one/archive?path=/../../../..{name}"));
        assert!([200, 404].contains(&read.status), "{read}");
        client.post("/containers/one/start");
    }
    let after = std::fs::metadata(&outside).expect("own directory");
    assert_eq!(before.mtime(), after.mtime());
    assert_eq!(std::fs::read_dir(&outside).expect("own directory").count(), 0);
    assert!(!std::path::Path::new("/etc/hull-was-here").exists());
    assert!(client.get("/containers/one/archive?path=a%00b").fails(400).contains("zero byte"));
}
