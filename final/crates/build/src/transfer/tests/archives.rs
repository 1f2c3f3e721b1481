//! ADD of archives. The expected trees are those that dockerd's BuildKit makes: directories are merged, and everything
//! else is replaced.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use hull_image::packing::{Content, Entry, Kind, Packer};
use rustix::fs::Timespec;

use super::{Copy, World, of_directory, of_tar, world};
use crate::Result;
use crate::transfer::{Source, Written};

/// `path/`, `path=content`, `path->target`, `path==other` for a hard link.
fn tar(members: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut packer = Packer::new(&mut bytes);
    for member in members {
        let (path, kind, content) = match member.split_once("==") {
            Some((path, link)) => (path, Kind::HardLink(link.into()), ""),
            None => match member.split_once("->") {
                Some((path, target)) => (path, Kind::Symlink(target.into()), ""),
                None => match member.split_once('=') {
                    Some((path, content)) => (path, Kind::File { size: content.len() as u64 }, content),
                    None => (member.trim_end_matches('/'), Kind::Directory, ""),
                },
            },
        };
        let mode = if matches!(kind, Kind::Directory) { 0o750 } else { 0o640 };
        let modified = Timespec { tv_sec: 1234, tv_nsec: 0 };
        let entry = Entry { path: path.into(), kind, uid: 11, gid: 22, mode, modified, attributes: vec![] };
        packer.put(&entry, Content::Stream(&mut content.as_bytes())).unwrap();
    }
    packer.finish().unwrap();
    bytes
}

impl World {
    fn add(&mut self, copy: &Copy<'_>) -> Result<(PathBuf, Vec<u8>, Written)> {
        let tree = self.tree();
        let pattern =
            |pattern: &&str| Source::Pattern { tree: &tree, pattern: pattern.to_string(), unpack: true };
        self.write(copy.sources.iter().map(pattern).collect(), copy)
    }

    fn added(&mut self, sources: &[&str], destination: &str) -> Vec<String> {
        let (directory, ..) = self.add(&Copy { sources, destination, ..Copy::default() }).unwrap();
        of_directory(&directory)
    }

    fn archive(&self, name: &str, members: &[&str]) {
        fs::write(self.context(name), tar(members)).unwrap();
    }
}

#[test]
fn archives_are_known_by_their_content_and_keep_their_owners() {
    world("archives_are_known_by_their_content_and_keep_their_owners", |world| {
        let plain = tar(&["d/", "d/f=1", "l->d/f", "h==d/f"]);
        fs::write(world.context("a.txt"), &plain).unwrap();
        for (name, command) in [("gz", "gzip"), ("bz2", "bzip2"), ("xz", "xz"), ("zst", "zstd")] {
            let mut child = Command::new(command)
                .arg("-c")
                .stdin(Stdio::piped())
                .stdout(fs::File::create(world.context(name)).unwrap())
                .spawn()
                .unwrap_or_else(|error| panic!("{command}: {error}"));
            child.stdin.take().unwrap().write_all(&plain).unwrap();
            assert!(child.wait().unwrap().success());
        }
        let expected = [
            "640 11:22 x/d/f 1",
            "640 11:22 x/h = x/d/f",
            "750 11:22 x/d/",
            "755 0:0 x/",
            "777 11:22 x/l -> d/f",
        ];
        for name in ["a.txt", "gz", "bz2", "xz", "zst"] {
            let mut added = world.added(&[name], "/x");
            // Which of two links comes first depends on the order of the members only in the archive.
            for line in &mut added {
                *line = line.replace("640 11:22 x/h 1", "640 11:22 x/h = x/d/f");
                *line = line.replace("640 11:22 x/d/f = x/h", "640 11:22 x/d/f 1");
            }
            assert_eq!(added, expected, "{name}");
        }
        let copy = Copy { sources: &["gz"], destination: "/x/", chown: Some("7:8"), ..Copy::default() };
        let (directory, ..) = world.add(&copy).unwrap();
        assert!(of_directory(&directory).contains(&"750 7:8 x/d/".to_owned()));
        // What is no archive is copied, and COPY unpacks nothing.
        fs::write(world.context("text.tar"), "no tar").unwrap();
        fs::write(world.context("empty.tar"), vec![0; 1024]).unwrap();
        assert_eq!(world.added(&["text.tar"], "/"), ["644 0:0 text.tar no tar"]);
        assert_eq!(world.added(&["empty.tar"], "/x/").len(), 2);
        let copy = Copy { sources: &["gz"], destination: "/x/", ..Copy::default() };
        assert_eq!(world.paths(&copy).len(), 2);
    });
}

#[test]
fn members_are_merged_with_the_image() {
    world("members_are_merged_with_the_image", |world| {
        world.layer(&["usr/bin/sh=0", "bin->usr/bin", "etc/conf/x=0", "file=0", "tmp/l->/usr"]);
        world.archive("a.tar", &["bin/", "bin/tool=1", "etc/conf=2", "file/", "file/y=3", "tmp/l=4"]);
        assert_eq!(
            world.added(&["a.tar"], "/"),
            [
                "640 11:22 bin/tool 1",
                "640 11:22 etc/conf 2",
                "640 11:22 file/y 3",
                "640 11:22 tmp/l 4",
                "750 11:22 bin/",
                "750 11:22 file/",
                "755 0:0 etc/",
                "755 0:0 tmp/",
            ]
        );
        // Not listed, and yet followed.
        world.archive("b.tar", &["bin/tool=1", "h==usr/bin/sh"]);
        assert_eq!(
            world.added(&["b.tar"], "/"),
            [
                "640 11:22 usr/bin/tool 1",
                "644 0:0 h 0",
                "644 0:0 usr/bin/sh = h",
                "755 0:0 usr/",
                "755 0:0 usr/bin/",
            ]
        );
    });
}

#[test]
fn a_directory_in_the_place_of_a_file_that_hid_one_shows_nothing_of_it() {
    world("a_directory_in_the_place_of_a_file_that_hid_one_shows_nothing_of_it", |world| {
        world.layer(&["d/old=0"]);
        world.archive("a.tar", &["d=1", "d/", "d/new=2"]);
        let tree = world.tree();
        let source = Source::Pattern { tree: &tree, pattern: "a.tar".into(), unpack: true };
        let directory = world.directory();
        let mut bytes = Vec::new();
        let request = super::super::Request {
            sources: vec![source],
            destination: "/".into(),
            working_dir: "/".into(),
            below: world.below.clone(),
            chown: None,
            chmod: None,
            parents: false,
            exclude: crate::patterns::Patterns::default(),
            epoch: None,
        };
        super::super::write(&request, &directory, &mut bytes).unwrap();
        let opened = fs::File::open(directory.join("d")).unwrap();
        let marks = hull_sys::fs::xattrs(&opened).unwrap();
        assert!(marks[0].0.to_bytes().ends_with(b".overlay.opaque") && marks[0].1 == b"y", "{marks:?}");
        let lines = of_tar(&bytes);
        assert!(lines.iter().any(|line| line.contains("d/.wh..wh..opq")), "{lines:?}");
    });
}

#[test]
fn later_sources_replace_earlier_ones() {
    world("later_sources_replace_earlier_ones", |world| {
        world.files(&["f=plain", "dir/g=plain"]);
        world.archive("a.tar", &["f=a", "g=a", "h=a"]);
        world.archive("b.tar", &["h=b"]);
        let contents = |lines: Vec<String>| -> Vec<String> {
            let files = lines.iter().filter(|line| !line.ends_with('/'));
            files.map(|line| line[line.rfind("x/").unwrap()..].to_owned()).collect()
        };
        assert_eq!(
            contents(world.added(&["a.tar", "f", "dir", "b.tar"], "/x/")),
            ["x/h b", "x/f plain", "x/g plain"]
        );
        assert_eq!(
            contents(world.added(&["f", "dir", "b.tar", "a.tar"], "/x/")),
            ["x/f a", "x/g a", "x/h a"]
        );
    });
}

#[test]
fn an_archive_stays_beneath_the_destination() {
    world("an_archive_stays_beneath_the_destination", |world| {
        let outside = world.scratch.path().join("outside");
        fs::create_dir(&outside).unwrap();
        let target = outside.display().to_string();
        for (members, paths) in [
            (&["l->/etc", "l/f=1"][..], &["x/etc/f", "x/l"][..]),
            (&["l->../../..", "l/f=1"], &["x/f", "x/l"]),
            (&[&format!("l->{target}"), "l/f=1"], &["f", "l"]),
            (&["/abs=1"], &["x/abs"]),
        ] {
            world.archive("a.tar", members);
            let added = world.added(&["a.tar"], "/x/");
            for path in paths {
                assert!(added.iter().any(|line| line.contains(path)), "{members:?}: {added:?}");
            }
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        for (members, why) in [
            (&["../f=1"][..], "its path contains .."),
            (&["a/../../f=1"], "its path contains .."),
            (&["h==../../etc/passwd"], "its path contains .."),
            (&["h==none"], "there is no such file"),
            (&["l->l", "l/f=1"], "symbolic links"),
            (&[".wh.f=1"], "it would delete a file"),
            (&["d/.wh..wh..opq="], "it would delete a file"),
        ] {
            world.archive("a.tar", members);
            let copy = Copy { sources: &["a.tar"], destination: "/x/", ..Copy::default() };
            let error = world.add(&copy).unwrap_err().to_string();
            assert!(error.contains(why), "{members:?}: {error}");
        }
    });
}

#[test]
fn an_archive_that_is_damaged_names_itself() {
    world("an_archive_that_is_damaged_names_itself", |world| {
        let whole = tar(&["f=1", "g=2"]);
        fs::write(world.context("a.tar"), &whole[..1200]).unwrap();
        let copy = Copy { sources: &["a.tar"], destination: "/x/", ..Copy::default() };
        let error = world.add(&copy).unwrap_err().to_string();
        assert!(error.contains("a.tar of the build context") && error.contains("cut short"), "{error}");
    });
}

#[test]
fn a_file_in_the_place_of_a_directory_takes_its_content_away() {
    world("a_file_in_the_place_of_a_directory_takes_its_content_away", |world| {
        world.archive("a.tar", &["d/", "d/s/f=1", "e/f=1", "d=2", "e->d"]);
        assert_eq!(world.added(&["a.tar"], "/x"), ["640 11:22 x/d 2", "755 0:0 x/", "777 11:22 x/e -> d"]);
    });
}
