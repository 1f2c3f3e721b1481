//! Tars in and out.

use std::fs::File;

use super::*;

fn member(archive: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, name: &str, link: &str, content: &str) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(1234);
    header.set_gid(4321);
    header.set_size(content.len() as u64);
    // Written as they are: the crate's own setters refuse `..`.
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    archive.append(&header, content.as_bytes()).unwrap();
}

#[test]
fn a_tar_keeps_long_names_attributes_and_numeric_owners() {
    as_root("a_tar_keeps_long_names_attributes_and_numeric_owners", |s| {
        let name = format!("{}/{}", "d".repeat(200), "f".repeat(200));
        fs::create_dir_all(s.root("tree").join(&name).parent().unwrap()).unwrap();
        fs::write(s.root("tree").join(&name), "deep").unwrap();
        std::os::unix::fs::chown(s.root("tree").join(&name), Some(3_000_000), Some(7)).unwrap();
        let file = File::open(s.root("tree").join(&name)).unwrap();
        hull_sys::fs::set_xattr(&file, c"user.note", b"line\nbreak=\0").unwrap();
        symlink("t".repeat(300), s.root("tree/link")).unwrap();
        let mut bytes = Vec::new();
        send_tar(&s.container(), Path::new("/tree/."), &mut bytes, PLAIN).unwrap();
        receive_tar(&bytes[..], &s.container(), Path::new("/tmp"), PLAIN).unwrap();
        let copy = s.root("tmp").join(&name);
        let meta = fs::metadata(&copy).unwrap();
        assert_eq!((read(copy.clone()), meta.uid(), meta.gid()), ("deep".into(), 3_000_000, 7));
        let attributes = hull_sys::fs::xattrs(File::open(&copy).unwrap()).unwrap();
        assert!(attributes.contains(&(c"user.note".into(), b"line\nbreak=\0".to_vec())));
        assert_eq!(fs::read_link(s.root("tmp/link")).unwrap(), Path::new(&"t".repeat(300)));
    });
}

#[test]
fn a_hostile_tar_stays_in_its_directory() {
    use tar::EntryType::{Link, Regular, Symlink};
    as_root("a_hostile_tar_stays_in_its_directory", |s| {
        let outside = s.host("").display().to_string();
        let attempts: [&[(tar::EntryType, &str, &str)]; 6] = [
            &[(Regular, "../escaped", "")],
            &[(Symlink, "door", &outside), (Regular, "door/escaped", "")],
            &[(Symlink, "gap", "../../host"), (Regular, "gap/escaped", "")],
            &[(Symlink, "gap", "../etc"), (Regular, "gap/escaped", "")],
            &[(Link, "stolen", "../../host/secret")],
            &[(Symlink, "file", "/etc/passwd"), (Link, "file/x", "file")],
        ];
        fs::write(s.host("secret"), "x").unwrap();
        fs::create_dir_all(s.root("etc")).unwrap();
        for (n, attempt) in attempts.iter().enumerate() {
            fs::create_dir_all(s.root(&format!("d{n}"))).unwrap();
            let mut archive = tar::Builder::new(Vec::new());
            attempt.iter().for_each(|(kind, name, link)| member(&mut archive, *kind, name, link, ""));
            assert!(s.receive(archive, &format!("/d{n}")).is_err(), "{n}");
        }
        assert_eq!(fs::read_dir(s.host("")).unwrap().count(), 1);
        assert!(!s.root("escaped").exists() && !s.root("etc/escaped").exists());

        // A symlink that was there is replaced, not written through.
        symlink("/etc/target", s.root("tmp/file")).unwrap();
        fs::create_dir_all(s.root("tmp/usr/lib")).unwrap();
        symlink("usr/lib", s.root("tmp/lib")).unwrap();
        let mut archive = tar::Builder::new(Vec::new());
        member(&mut archive, Regular, "/file", "", "new");
        member(&mut archive, Regular, "lib/implied/file", "", "library");
        s.receive(archive, "/tmp").unwrap();
        assert!(!s.root("etc/target").exists());
        assert_eq!(
            (read(s.root("tmp/file")), fs::metadata(s.root("tmp/file")).unwrap().uid()),
            ("new".into(), 1234)
        );
        assert_eq!(read(s.root("tmp/usr/lib/implied/file")), "library");
    });
}

#[test]
fn what_is_no_tar_is_said_to_be_none() {
    let s = Scratch::new();
    let receive = |bytes: &[u8], to: &str| {
        receive_tar(bytes, &s.container(), Path::new(to), PLAIN).unwrap_err().to_string()
    };
    assert!(receive(b"", "/tmp").contains("empty"));
    assert!(receive(&[7; 2000], "/tmp").contains("not a tar"));
    assert!(receive(&[0x1f, 0x8b, 8, 0], "/tmp").contains("damaged"), "a gzip that is cut short");
    assert!(receive(b"", "/missing").contains("must be a directory"));
}
