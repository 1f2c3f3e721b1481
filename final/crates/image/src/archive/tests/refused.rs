//! What must not get in, and that nothing of it stays.

use proptest::prelude::*;

use super::*;
use crate::testing::{fix_checksums, snapshot};

/// What it is, the archive, and a word of the reason that it is refused for.
type Hostile<'a> = (&'a str, Vec<u8>, &'a str);

fn assert_refused(hostile: &[Hostile<'_>]) {
    for (name, archive, why) in hostile {
        let store = Store::new();
        let error = loaded(&store, archive).expect_err(name).to_string();
        assert!(error.contains(why), "{name}: {error}");
        assert_eq!(store.left(), [""; 0], "{name}");
        assert!(store.images.list().unwrap().is_empty(), "{name}");
    }
}

#[test]
fn archives_with_hostile_members_leave_nothing() {
    let tar = Tar::default;
    let holes = tar().pax(&[("GNU.sparse.size", b"9999"), ("GNU.sparse.map", b"0,3,50,3")]);
    let text = b"some text that is longer than nothing".repeat(99);
    assert_refused(&[
        ("nothing", vec![], "neither"),
        ("no image", tar().file("x", "").end(), "neither"),
        ("no tar", text, "not a tar"),
        ("a member that leads out", tar().file("../x", "").end(), ".."),
        ("a symlink out", tar().symlink("a/manifest.json", "../../x").end(), "symlink out"),
        ("an absolute symlink", tar().symlink("manifest.json", "/etc/passwd").end(), "symlink out"),
        ("a circle", tar().symlink("manifest.json", "b").symlink("b", "manifest.json").end(), "neither"),
        ("a hard link out", tar().link("manifest.json", "../x").end(), ".."),
        ("two files of one name", tar().file("x", "1").file("./x", "2").end(), "two files"),
        ("a device", tar().add(EntryType::Char, b"x", b"", b"").end(), "files and links only"),
        ("a file with holes", holes.file("manifest.json", "onetwo").end(), "files and links only"),
        ("a manifest that is no JSON", tar().file("manifest.json", "{").end(), "damaged"),
        ("a manifest of 5 MiB", tar().file("manifest.json", &" ".repeat(5 << 20)).end(), "allowed"),
    ]);
}

#[test]
fn docker_archives_that_are_not_what_they_say_leave_nothing() {
    let pieces = Pieces::new("amd64");
    let name = format!("{}.json", Digest::of(&pieces.config).hex());
    let other = [pieces.config.as_slice(), b"\n"].concat();
    let docker = |manifest: Value| old_docker(&pieces, &manifest).end();
    let entry = |config: &str, tags: &[&str], layers: &[&str]| {
        docker(json!([{"Config": config, "RepoTags": tags, "Layers": layers}]))
    };
    let list = json!([{"Config": name, "Layers": []}]).to_string();
    let renamed = Tar::default().add(EntryType::Regular, name.as_bytes(), b"", &other);
    let no_json = Tar::default().file("c", "{").file("manifest.json", r#"[{"Config":"c"}]"#);
    let layer = "one/layer.tar";
    assert_refused(&[
        ("an empty list", docker(json!([])), "no image"),
        ("a config under another name", renamed.file("manifest.json", &list).end(), " is sha256:"),
        ("a config that is no JSON", no_json.end(), "c is damaged"),
        ("a config that leads out", entry("../../etc/passwd", &[], &[]), ".."),
        ("layers without a diff ID", entry(&name, &[], &[layer, layer]), "diff IDs"),
        ("a layer that is not there", entry(&name, &[], &["three/layer.tar"]), "has no three"),
        ("a name nobody can have", entry(&name, &["../X"], &[layer]), "image name"),
    ]);
}

#[test]
fn layouts_that_are_not_what_they_say_leave_nothing() {
    let pieces = Pieces::new("amd64");
    let (manifest, config, blob) = (pieces.oci(), &pieces.config, &pieces.blob);
    let entry = || descriptor(MANIFEST, &manifest);
    let whole = |entry: Value| layout(&index(vec![entry]), &[&manifest, config, blob]);
    let other = |manifest: &[u8], config: &[u8]| {
        layout(&index(vec![descriptor(MANIFEST, manifest)]), &[manifest, config, blob])
    };
    let chart = pieces.manifest(MANIFEST, "a/helm", LAYER);
    let encrypted = pieces.manifest(MANIFEST, CONFIG, "x+encrypted");
    let forged = String::from_utf8(config.clone()).unwrap();
    let forged = forged.replace(Digest::of(&pieces.layer).hex(), Digest::of(b"x").hex()).into_bytes();
    let forged = Pieces { config: forged, ..Pieces::new("amd64") };
    let forged_manifest = forged.oci();
    // The good one comes first, whatever its name sorts before.
    let good = |name: &str| named(entry(), "org.opencontainers.image.ref.name", name);
    let bad = named(descriptor(MANIFEST, &forged_manifest), "org.opencontainers.image.ref.name", "z/z");
    let both = index(vec![good("a/a"), bad]);
    let both = layout(&both, &[&manifest, config, &forged_manifest, &forged.config, blob]);
    assert_refused(&[
        ("a size that differs", whole(with(entry(), "size", json!(1))), "blob"),
        ("an absurd size", whole(with(entry(), "size", json!(u64::MAX))), "blob"),
        ("a digest that leads out", whole(with(entry(), "digest", json!("sha256:../../x"))), "digest"),
        ("a blob that is missing", layout(&index(vec![entry()]), &[&manifest, config]), "has no blobs/"),
        ("a chart", other(&chart, config), "configuration is"),
        ("an encrypted layer", other(&encrypted, config), "layers is"),
        ("another diff ID", other(&forged_manifest, &forged.config), "diff ID"),
        ("a good image and a bad one", both, "diff ID"),
        ("a truncated archive", whole(entry())[..1500].to_vec(), "cut short"),
        ("a truncated gzip", gzip(&whole(entry()))[..300].to_vec(), "damaged"),
    ]);
}

#[test]
fn a_layer_that_is_here_does_not_vouch_for_another_blob() {
    let pieces = Pieces::new("amd64");
    let store = Store::new();
    let manifest = pieces.oci();
    let entry = descriptor(MANIFEST, &manifest);
    loaded(&store, &layout(&index(vec![entry]), &[&manifest, &pieces.config, &pieces.blob])).unwrap();
    let forged = Pieces { blob: gzip(&Tar::default().file("forged", "").end()), ..pieces };
    let manifest = forged.oci();
    let entry = descriptor(MANIFEST, &manifest);
    let archive = layout(&index(vec![entry]), &[&manifest, &forged.config, &forged.blob]);
    assert!(loaded(&store, &archive).unwrap_err().to_string().contains("diff ID"));
}

#[test]
fn a_tar_that_is_cut_short_is_not_imported() {
    let tar = Tar::default().file("a", &"x".repeat(3000)).file("b", "").end();
    let cut = [tar[..2000].to_vec(), vec![]];
    let packed = [gzip(&tar), zstd(&tar)].map(|bytes| bytes[..bytes.len() - 5].to_vec());
    for bytes in cut.iter().chain(&packed) {
        let store = Store::new();
        let error = import(&store.images, bytes.as_slice(), None, ImportOptions::default()).unwrap_err();
        assert!(matches!(error, Error::Damaged(_)), "{error}");
        assert_eq!(store.left(), [""; 0]);
    }
}

#[test]
fn a_tar_without_its_end_marker_is_imported_as_tar_and_docker_do() {
    let tar = Tar::default().file("a", &"x".repeat(3000)).file("b", "").end();
    // All of it; and cut where a member ends, which nobody could tell from that; and without the padding after its data.
    for bytes in [&tar[..tar.len() - 1024], &tar[..tar.len() - 1536], &tar[..512 + 3000]] {
        let store = Store::new();
        import(&store.images, bytes, None, ImportOptions::default()).unwrap();
    }
}

#[test]
fn a_full_disk_is_an_error_of_its_kind_and_leaves_nothing() {
    let name = "a_full_disk_is_an_error_of_its_kind_and_leaves_nothing";
    if !is_root(name) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mounted = directory.path().to_owned();
    let run = || -> Option<()> {
        use nix::mount::{MsFlags, mount};
        // A thread's own: the mount ends with it.
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).ok()?;
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_PRIVATE | MsFlags::MS_REC, None::<&str>).ok()?;
        mount(Some("tmpfs"), &mounted, Some("tmpfs"), MsFlags::empty(), Some("size=1m")).ok()?;
        let store = Store::at(tempfile::tempdir_in(&mounted).unwrap());
        // Compressed the image fits, and unpacked it does not.
        for size in [3 << 20, 700 << 10] {
            let tar = Tar::default().file("a", &"x".repeat(size)).end();
            let error =
                import(&store.images, gzip(&tar).as_slice(), None, ImportOptions::default()).unwrap_err();
            assert_eq!(error.kind(), hull_sys::Kind::Exhausted, "{error}");
            assert_eq!(store.left(), [""; 0]);
        }
        Some(())
    };
    let done = std::thread::scope(|scope| scope.spawn(run).join());
    match done {
        Ok(Some(())) => {}
        Ok(None) => skip(name, "no mount namespace"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// An archive with everything in it: names by docker and by OCI, a link, PAX records.
fn varied() -> Vec<u8> {
    let pieces = Pieces::new("amd64");
    let name = format!("{}.json", Digest::of(&pieces.config).hex());
    let manifest = json!([{"Config": name, "RepoTags": ["x:1"], "Layers": ["two/layer.tar"]}]);
    let pax = Tar::default().pax(&[("mtime", b"1.5"), ("path", b"long/VERSION")]).file("VERSION", "1.0");
    Tar([pax.0, old_docker(&pieces, &manifest).0].concat()).end()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_archive_is_loaded_whole_or_leaves_nothing(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        fixed in any::<bool>(),
    ) {
        let mut bytes = varied();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if fixed {
            fix_checksums(&mut bytes);
        }
        let store = Store::new();
        let outside = |store: &Store| {
            let mut all = snapshot(store.path());
            all.retain(|path, _| !path.starts_with(store.path().join("data")));
            all
        };
        let before = outside(&store);
        match loaded(&store, &bytes) {
            Ok(_) => prop_assert!(store.images.list().unwrap().len() == 1),
            Err(_) => prop_assert_eq!(store.left(), [""; 0]),
        }
        prop_assert_eq!(outside(&store), before);
    }
}
