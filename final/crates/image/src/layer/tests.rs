use std::ffi::OsStr;
use std::fs;
use std::io::{BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use proptest::prelude::*;
use tar::EntryType;

use super::apply::{Applied, apply};
use super::{Packed, Source, unpack};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::testing::{Arena, Store, Tar, fix_checksums, gzip, is_root, snapshot};

fn applied(arena: &Arena, tar: Tar) -> Result<Applied> {
    apply(tar.end().as_slice(), &arena.layer())
}

/// What it is, the tar, and a word of the reason that it is refused for.
type Hostile<'a> = (&'a str, Tar, &'a str);

fn assert_refused(hostile: &[Hostile<'_>], target: &Arena) {
    for (name, tar, why) in hostile {
        let arena = Arena::new();
        let error = applied(&arena, tar.clone()).expect_err(name).to_string();
        assert!(error.contains(why), "{name}: {error}");
        arena.assert_untouched(name);
        target.assert_untouched(name);
    }
}

#[test]
fn members_that_lead_out_of_the_layer_are_refused() {
    let target = Arena::new();
    let out = target.outside();
    let out = out.to_str().unwrap();
    let tar = Tar::default;
    let linked = || tar().symlink("a", out);
    let hostile = [
        ("dot dot", tar().file("../outside/x", "x"), ".."),
        ("dot dot inside", tar().file("a/../../outside/x", "x"), ".."),
        ("a file through a symlink", linked().file("a/x", "x"), "symlink"),
        ("through two", tar().symlink("a", "b").symlink("b", out).file("a/x", "x"), "symlink"),
        ("through a symlink upwards", tar().symlink("a", "..").file("a/outside/x", "x"), "symlink"),
        ("a FIFO", linked().add(EntryType::Fifo, b"a/x", b"", b""), "symlink"),
        ("a directory", linked().dir("a/sub/new"), "symlink"),
        ("a symlink", linked().symlink("a/x", "y"), "symlink"),
        ("an opaque mark", linked().file("a/.wh..wh..opq", ""), "symlink"),
        (
            "a directory that becomes a symlink",
            tar().dir("a").file("a/x", "").symlink("a", out).file("a/secret", "x"),
            "symlink",
        ),
        ("a hard link by ..", tar().link("a", "../outside/secret"), ".."),
        ("a hard link by a symlink", linked().link("b", "a/secret"), "no directory"),
        (
            "a hard link by an absolute path",
            tar().link("a", &format!("{out}/s")[..90.min(out.len())]),
            "no such file",
        ),
        ("a root that is a symlink", tar().symlink("./", out), "root of a layer"),
    ];
    assert_refused(&hostile, &target);
}

#[test]
fn members_that_make_no_sense_are_refused() {
    let tar = Tar::default;
    let hostile = [
        ("through a file", tar().file("a", "").file("a/x", ""), "file stands"),
        ("a link to a directory", tar().dir("a").link("b", "a"), "one name only"),
        ("a whiteout of ..", tar().file(".wh...", ""), "hides nothing"),
        ("a whiteout of .", tar().file("a/.wh..", ""), "hides nothing"),
        ("a whiteout of nothing", tar().file(".wh.", ""), "hides nothing"),
        ("a file in a whiteout", tar().file(".wh.a/x", ""), "whiteout"),
        ("a root that is a file", tar().file("", "x"), "root of a layer"),
        ("an unknown type", tar().add(EntryType::new(b'Z'), b"x", b"", b""), "unknown type"),
        ("a zero byte", tar().pax(&[("path", b"a\0b")]).file("x", ""), "zero byte"),
        ("a link to a zero byte", tar().pax(&[("linkpath", b"a\0b")]).symlink("x", "y"), "zero byte"),
        ("no user", tar().pax(&[("uid", b"4294967295")]).file("a", ""), "not a user"),
        ("a negative size", tar().pax(&[("size", b"-1")]).file("a", ""), "no number"),
        ("an absurd size", tar().pax(&[("size", b"9223372036854775807")]).file("a", ""), "larger"),
        ("a size that is not there", tar().pax(&[("size", b"99999999")]).file("a", ""), "cut short"),
    ];
    assert_refused(&hostile, &Arena::new());
}

#[test]
fn an_absolute_name_is_inside_the_layer() {
    let arena = Arena::new();
    applied(&arena, Tar::default().file("/abs/file", "x")).unwrap();
    assert_eq!(fs::read_to_string(arena.layer().join("abs/file")).unwrap(), "x");
}

#[test]
fn a_name_from_an_archive_does_not_reach_the_terminal_as_it_is() {
    let arena = Arena::new();
    let error = applied(&arena, Tar::default().file("../\x1b[2J", "")).unwrap_err().to_string();
    assert!(!error.contains('\x1b') && error.contains("\\u{1b}"), "{error}");
}

#[test]
fn the_last_of_several_members_of_one_name_counts() {
    let arena = Arena::new();
    let tar = Tar::default()
        .file("file", "one")
        .file("file", "two")
        .dir("dir")
        .file("dir/kept", "x")
        .dir("dir")
        .dir("gone")
        .file("gone/x", "x")
        .file("gone", "a file")
        .file("self", "x")
        .link("self", "self")
        .file("was", "x")
        .symlink("was", "elsewhere");
    applied(&arena, tar).unwrap();
    let read = |path: &str| fs::read_to_string(arena.layer().join(path)).unwrap();
    assert_eq!(
        (read("file"), read("dir/kept"), read("gone"), read("self")),
        ("two".into(), "x".into(), "a file".into(), "x".into())
    );
    assert_eq!(fs::read_link(arena.layer().join("was")).unwrap(), Path::new("elsewhere"));
}

#[test]
fn names_times_and_links_arrive_as_they_are() {
    let arena = Arena::new();
    let long = format!("{}/{}", "d".repeat(150), "f".repeat(200));
    let tar = Tar::default()
        .pax(&[("path", long.as_bytes()), ("mtime", b"1234567890.123456789")])
        .file("short", "x")
        .add(EntryType::Regular, b"caf\xe9", b"", b"")
        .add(EntryType::GNULongName, b"././@LongLink", b"", &[b'n'; 180])
        .file("n", "gnu")
        .link("twin", "n".repeat(180).get(..90).unwrap_or_default());
    // Of the long name there is no short one to link to.
    assert!(applied(&Arena::new(), tar.clone()).is_err());
    let tar = Tar(tar.0[..tar.0.len() - 512].to_vec()).symlink("s", "caf").add(
        EntryType::Link,
        b"twin",
        b"caf\xe9",
        b"",
    );
    applied(&arena, tar.dir("last").with(0, |header| header.set_mode(0o1777))).unwrap();
    let meta = |path: &OsStr| fs::symlink_metadata(arena.layer().join(path)).unwrap();
    let file = meta(OsStr::new(&long));
    assert_eq!((file.mtime(), file.mtime_nsec()), (1_234_567_890, 123_456_789));
    assert_eq!(meta(OsStr::from_bytes(b"caf\xe9")).ino(), meta(OsStr::new("twin")).ino());
    assert_eq!(meta(OsStr::new(&"n".repeat(180))).size(), 3);
    assert_eq!((meta(OsStr::new("last")).mode(), meta(OsStr::new("last")).mtime()), (0o41777, 1_000_000_000));
}

#[test]
fn owners_capabilities_and_devices_are_kept_and_marks_of_overlay_are_not() {
    if !is_root("owners_capabilities_and_devices_are_kept_and_marks_of_overlay_are_not") {
        return;
    }
    let arena = Arena::new();
    // CAP_DAC_OVERRIDE and CAP_FOWNER: a newline in the middle of a PAX record.
    let capability = [1, 0, 0, 2, b'\n', 0, 0, 0, b'\n', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let tar = Tar::default()
        .pax(&[
            ("SCHILY.xattr.security.capability", &capability),
            ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            ("SCHILY.xattr.user.overlay.opaque", b"y"),
            ("uid", b"1234"),
        ])
        .file("bin", "x")
        .with(1, |header| header.set_mode(0o4755))
        .add(EntryType::Char, b"dev/null", b"", b"")
        .add(EntryType::Fifo, b"fifo", b"", b"");
    applied(&arena, tar).unwrap();
    let meta = |path: &str| fs::symlink_metadata(arena.layer().join(path)).unwrap();
    assert_eq!((meta("bin").uid(), meta("bin").mode() & 0o7777), (1234, 0o4755));
    let attributes = hull_sys::fs::xattrs_at(&arena.layer().join("bin")).unwrap();
    let kept: Vec<_> = attributes.iter().filter(|(name, _)| name.as_c_str() != c"security.selinux").collect();
    assert_eq!(kept, [&(c"security.capability".into(), capability.to_vec())]);
    assert_eq!(meta("dev/null").rdev(), rustix::fs::makedev(1, 3));
    assert!(meta("fifo").file_type().is_fifo());
}

#[test]
fn a_whiteout_in_what_is_no_directory_any_more_hides_nothing() {
    let arena = Arena::new();
    let out = arena.outside();
    let tar = Tar::default().file("etc", "x").symlink("a", out.to_str().unwrap());
    applied(&arena, tar.file("etc/.wh.f", "").file("etc/sub/.wh.g", "").file("a/.wh.secret", "")).unwrap();
    assert_eq!(fs::read_to_string(arena.layer().join("etc")).unwrap(), "x");
    arena.assert_untouched("a whiteout");
}

fn opaque(path: &Path) -> bool {
    hull_sys::fs::xattrs_at(path)
        .unwrap()
        .iter()
        .any(|(name, _)| name.as_c_str() == c"trusted.overlay.opaque")
}

#[test]
fn a_whiteout_is_about_the_layers_below_wherever_it_stands() {
    if !is_root("a_whiteout_is_about_the_layers_below_wherever_it_stands") {
        return;
    }
    for tar in [
        Tar::default()
            .file("a/.wh.x", "")
            .dir("a/x")
            .file("a/x/f", "")
            .file(".wh.file", "")
            .file("file", "x"),
        Tar::default()
            .dir("a/x")
            .file("a/x/f", "")
            .file("a/.wh.x", "")
            .file("file", "x")
            .file(".wh.file", ""),
    ] {
        let arena = Arena::new();
        let tar = tar.file("b/.wh..wh..opq", "").file(".wh.gone", "").file(".wh..wh.plnk", "");
        applied(&arena, tar).unwrap();
        let layer = arena.layer();
        assert!(opaque(&layer.join("a/x")) && opaque(&layer.join("b")) && !opaque(&layer.join("a")));
        assert!(layer.join("a/x/f").exists());
        assert_eq!(fs::read_to_string(layer.join("file")).unwrap(), "x");
        let gone = fs::symlink_metadata(layer.join("gone")).unwrap();
        assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
        assert!(snapshot(&layer).keys().all(|path| !path.to_string_lossy().contains(".wh.")));
    }
}

#[test]
fn holes_stay_holes_in_every_format() {
    let source = tempfile::tempdir().unwrap();
    let holey = source.path().join("holey");
    let file = fs::File::create(&holey).unwrap();
    // More than eight pieces, and more than eight GiB.
    for at in 0..12 {
        std::os::unix::fs::FileExt::write_all_at(&file, b"data", at * (1 << 30)).unwrap();
    }
    let mut gnu = tar::Builder::new(Vec::new());
    gnu.append_path_with_name(&holey, "gnu").unwrap();
    let map = b"2\n0\n3\n1048576\n3\n";
    let mut data = map.to_vec();
    data.resize(512, 0);
    data.extend_from_slice(b"onetwo");
    let version: [(&str, &[u8]); 4] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"pax1"),
        ("GNU.sparse.realsize", b"2097152"),
    ];
    let data = String::from_utf8(data).unwrap();
    let tar = Tar(gnu.get_ref().clone())
        .pax(&version)
        .file("GNUSparseFile.0/x", &data)
        .pax(&[("GNU.sparse.size", b"2097152"), ("GNU.sparse.map", b"0,3,1048576,3")])
        .file("pax01", "onetwo");
    let arena = Arena::new();
    applied(&arena, tar).unwrap();
    let meta = |name: &str| fs::metadata(arena.layer().join(name)).unwrap();
    assert_eq!(meta("gnu").size(), (11 << 30) + 4);
    assert!(meta("gnu").blocks() * 512 < 1 << 20);
    for name in ["pax1", "pax01"] {
        let content = fs::read(arena.layer().join(name)).unwrap();
        assert_eq!(
            (content.len(), &content[..4], &content[1 << 20..][..4]),
            (2 << 20, &b"one\0"[..], &b"two\0"[..])
        );
        assert!(meta(name).blocks() * 512 < 1 << 20);
    }
}

#[test]
fn sparse_maps_that_lie_are_refused() {
    for map in ["0,3", "0,3,1,3", "0,3,100,7", "0", "x,y", "18446744073709551615,6", "0,6,5,0", "0,3,1000,3"]
    {
        let records = [("GNU.sparse.size", &b"100"[..]), ("GNU.sparse.map", map.as_bytes())];
        let arena = Arena::new();
        let error = applied(&arena, Tar::default().pax(&records).file("x", "onetwo")).expect_err(map);
        assert!(matches!(error, Error::Damaged(_)), "{map}: {error}");
    }
    let records = [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.realsize", b"100")];
    for data in ["", "99999999999\n", "no number", "2\n0\n3\n"] {
        let arena = Arena::new();
        assert!(applied(&arena, Tar::default().pax(&records).file("x", data)).is_err(), "{data:?}");
    }
}

#[test]
fn an_endless_name_is_refused_before_it_fills_the_memory() {
    let arena = Arena::new();
    let tar = Tar::default()
        .add(EntryType::GNULongName, b"././@LongLink", b"", b"")
        .with(0, |header| header.set_size(1 << 40));
    let error =
        apply(tar.0.as_slice().chain(BufReader::new(std::io::repeat(b'n'))), &arena.layer()).unwrap_err();
    assert!(error.to_string().contains("1 MiB"), "{error}");
    let many = (0..20).fold(Tar::default(), |tar, _| tar.pax(&[("comment", b"x")]));
    assert!(applied(&arena, many.file("x", "")).is_err());
}

fn packed(store: &Store, name: &str, tar: &Tar) -> Packed<'static> {
    let bytes = tar.clone().end();
    let blob = store.path().join(name);
    fs::write(&blob, gzip(&bytes)).unwrap();
    let source = Source::Blob(Box::leak(blob.into_boxed_path()));
    Packed { source, diff_id: Digest::of(&bytes), note_missing_end: false }
}

#[test]
fn a_directory_that_is_implied_is_the_one_of_the_layers_below() {
    if !is_root("a_directory_that_is_implied_is_the_one_of_the_layers_below") {
        return;
    }
    let store = Store::new();
    let special = |tar: Tar| {
        tar.with(0, |header| {
            header.set_mode(0o1770);
            header.set_uid(42);
        })
    };
    let below =
        special(special(special(special(Tar::default().dir("./")).dir("a")).dir("a/b")).dir("hidden"));
    let below = special(special(below.dir("opaque/sub")).dir("anew"));
    let middle = Tar::default().file("a/b/middle", "").file(".wh.hidden", "").file("opaque/.wh..wh..opq", "");
    let above = Tar::default().file("a/b/c/above", "").file("hidden/x", "");
    let above = above.file("opaque/sub/x", "").file("anew/x", "").file(".wh.anew", "");
    let layers: Vec<Packed<'_>> = [below, middle, above]
        .iter()
        .enumerate()
        .map(|(at, tar)| packed(&store, &at.to_string(), tar))
        .collect();
    let layer_store = store.images.layers();
    // The lowest first, so that one is there and two are not.
    unpack(&layer_store, &[layers[..1].to_vec()]).unwrap();
    unpack(&layer_store, &[layers.clone(), layers[..2].to_vec()]).unwrap();
    let one = Digest::chain(None, &layers[0].diff_id);
    let two = Digest::chain(Some(&one), &layers[1].diff_id);
    let three = Digest::chain(Some(&two), &layers[2].diff_id);
    let meta = |id: &Digest, path: &str| fs::metadata(layer_store.path(id.hex()).join(path)).unwrap();
    for (id, path, mode, uid) in [
        (&two, "", 0o41770, 42),
        (&three, "", 0o41770, 42),
        (&two, "a", 0o41770, 42),
        (&two, "a/b", 0o41770, 42),
        (&three, "a/b", 0o41770, 42),
        (&three, "a/b/c", 0o40755, 0),
        (&three, "hidden", 0o40755, 0),
        (&three, "opaque/sub", 0o40755, 0),
        (&three, "anew", 0o40755, 0),
    ] {
        assert_eq!((meta(id, path).mode(), meta(id, path).uid()), (mode, uid), "{path}");
    }
}

#[test]
fn a_layer_with_another_diff_id_is_not_kept_nor_are_those_beside_it() {
    let store = Store::new();
    let good = packed(&store, "good", &Tar::default().file("x", "1"));
    let mut bad = packed(&store, "bad", &Tar::default().file("x", "2"));
    bad.diff_id = Digest::of(b"another");
    let error = unpack(&store.images.layers(), &[vec![good], vec![bad]]).unwrap_err();
    assert!(error.to_string().contains("diff ID"), "{error}");
    assert_eq!(store.left(), [""; 0]);
}

fn small() -> Tar {
    Tar::default()
        .dir("dir")
        .pax(&[("mtime", b"1.5"), ("SCHILY.xattr.user.note", b"x\ny")])
        .file("dir/file", "some content")
        .symlink("dir/link", "../outside")
        .link("twin", "dir/file")
        .add(EntryType::GNULongName, b"././@LongLink", b"", &[b'n'; 120])
        .file("n", "long")
        .add(EntryType::Fifo, b"fifo", b"", b"")
        .file("dir/.wh.gone", "")
        .pax(&[("GNU.sparse.size", b"100"), ("GNU.sparse.map", b"0,3,50,3")])
        .file("sparse", "onetwo")
}

#[test]
fn a_tar_cut_at_any_block_is_an_error_or_ends_there() {
    let whole = small().end();
    for blocks in 0..whole.len() / 512 {
        for cut in [blocks * 512, blocks * 512 + 100] {
            let arena = Arena::new();
            let outcome = apply(&whole[..cut], &arena.layer());
            let marked = outcome.as_ref().is_ok_and(|applied| applied.has_end_marker);
            assert!(!marked || cut > whole.len() - 1024, "{cut}: {outcome:?}");
            assert!(
                cut % 512 == 0 || marked || matches!(outcome, Err(Error::Damaged(_))),
                "{cut}: {outcome:?}"
            );
            arena.assert_untouched(&cut.to_string());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_archive_never_writes_outside(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![
            any::<u8>(), Just(b'/'), Just(b'.'), Just(b'0'), Just(b'1'), Just(b'2'), Just(b'5'), Just(0x80), Just(0)
        ]), 1..8),
        fixed in any::<bool>(),
    ) {
        let mut bytes = small().end();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if fixed {
            fix_checksums(&mut bytes);
        }
        let arena = Arena::new();
        let _ = apply(bytes.as_slice(), &arena.layer());
        arena.assert_untouched("a changed archive");
    }
}
