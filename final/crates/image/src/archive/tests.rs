use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use serde_json::{Value, json};
use tar::EntryType;

use super::{ImportOptions, LoadSource, Loaded, SaveFormat, import, load, save};
use crate::config::{CONFIG, DOCKER_CONFIG, DOCKER_MANIFEST, INDEX, LAYER, MANIFEST};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::reference::Reference;
use crate::testing::{Store, Tar, gzip, is_root, skip, zstd};

const TAR: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

fn imported(store: &Store, name: &str, content: &str) -> Digest {
    let tar = Tar::default().dir("etc").file("etc/name", content).end();
    let options = ImportOptions { created: Some("2024-01-01T00:00:00Z".into()), ..ImportOptions::default() };
    import(&store.images, gzip(&tar).as_slice(), Some(&Reference::parse(name).unwrap()), options).unwrap()
}

fn saved(store: &Store, names: &[&str], format: SaveFormat) -> Vec<u8> {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    let mut archive = Vec::new();
    save(&store.images, &names, &mut archive, format).unwrap();
    archive
}

fn loaded(store: &Store, archive: &[u8]) -> Result<Vec<Loaded>> {
    load(&store.images, LoadSource::Stream(Box::new(Cursor::new(archive))))
}

fn names_in(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap();
    entries.map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
}

#[test]
fn what_is_saved_is_loaded_with_the_same_ids_and_names() {
    let store = Store::new();
    let (one, two) = (imported(&store, "one", "1"), imported(&store, "host:5000/a/two:2", "2"));
    store.images.tag("one", &Reference::parse("one:other").unwrap()).unwrap();
    let names = ["one", "host:5000/a/two:2", "one:other", one.short()];
    for format in [SaveFormat::DockerArchive, SaveFormat::OciArchive] {
        let archive = saved(&store, &names, format);
        assert_eq!(archive, saved(&store, &names, format), "the same images make the same archive");
        let members = names_in(&archive);
        let mut once = members.clone();
        once.sort();
        once.dedup();
        assert_eq!(members.len(), once.len());
        for packed in [archive.clone(), gzip(&archive), zstd(&archive)] {
            let other = Store::new();
            let mut loaded = loaded(&other, &packed).unwrap();
            loaded.iter_mut().for_each(|loaded| loaded.names.sort());
            loaded.sort_by_key(|loaded| std::cmp::Reverse(loaded.names.len()));
            let expected = [
                Loaded { names: vec!["one:latest".into(), "one:other".into()], id: one.clone() },
                Loaded { names: vec!["host:5000/a/two:2".into()], id: two.clone() },
            ];
            assert_eq!(loaded, expected);
            let image = other.images.resolve("one").unwrap();
            assert_eq!(fs::read_to_string(image.layer_dirs[0].join("etc/name")).unwrap(), "1");
            assert!(other.left().iter().all(|name| !name.starts_with('.')));
        }
    }
}

#[test]
fn an_image_saved_by_its_id_has_no_name() {
    let store = Store::new();
    let id = imported(&store, "one", "1");
    let other = Store::new();
    let archive = saved(&store, &[id.short()], SaveFormat::DockerArchive);
    assert_eq!(loaded(&other, &archive).unwrap(), [Loaded { names: vec![], id: id.clone() }]);
    assert_eq!(other.images.list().unwrap()[0].names, [""; 0]);
    assert!(other.images.resolve(id.short()).is_ok());
}

/// The pieces of an image, to be put together in every way there is.
struct Pieces {
    layer: Vec<u8>,
    blob: Vec<u8>,
    config: Vec<u8>,
}

impl Pieces {
    fn new(architecture: &str) -> Self {
        let layer = Tar::default().file("name", architecture).end();
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["sh"], "Env": null, "Healthcheck": {"Test": ["NONE"]}},
            "history": null,
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer)]},
        });
        Self { blob: gzip(&layer), layer, config: config.to_string().into_bytes() }
    }

    fn manifest(&self, media_type: &str, config: &str, layer: &str) -> Vec<u8> {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor(config, &self.config),
            "layers": [descriptor(layer, &self.blob)],
        });
        manifest.to_string().into_bytes()
    }

    fn oci(&self) -> Vec<u8> {
        self.manifest(MANIFEST, CONFIG, &format!("{LAYER}+gzip"))
    }
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(blob), "size": blob.len()})
}

/// An OCI layout as a tar; what is in it last comes first, as some writers have it.
fn layout(index: &Value, blobs: &[&[u8]]) -> Vec<u8> {
    let mut tar = Tar::default().file("index.json", &index.to_string());
    for blob in blobs {
        let name = format!("./blobs/sha256/{}", Digest::of(blob).hex());
        tar = tar.add(EntryType::Regular, name.as_bytes(), b"", blob);
    }
    tar.file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#).end()
}

fn index(manifests: Vec<Value>) -> Value {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
}

fn with(mut value: Value, key: &str, more: Value) -> Value {
    value[key] = more;
    value
}

fn on(platform: &str, value: Value) -> Value {
    with(value, "platform", json!({"architecture": platform, "os": "linux"}))
}

fn named(value: Value, key: &str, name: &str) -> Value {
    with(value, "annotations", json!({key: name}))
}

#[test]
fn of_an_index_in_an_index_this_machines_image_is_taken() {
    let (ours, other) = (Pieces::new(&Platform::host().architecture), Pieces::new("pdp11"));
    let (our_manifest, other_manifest) = (ours.oci(), other.manifest(DOCKER_MANIFEST, DOCKER_CONFIG, TAR));
    let attestation = with(
        on("unknown", descriptor(MANIFEST, b"attestation")),
        "annotations",
        json!({"vnd.docker.reference.type": "attestation-manifest"}),
    );
    let inner = index(vec![
        on("pdp11", descriptor(DOCKER_MANIFEST, &other_manifest)),
        attestation,
        on(&Platform::host().architecture, descriptor(MANIFEST, &our_manifest)),
    ]);
    let inner = inner.to_string().into_bytes();
    let outer =
        index(vec![named(descriptor(INDEX, &inner), "io.containerd.image.name", "docker.io/library/x:1")]);
    // What this machine does not need does not have to be there.
    let archive = layout(&outer, &[&inner, &our_manifest, &ours.config, &ours.blob]);
    let store = Store::new();
    let loaded = loaded(&store, &archive).unwrap();
    assert_eq!(loaded, [Loaded { names: vec!["x:1".into()], id: Digest::of(&ours.config) }]);
    assert_eq!(store.images.resolve("x:1").unwrap().config.platform(), Platform::host());
}

#[test]
fn an_index_without_this_machine_says_what_it_has() {
    let other = Pieces::new("pdp11");
    let manifest = other.oci();
    let inner =
        index(vec![on("pdp11", descriptor(MANIFEST, &manifest)), on("vax", descriptor(MANIFEST, &manifest))]);
    let inner = inner.to_string().into_bytes();
    let archive =
        layout(&index(vec![descriptor(INDEX, &inner)]), &[&inner, &manifest, &other.config, &other.blob]);
    let error = loaded(&Store::new(), &archive).unwrap_err().to_string();
    assert!(error.contains("linux/pdp11, linux/vax"), "{error}");
}

#[test]
fn a_directory_and_dockers_media_types_are_read_too() {
    let pieces = Pieces::new("amd64");
    let manifest = pieces.manifest(DOCKER_MANIFEST, DOCKER_CONFIG, TAR);
    let directory = tempfile::tempdir().unwrap();
    let blobs = directory.path().join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    for blob in [&manifest, &pieces.config, &pieces.blob] {
        fs::write(blobs.join(Digest::of(blob).hex()), blob).unwrap();
    }
    fs::write(directory.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let entry = descriptor(DOCKER_MANIFEST, &manifest);
    let entry = named(entry, "org.opencontainers.image.ref.name", "a/b:c");
    fs::write(directory.path().join("index.json"), index(vec![entry]).to_string()).unwrap();
    let source = || LoadSource::Path(directory.path().to_owned());
    let store = Store::new();
    let loaded = load(&store.images, source()).unwrap();
    assert_eq!(loaded, [Loaded { names: vec!["a/b:c".into()], id: Digest::of(&pieces.config) }]);
    let inspected = store.images.inspect("a/b:c").unwrap();
    assert_eq!(inspected["RepoTags"], json!(["a/b:c"]));
    assert_eq!(inspected["Config"]["Healthcheck"], json!({"Test": ["NONE"]}));
    assert_eq!((&inspected["Config"]["Labels"], &inspected["Size"]), (&Value::Null, &json!(5)));
    assert_eq!(inspected["RootFS"], json!({"Type": "layers", "Layers": [Digest::of(&pieces.layer)]}));

    // A symlink in the directory does not lead to a file of this machine.
    let blob = blobs.join(Digest::of(&pieces.blob).hex());
    fs::rename(&blob, store.path().join("blob")).unwrap();
    std::os::unix::fs::symlink(store.path().join("blob"), &blob).unwrap();
    let other = Store::new();
    load(&other.images, source()).unwrap_err();
    assert_eq!(other.left(), [""; 0]);
}

/// What docker wrote until version 24: layers that several images share are symlinks.
fn old_docker(pieces: &Pieces, manifest: &Value) -> Tar {
    Tar::default()
        .add(
            EntryType::Regular,
            format!("{}.json", Digest::of(&pieces.config).hex()).as_bytes(),
            b"",
            &pieces.config,
        )
        .dir("one/")
        .file("one/VERSION", "1.0")
        .add(EntryType::Regular, b"one/layer.tar", b"", &pieces.layer)
        .symlink("two/layer.tar", "../one/layer.tar")
        .file("manifest.json", &manifest.to_string())
        .file("repositories", "{}")
}

#[test]
fn an_archive_of_an_older_docker_is_read() {
    let pieces = Pieces::new("amd64");
    let config = format!("{}.json", Digest::of(&pieces.config).hex());
    let manifest = json!([{"Config": config, "RepoTags": ["x:1", "x:2"], "Layers": ["two/layer.tar"]}]);
    let store = Store::new();
    let loaded = loaded(&store, &old_docker(&pieces, &manifest).end()).unwrap();
    let names = vec!["x:1".into(), "x:2".into()];
    assert_eq!(loaded, [Loaded { names, id: Digest::of(&pieces.config) }]);
    let image = store.images.resolve("x:2").unwrap();
    assert_eq!(fs::read_to_string(image.layer_dirs[0].join("name")).unwrap(), "amd64");
}

#[test]
fn archives_that_are_not_what_they_say_leave_nothing() {
    let pieces = Pieces::new("amd64");
    let manifest = pieces.oci();
    let (config, blob) = (pieces.config.clone(), pieces.blob.clone());
    let entry = || descriptor(MANIFEST, &manifest);
    let whole = |entry: Value| layout(&index(vec![entry]), &[&manifest, &config, &blob]);
    let plain = |name: &str, text: &str| Tar::default().file(name, text).end();
    let docker = |manifest: Value| old_docker(&pieces, &manifest).end();
    let config_name = format!("{}.json", Digest::of(&config).hex());
    let other_config = pieces.config.iter().copied().chain([b'\n']).collect::<Vec<u8>>();
    let wrong_diff = Pieces { layer: b"x".to_vec(), ..Pieces::new("amd64") };
    let wrong_diff_config = String::from_utf8(wrong_diff.config.clone()).unwrap();
    let wrong_diff_config =
        wrong_diff_config.replace(Digest::of(&pieces.layer).hex(), Digest::of(b"x").hex());
    let wrong_diff = Pieces { config: wrong_diff_config.into_bytes(), ..wrong_diff };
    let wrong_diff_manifest = wrong_diff.oci();
    let long = " ".repeat(5 << 20);
    let cases: BTreeMap<&str, (Vec<u8>, &str)> = BTreeMap::from([
        ("nothing", (vec![], "neither")),
        ("no image", (plain("x", ""), "neither")),
        ("no tar", (b"some text that is longer than nothing".repeat(99), "not a tar")),
        ("an empty list", (docker(json!([])), "no image")),
        ("a manifest that is no JSON", (plain("manifest.json", "{"), "damaged")),
        ("a manifest of 5 MiB", (plain("manifest.json", &long), "allowed")),
        ("a size that differs", (whole(with(entry(), "size", json!(1))), "blob")),
        ("an absurd size", (whole(with(entry(), "size", json!(u64::MAX))), "blob")),
        ("a digest that leads out", (whole(with(entry(), "digest", json!("sha256:../../x"))), "digest")),
        ("a blob that is missing", (layout(&index(vec![entry()]), &[&manifest, &config]), "has no blobs/")),
        (
            "a chart",
            (
                layout(
                    &index(vec![descriptor(MANIFEST, &pieces.manifest(MANIFEST, "a/helm", LAYER))]),
                    &[&pieces.manifest(MANIFEST, "a/helm", LAYER), &config],
                ),
                "configuration is",
            ),
        ),
        (
            "an encrypted layer",
            (
                layout(
                    &index(vec![descriptor(MANIFEST, &pieces.manifest(MANIFEST, CONFIG, "x+encrypted"))]),
                    &[&pieces.manifest(MANIFEST, CONFIG, "x+encrypted"), &config],
                ),
                "layers is",
            ),
        ),
        (
            "another diff ID",
            (
                layout(
                    &index(vec![descriptor(MANIFEST, &wrong_diff_manifest)]),
                    &[&wrong_diff_manifest, &wrong_diff.config, &blob],
                ),
                "diff ID",
            ),
        ),
        (
            "a good image and a bad one",
            (
                layout(
                    &index(vec![
                        named(entry(), "org.opencontainers.image.ref.name", "good"),
                        descriptor(MANIFEST, &wrong_diff_manifest),
                    ]),
                    &[&manifest, &config, &wrong_diff_manifest, &wrong_diff.config, &blob],
                ),
                "diff ID",
            ),
        ),
        (
            "a config under another name",
            (
                Tar::default()
                    .add(EntryType::Regular, config_name.as_bytes(), b"", &other_config)
                    .file("manifest.json", &json!([{"Config": config_name, "Layers": []}]).to_string())
                    .end(),
                " is sha256:",
            ),
        ),
        (
            "a config that is no JSON",
            (
                Tar::default().file("c", "{").file("manifest.json", r#"[{"Config":"c"}]"#).end(),
                "c is damaged",
            ),
        ),
        (
            "layers without a diff ID",
            (
                docker(json!([{"Config": config_name, "Layers": ["one/layer.tar", "one/layer.tar"]}])),
                "diff IDs",
            ),
        ),
        ("a config that leads out", (docker(json!([{"Config": "../../etc/passwd", "Layers": []}])), "..")),
        (
            "a name nobody can have",
            (
                docker(json!([{"Config": config_name, "RepoTags": ["../X"], "Layers": ["one/layer.tar"]}])),
                "image name",
            ),
        ),
        ("a member that leads out", (plain("../x", ""), "..")),
        ("a symlink out", (Tar::default().symlink("a/manifest.json", "../../x").end(), "symlink out")),
        (
            "an absolute symlink",
            (Tar::default().symlink("manifest.json", "/etc/passwd").end(), "symlink out"),
        ),
        (
            "symlinks in a circle",
            (Tar::default().symlink("manifest.json", "b").symlink("b", "manifest.json").end(), "neither"),
        ),
        ("a hard link out", (Tar::default().link("manifest.json", "../x").end(), "..")),
        ("two files of one name", (Tar::default().file("x", "1").file("./x", "2").end(), "two files")),
        ("a device", (Tar::default().add(EntryType::Char, b"x", b"", b"").end(), "files and links only")),
        ("a truncated archive", (whole(entry())[..1500].to_vec(), "cut short")),
        ("a truncated gzip", (gzip(&whole(entry()))[..300].to_vec(), "damaged")),
    ]);
    for (name, (archive, why)) in cases {
        let store = Store::new();
        let error = loaded(&store, &archive).expect_err(name).to_string();
        assert!(error.contains(why), "{name}: {error}");
        assert_eq!(store.left(), [""; 0], "{name}");
        assert!(store.images.list().unwrap().is_empty(), "{name}");
    }
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
    // Where a member ends, only the missing end marker tells.
    let cut = [tar[..2000].to_vec(), tar[..tar.len() - 1024].to_vec(), tar[..tar.len() - 1536].to_vec()];
    let packed = [gzip(&tar), zstd(&tar)].map(|bytes| bytes[..bytes.len() - 5].to_vec());
    for bytes in cut.iter().chain(&packed) {
        let store = Store::new();
        let error = import(&store.images, bytes.as_slice(), None, ImportOptions::default()).unwrap_err();
        assert!(matches!(error, Error::Damaged(_)), "{error}");
        assert_eq!(store.left(), [""; 0]);
    }
}

#[test]
fn an_import_says_when_it_was_made_and_for_what() {
    let store = Store::new();
    let tar = Tar::default().file("a", "").end();
    let platform = Some(Platform::parse("linux/arm/v7").unwrap());
    let options = ImportOptions { platform, ..ImportOptions::default() };
    let id = import(&store.images, tar.as_slice(), None, options).unwrap();
    let record = &store.images.list().unwrap()[0];
    assert_eq!((record.platform.as_str(), record.names.len()), ("linux/arm/v7", 0));
    let created = humantime::parse_rfc3339(record.created.as_ref().unwrap()).unwrap();
    assert!(created.elapsed().unwrap().as_secs() < 60);
    assert_eq!(store.images.inspect(id.short()).unwrap()["Variant"], "v7");
}

#[test]
fn a_full_disk_is_an_error_with_a_hint_and_leaves_nothing() {
    let name = "a_full_disk_is_an_error_with_a_hint_and_leaves_nothing";
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
            assert!(error.hint().is_some_and(|hint| hint.contains("make room")), "{error}");
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

#[test]
fn what_a_killed_load_left_is_collected() {
    let store = Store::new();
    imported(&store, "kept", "1");
    let before = store.left();
    fs::create_dir_all(store.path().join("data/layers/.staging-1_1_another-boot_0/diff")).unwrap();
    fs::write(store.path().join("data/layers/.staging-1_1_another-boot_0/diff/0"), "blob").unwrap();
    fs::write(store.path().join("data/blobs/sha256").join("a".repeat(64)), "blob").unwrap();
    store.images.collect().unwrap();
    assert_eq!(store.left(), before);
}

#[test]
fn a_blob_that_the_disk_changed_is_not_saved() {
    let store = Store::new();
    imported(&store, "one", "1");
    let layer = store.images.resolve("one").unwrap().manifest.layers[0].digest.clone();
    let path = store.images.blob_path(&layer);
    let mut bytes = fs::read(&path).unwrap();
    bytes[600] ^= 1;
    fs::write(Path::new(&path), bytes).unwrap();
    let error = save(&store.images, &["one".into()], std::io::sink(), SaveFormat::OciArchive).unwrap_err();
    assert!(error.to_string().contains("not what it was"), "{error}");
}

/// A source that fails is not a damaged archive.
#[test]
fn an_error_of_the_kernel_is_passed_on() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from_raw_os_error(nix::libc::EIO))
        }
    }
    let store = Store::new();
    let error = load(&store.images, LoadSource::Stream(Box::new(Failing))).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}
