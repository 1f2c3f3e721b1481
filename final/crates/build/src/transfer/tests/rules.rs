//! docker's rules, one by one.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use super::{Copy, EPOCH, world};
use crate::transfer::Source;

#[test]
fn a_destination_is_a_name_or_with_a_slash_a_directory() {
    world("a_destination_is_a_name_or_with_a_slash_a_directory", |world| {
        world.files(&["f=1", "d/a=2", "d/s/b=3"]);
        world.layer(&["etc/conf=0", "opt/"]);
        for (source, destination, working_dir, paths) in [
            ("f", "/x", "", &["x"][..]),
            ("f", "/x/", "", &["x/", "x/f"]),
            ("f", "/x/y/z", "", &["x/", "x/y/", "x/y/z"]),
            ("f", "/opt", "", &["opt/", "opt/f"]),
            ("f", "/etc/conf", "", &["etc/", "etc/conf"]),
            ("f", ".", "/w", &["w/", "w/f"]),
            ("f", "", "/w", &["w/", "w/f"]),
            ("f", "n", "/w", &["w/", "w/n"]),
            ("f", "../n", "/w/v", &["w/", "w/n"]),
            ("f", "/../../n", "", &["n"]),
            ("f", "/opt/.", "", &["opt/", "opt/f"]),
            ("f", "/", "", &["f"]),
            ("d", "/x", "", &["x/", "x/a", "x/s/", "x/s/b"]),
            ("d/", "/x/", "", &["x/", "x/a", "x/s/", "x/s/b"]),
            ("d", "/opt", "", &["opt/", "opt/a", "opt/s/", "opt/s/b"]),
            (".", "/x", "", &["x/", "x/d/", "x/d/a", "x/d/s/", "x/d/s/b", "x/f"]),
            ("/d/s", "/", "", &["b"]),
            ("../../d/s", "/", "", &["b"]),
        ] {
            let mut found =
                world.paths(&Copy { sources: &[source], destination, working_dir, ..Copy::default() });
            found.sort();
            assert_eq!(found, paths, "COPY {source} {destination}");
        }
    });
}

#[test]
fn a_file_and_a_directory_do_not_replace_each_other() {
    world("a_file_and_a_directory_do_not_replace_each_other", |world| {
        world.files(&["f=1", "d/a=2", "e/a/b=3", "g/a=4"]);
        world.layer(&["file=0", "dir/a/", "other/f/"]);
        for (sources, destination, why) in [
            (&["d"][..], "/file", "cannot be copied to a file"),
            (&["f"], "/file/", "a file stands in its path"),
            (&["f"], "/file/x", "a file stands in its path"),
            (&["d"], "/dir", "cannot be replaced by a file"),
            (&["f"], "/other", "cannot be replaced by a file"),
            (&["d", "e"], "/x/", "cannot be copied to a file"),
            (&["e", "d"], "/x/", "cannot be replaced by a file"),
        ] {
            let error = world.refused(&Copy { sources, destination, ..Copy::default() });
            assert!(error.contains(why), "{sources:?} {destination}: {error}");
        }
        let later = Copy { sources: &["d", "g"], destination: "/x/", ..Copy::default() };
        assert_eq!(world.copied(&later), ["644 0:0 x/a 4", "755 0:0 x/"]);
    });
}

#[test]
fn several_sources_are_merged_in_their_order() {
    world("several_sources_are_merged_in_their_order", |world| {
        world.files(&["a/x=1", "a/s/one=1", "b/x=2", "b/s/two=2", "x=3"]);
        fs::set_permissions(world.context("b/s"), fs::Permissions::from_mode(0o700)).unwrap();
        let copy = Copy { sources: &["a", "b", "x"], destination: "/d/", ..Copy::default() };
        let expected =
            ["644 0:0 d/s/one 1", "644 0:0 d/s/two 2", "644 0:0 d/x 3", "700 0:0 d/s/", "755 0:0 d/"];
        assert_eq!(world.copied(&copy), expected);
        let copy = Copy { sources: &["x", "b", "a"], destination: "/d/", ..Copy::default() };
        assert!(world.copied(&copy).contains(&"644 0:0 d/x 1".to_owned()));
    });
}

#[test]
fn wildcards_match_as_filepath_match() {
    world("wildcards_match_as_filepath_match", |world| {
        world.files(&["a.txt=1", "b.txt=2", "c.md=3", "d/e.txt=4", "d/f/g.txt=5", "l.txt->c.md"]);
        let mut paths = |pattern: &str| {
            let mut paths = world.paths(&Copy { sources: &[pattern], destination: "/x/", ..Copy::default() });
            paths.sort();
            paths
        };
        assert_eq!(paths("*.txt"), ["x/", "x/a.txt", "x/b.txt", "x/l.txt"]);
        assert_eq!(paths("?.md"), ["x/", "x/c.md"]);
        assert_eq!(paths("[ab].txt"), ["x/", "x/a.txt", "x/b.txt"]);
        assert_eq!(paths("*/*.txt"), ["x/", "x/e.txt"]);
        assert_eq!(paths("d/*"), ["x/", "x/e.txt", "x/g.txt"]);
        assert_eq!(
            paths("*/"),
            ["x/", "x/a.txt", "x/b.txt", "x/c.md", "x/e.txt", "x/f/", "x/f/g.txt", "x/l.txt"]
        );
        // As in BuildKit, a pattern may match nothing.
        assert!(paths("*.none").is_empty());
        let error = world.refused(&Copy { sources: &["none/*.txt"], destination: "/x/", ..Copy::default() });
        assert!(error.contains("is not in the build context"), "{error}");
    });
}

#[test]
fn a_symlink_that_is_named_is_followed_and_one_that_is_found_is_copied() {
    world("a_symlink_that_is_named_is_followed_and_one_that_is_found_is_copied", |world| {
        world.files(&[
            "d/f=1",
            "d/up->../g",
            "g=2",
            "l->d/up",
            "out->/etc/passwd",
            "dir->d",
            "none->nowhere",
        ]);
        let mut copied =
            |sources: &[&str]| world.copied(&Copy { sources, destination: "/x/", ..Copy::default() });
        assert_eq!(copied(&["l"]), ["644 0:0 x/l 2", "755 0:0 x/"]);
        assert_eq!(copied(&["dir"]), ["644 0:0 x/f 1", "755 0:0 x/", "777 0:0 x/up -> ../g"]);
        for missing in ["out", "none", "l/x", "missing"] {
            let error = world.refused(&Copy { sources: &[missing], destination: "/x/", ..Copy::default() });
            assert!(error.contains("is not in the build context"), "{error}");
        }
    });
}

#[test]
fn the_destination_follows_the_symlinks_of_the_image_inside_its_root() {
    world("the_destination_follows_the_symlinks_of_the_image_inside_its_root", |world| {
        world.files(&["f=1", "d/g=2"]);
        world.layer(&[
            "usr/bin/",
            "bin->usr/bin",
            "abs->/usr",
            "up->../../../usr",
            "file->usr/bin/tool",
            "loop->loop",
        ]);
        let mut paths = |sources: &[&str], destination: &str| {
            let mut paths = world.paths(&Copy { sources, destination, ..Copy::default() });
            paths.sort();
            paths
        };
        assert_eq!(paths(&["f"], "/bin/"), ["usr/", "usr/bin/", "usr/bin/f"]);
        assert_eq!(paths(&["f"], "/bin"), ["usr/", "usr/bin/", "usr/bin/f"]);
        assert_eq!(paths(&["d"], "/abs/bin"), ["usr/", "usr/bin/", "usr/bin/g"]);
        assert_eq!(paths(&["f"], "/up/x"), ["usr/", "usr/x"]);
        assert_eq!(paths(&["f"], "/file"), ["usr/", "usr/bin/", "usr/bin/tool"]);
        let error = world.refused(&Copy { sources: &["f"], destination: "/loop/x", ..Copy::default() });
        assert!(error.contains("symbolic links"), "{error}");
    });
}

#[test]
fn parents_are_as_in_the_layers_below() {
    world("parents_are_as_in_the_layers_below", |world| {
        world.files(&["f=1"]);
        let low = world.layer(&["home/app/", "gone/", "old=1"]);
        chown(low.join("home/app"), Some(1000), Some(1001)).unwrap();
        fs::set_permissions(low.join("home/app"), fs::Permissions::from_mode(0o2750)).unwrap();
        let past = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(77);
        fs::File::open(low.join("home/app")).unwrap().set_modified(past).unwrap();
        chown(&low, Some(5), Some(6)).unwrap();
        let high = world.layer(&["home/other=1"]);
        fs::set_permissions(high.join("home"), fs::Permissions::from_mode(0o711)).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            high.join("gone"),
            rustix::fs::FileType::CharacterDevice,
            rustix::fs::Mode::empty(),
            0,
        )
        .unwrap();
        let copy = Copy { sources: &["f"], destination: "/home/app/", ..Copy::default() };
        let (directory, ..) = world.copy(&copy).unwrap();
        assert_eq!(
            super::of_directory(&directory),
            ["2750 1000:1001 home/app/", "644 0:0 home/app/f 1", "711 0:0 home/"]
        );
        assert_eq!(fs::metadata(directory.join("home/app")).unwrap().mtime(), 77);
        // The root of the layer is what a container sees as its root.
        let root = fs::metadata(&directory).unwrap();
        assert_eq!((root.uid(), root.gid()), (0, 0));
        // What a layer has deleted is created.
        let copy = Copy { sources: &["f"], destination: "/gone/", ..Copy::default() };
        assert_eq!(world.copied(&copy), ["644 0:0 gone/f 1", "755 0:0 gone/"]);
        // --link asks no layer.
        let copy = Copy { link: true, sources: &["f"], destination: "/home/app/", ..Copy::default() };
        assert_eq!(world.copied(&copy), ["644 0:0 home/app/f 1", "755 0:0 home/", "755 0:0 home/app/"]);
    });
}

#[test]
fn an_opaque_directory_hides_what_is_below_it() {
    world("an_opaque_directory_hides_what_is_below_it", |world| {
        world.files(&["f=1"]);
        world.layer(&["d/file=1"]);
        let high = world.layer(&["d/x=1"]);
        let opened = fs::File::open(high.join("d")).unwrap();
        let mark = if hull_sys::id_map::in_user_namespace() {
            c"user.overlay.opaque"
        } else {
            c"trusted.overlay.opaque"
        };
        hull_sys::fs::set_xattr(&opened, mark, b"y").unwrap();
        let copy = Copy { sources: &["f"], destination: "/d/file/", ..Copy::default() };
        assert_eq!(world.paths(&copy).len(), 3);
        let (directory, ..) = world.copy(&copy).unwrap();
        assert!(hull_sys::fs::xattrs(fs::File::open(directory.join("d")).unwrap()).unwrap().is_empty());
    });
}

#[test]
fn owners_are_numbers_or_names_of_the_image() {
    world("owners_are_numbers_or_names_of_the_image", |world| {
        world.files(&["f=1", "d/g=2"]);
        let passwd = "etc/passwd=root:x:0:0::/:\napp:x:1000:1001::/:\nbad:x:y:z::/:\n";
        world.layer(&[passwd, "etc/group=root:x:0:\nweb:x:33:\n", "srv/"]);
        for (chown, owner) in [
            ("7", "7:7"),
            ("7:8", "7:8"),
            ("app", "1000:1001"),
            ("app:web", "1000:33"),
            ("7:web", "7:33"),
            (":web", "0:33"),
            ("app:", "1000:1001"),
            ("app:9", "1000:9"),
        ] {
            let copy = Copy { sources: &["f"], destination: "/n/x", chown: Some(chown), ..Copy::default() };
            assert_eq!(
                world.copied(&copy),
                [format!("644 {owner} n/x 1"), format!("755 {owner} n/")],
                "{chown}"
            );
        }
        for (chown, why) in [
            ("nobody", "no \"nobody\" in the image's /etc/passwd"),
            ("app:nobody", "no \"nobody\" in the image's /etc/group"),
            ("bad", "damaged line"),
            ("4294967295", "not the number"),
            ("99999999999", "not the number"),
        ] {
            let error = world.refused(&Copy {
                sources: &["f"],
                destination: "/x",
                chown: Some(chown),
                ..Copy::default()
            });
            assert!(error.contains(why), "{chown}: {error}");
        }
        let copy =
            Copy { sources: &["f"], destination: "/x", chown: Some("app"), link: true, ..Copy::default() };
        assert!(world.refused(&copy).contains("use a number"));
        // Directories that exist keep their owner.
        let copy = Copy { sources: &["d"], destination: "/srv/", chown: Some("7"), ..Copy::default() };
        assert_eq!(world.copied(&copy), ["644 7:7 srv/g 2", "755 0:0 srv/"]);
    });
}

#[test]
fn modes_are_those_of_the_source_or_of_chmod() {
    world("modes_are_those_of_the_source_or_of_chmod", |world| {
        world.files(&["d/run=1", "d/s/x=2", "d/l->run"]);
        for (path, mode) in [("d/run", 0o4755), ("d/s", 0o1777), ("d/s/x", 0o600)] {
            fs::set_permissions(world.context(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        let mut copied = |chown, chmod| {
            world.copied(&Copy { sources: &["d"], destination: "/x", chown, chmod, ..Copy::default() })
        };
        let plain = copied(None, None);
        assert_eq!(
            plain,
            ["1777 0:0 x/s/", "4755 0:0 x/run 1", "600 0:0 x/s/x 2", "755 0:0 x/", "777 0:0 x/l -> run"]
        );
        // chown(2) clears the set-user-ID bit, and docker sets it again.
        assert!(copied(Some("7"), None).contains(&"4755 7:7 x/run 1".to_owned()));
        assert_eq!(
            copied(None, Some("640")),
            ["640 0:0 x/run 1", "640 0:0 x/s/", "640 0:0 x/s/x 2", "755 0:0 x/", "777 0:0 x/l -> run"]
        );
        let symbolic = copied(None, Some("u=rwX,go=rX"));
        assert!(symbolic.contains(&"755 0:0 x/run 1".to_owned()), "{symbolic:?}");
        assert!(symbolic.contains(&"644 0:0 x/s/x 2".to_owned()), "{symbolic:?}");
    });
}

#[test]
fn owners_of_images_are_kept_and_those_of_this_machine_are_not() {
    world("owners_of_images_are_kept_and_those_of_this_machine_are_not", |world| {
        world.files(&["d/f=1"]);
        chown(world.context("d/f"), Some(55), Some(66)).unwrap();
        let copy = Copy { sources: &["d"], destination: "/x", ..Copy::default() };
        assert_eq!(world.copied(&copy), ["644 0:0 x/f 1", "755 0:0 x/"]);
        let mut tree = world.tree();
        tree.has_local_owners = false;
        let (directory, ..) = world.copy_from(&tree, &copy).unwrap();
        assert_eq!(super::of_directory(&directory), ["644 55:66 x/f 1", "755 0:0 x/"]);
    });
}

#[test]
fn attributes_are_copied_from_stages_and_not_from_contexts() {
    world("attributes_are_copied_from_stages_and_not_from_contexts", |world| {
        world.files(&["f=1"]);
        let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let file = fs::File::open(world.context("f")).unwrap();
        hull_sys::fs::set_xattr(&file, c"security.capability", &capability).unwrap();
        hull_sys::fs::set_xattr(&file, c"user.note", b"kept").unwrap();
        hull_sys::fs::set_xattr(&file, c"user.overlay.opaque", b"y").unwrap();
        if !hull_sys::id_map::in_user_namespace() {
            hull_sys::fs::set_xattr(&file, c"trusted.overlay.opaque", b"y").unwrap();
        }
        let copy = Copy { sources: &["f"], destination: "/x", chown: Some("7"), ..Copy::default() };
        let mut tree = world.tree();
        let all = [
            (c"security.capability".to_owned(), capability.to_vec()),
            (c"user.note".to_owned(), b"kept".to_vec()),
        ];
        // Those of a stage are all kept.
        for (is_local, expected) in [(true, &all[..0]), (false, &all)] {
            tree.has_local_owners = is_local;
            let (directory, tar, _) = world.copy_from(&tree, &copy).unwrap();
            let mut found = hull_sys::fs::xattrs(fs::File::open(directory.join("x")).unwrap()).unwrap();
            found.sort();
            assert_eq!(found, expected);
            let mut member = hull_image::members::Members::new(&tar[..]).next_member().unwrap().unwrap();
            member.attributes.sort();
            assert_eq!(member.attributes, expected);
        }
    });
}

#[test]
fn hard_links_stay_within_one_source() {
    world("hard_links_stay_within_one_source", |world| {
        world.files(&["d/a=1", "e/x=2"]);
        fs::hard_link(world.context("d/a"), world.context("d/b")).unwrap();
        fs::hard_link(world.context("d/a"), world.context("e/c")).unwrap();
        let copy = Copy { sources: &["d", "e"], destination: "/x/", ..Copy::default() };
        let expected = ["644 0:0 x/a 1", "644 0:0 x/b = x/a", "644 0:0 x/c 1", "644 0:0 x/x 2", "755 0:0 x/"];
        assert_eq!(world.copied(&copy), expected);
    });
}

#[test]
fn ignored_and_excluded_files_are_not_copied() {
    world("ignored_and_excluded_files_are_not_copied", |world| {
        world.files(&["a.txt=1", "b.md=2", "d/c.txt=3", "d/d.md=4", "d/e/f.md=5", "no/x=6", "no/keep/y=7"]);
        world.files(&[".dockerignore=**/a.txt\nno\n!no/keep\n.dockerignore\n"]);
        let mut paths = |sources: &[&str], exclude: &[&str]| {
            let mut paths = world.paths(&Copy { sources, exclude, destination: "/x/", ..Copy::default() });
            paths.sort();
            paths
        };
        let all = [
            "x/",
            "x/b.md",
            "x/d/",
            "x/d/c.txt",
            "x/d/d.md",
            "x/d/e/",
            "x/d/e/f.md",
            "x/no/",
            "x/no/keep/",
            "x/no/keep/y",
        ];
        assert_eq!(paths(&["."], &[]), all);
        assert_eq!(paths(&["*.txt"], &[]), [""; 0]);
        assert_eq!(paths(&["no"], &[]), ["x/", "x/keep/", "x/keep/y"]);
        assert_eq!(paths(&["d"], &["*.md"]), ["x/", "x/c.txt", "x/e/", "x/e/f.md"]);
        assert_eq!(paths(&["d"], &["**/*.md"]), ["x/", "x/c.txt", "x/e/"]);
        assert_eq!(paths(&["d"], &["*", "!e/f.md"]), ["x/", "x/e/", "x/e/f.md"]);
        // A file that is named is copied, whatever --exclude says.
        assert_eq!(paths(&["b.md"], &["*.md"]), ["x/", "x/b.md"]);
        for source in ["a.txt", "no/x"] {
            let error = world.refused(&Copy { sources: &[source], destination: "/x/", ..Copy::default() });
            assert!(error.contains("is not in the build context"), "{error}");
        }
    });
}

#[test]
fn parents_keeps_the_directories_of_the_source() {
    world("parents_keeps_the_directories_of_the_source", |world| {
        world.files(&["x/a.txt=1", "y/a.txt=2", "y/b.txt=3", "y/z/c.md=4", "w/"]);
        fs::set_permissions(world.context("y"), fs::Permissions::from_mode(0o750)).unwrap();
        let mut paths = |sources: &[&str], exclude: &[&str]| {
            let mut paths =
                world.paths(&Copy { sources, exclude, destination: "/d/", parents: true, ..Copy::default() });
            paths.sort();
            paths
        };
        // The examples of the reference.
        assert_eq!(paths(&["./x/a.txt", "./y/a.txt"], &[]), ["d/", "d/x/", "d/x/a.txt", "d/y/", "d/y/a.txt"]);
        assert_eq!(paths(&["./x/./a.txt"], &[]), ["d/", "d/a.txt"]);
        assert_eq!(paths(&["./y/./*.txt"], &[]), ["d/", "d/a.txt", "d/b.txt"]);
        assert_eq!(paths(&["y"], &[]), ["d/", "d/y/", "d/y/a.txt", "d/y/b.txt", "d/y/z/", "d/y/z/c.md"]);
        assert_eq!(paths(&["**/*.md"], &[]), ["d/", "d/y/", "d/y/z/", "d/y/z/c.md"]);
        assert_eq!(paths(&["*/a.txt"], &["x"]), ["d/", "d/y/", "d/y/a.txt"]);
        assert_eq!(paths(&["w"], &[]), ["d/", "d/w/"]);
        let copy = Copy { sources: &["y/a.txt"], destination: "/d", parents: true, ..Copy::default() };
        assert_eq!(world.copied(&copy), ["644 0:0 d/y/a.txt 2", "750 0:0 d/y/", "755 0:0 d/"]);
        let error = world.refused(&Copy {
            sources: &["y/none"],
            destination: "/d/",
            parents: true,
            ..Copy::default()
        });
        assert!(error.contains("is not in the build context"), "{error}");
    });
}

#[test]
fn heredocs_are_files_of_root() {
    world("heredocs_are_files_of_root", |world| {
        let source = || Source::Content { name: "run.sh".into(), bytes: b"echo".to_vec() };
        let (directory, ..) =
            world.write(vec![source()], &Copy { destination: "/x/", ..Copy::default() }).unwrap();
        assert_eq!(super::of_directory(&directory), ["644 0:0 x/run.sh echo", "755 0:0 x/"]);
        let copy = Copy { destination: "/y", chown: Some("1:2"), chmod: Some("+x"), ..Copy::default() };
        let (directory, ..) = world.write(vec![source()], &copy).unwrap();
        assert_eq!(super::of_directory(&directory), ["755 1:2 y echo"]);
    });
}

#[test]
fn times_are_kept_and_not_later_than_the_epoch() {
    world("times_are_kept_and_not_later_than_the_epoch", |world| {
        world.files(&["d/old=1", "d/new=2"]);
        let at = |seconds| std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        fs::File::open(world.context("d/old")).unwrap().set_modified(at(1234)).unwrap();
        let (directory, tar, _) =
            world.copy(&Copy { sources: &["d"], destination: "/x", ..Copy::default() }).unwrap();
        let time = |path: &str| fs::metadata(directory.join(path)).unwrap().mtime();
        assert_eq!((time("x/old"), time("x/new"), time("x")), (1234, EPOCH, EPOCH));
        let again = world.copy(&Copy { sources: &["d"], destination: "/x", ..Copy::default() }).unwrap().1;
        assert!(tar == again, "the same sources give the same tar");
    });
}

#[test]
fn workdir_creates_what_is_missing() {
    world("workdir_creates_what_is_missing", |world| {
        world.layer(&["srv/", "var/lib/", "l->srv", "etc/passwd=app:x:5:6::/:"]);
        let mut made = |path: &str, owner: Option<&str>| {
            let (below, directory) = (world.below.clone(), world.directory());
            let mut tar = Vec::new();
            let written =
                crate::transfer::make_directory(path, &below, owner, Some(EPOCH), &directory, &mut tar);
            let lines = super::of_directory(&directory);
            assert_eq!((lines.len() as u64, &lines), (written.unwrap().entries, &super::of_tar(&tar)));
            (lines, tar)
        };
        assert_eq!(made("/srv/a/b", None).0, ["755 0:0 srv/", "755 0:0 srv/a/", "755 0:0 srv/a/b/"]);
        assert_eq!(made("/l/a", Some("app")).0, ["755 0:0 srv/", "755 5:6 srv/a/"]);
        assert_eq!(made("/n", Some("later")).0, ["755 0:0 n/"]);
        // docker's empty layer: two blocks of zeros.
        assert_eq!(made("/srv", None), (vec![], vec![0; 1024]));
        assert_eq!(made("/var/lib", None), (vec![], vec![0; 1024]));
    });
}

#[test]
fn holes_take_no_space() {
    world("holes_take_no_space", |world| {
        let file = fs::File::create(world.context("sparse")).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"end", 4 << 20).unwrap();
        let (directory, tar, written) =
            world.copy(&Copy { sources: &["sparse"], destination: "/", ..Copy::default() }).unwrap();
        let meta = fs::metadata(directory.join("sparse")).unwrap();
        assert_eq!((meta.len(), written.bytes), ((4 << 20) + 3, (4 << 20) + 3));
        assert!(meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
        assert!(tar.len() > 4 << 20);
    });
}
