mod refused;

use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use serde_json::{Value, json};
use tar::EntryType;

use super::{ImportOptions, LoadSource, Loaded, SaveCompression, SaveFormat, import, load, save};
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
    save(&store.images, &names, &mut archive, format, SaveCompression::None).unwrap();
    archive
}

fn loaded(store: &Store, archive: &[u8]) -> Result<Vec<Loaded>> {
    load(&store.images, LoadSource::Stream(Box::new(Cursor::new(archive))), None)
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
fn what_runs_on_another_platform_is_loaded_when_it_is_asked_for() {
    let (ours, other) = (Pieces::new(&Platform::host().architecture), Pieces::new("pdp11"));
    let (our_manifest, other_manifest) = (ours.oci(), other.oci());
    let both = index(vec![
        on(&Platform::host().architecture, descriptor(MANIFEST, &our_manifest)),
        on("pdp11", descriptor(MANIFEST, &other_manifest)),
    ]);
    let both = both.to_string().into_bytes();
    let archive =
        layout(&index(vec![descriptor(INDEX, &both)]), &[&both, &other_manifest, &other.config, &other.blob]);
    let pdp11 = Platform::parse("linux/pdp11").unwrap();
    let store = Store::new();
    let source = |archive: &[u8]| LoadSource::Stream(Box::new(Cursor::new(archive.to_vec())));
    let loaded = load(&store.images, source(&archive), Some(&pdp11)).unwrap();
    assert_eq!(loaded, [Loaded { names: vec![], id: Digest::of(&other.config) }]);
    let alone =
        layout(&index(vec![descriptor(MANIFEST, &our_manifest)]), &[&our_manifest, &ours.config, &ours.blob]);
    let error = load(&Store::new().images, source(&alone), Some(&pdp11)).unwrap_err().to_string();
    assert_eq!(error, format!("the image is for {}, and not for linux/pdp11", Platform::host()));
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
    let loaded = load(&store.images, source(), None).unwrap();
    assert_eq!(loaded, [Loaded { names: vec!["a/b:c".into()], id: Digest::of(&pieces.config) }]);
    let inspected = store.images.inspect("a/b:c").unwrap();
    assert_eq!((inspected.tags, inspected.size), (vec!["a/b:c".to_owned()], 5));
    assert!(inspected.run_config.unwrap().contains("Healthcheck"));
    assert_eq!(inspected.config.rootfs.diff_ids, [Digest::of(&pieces.layer)]);

    // A symlink in the directory does not lead to a file of this machine.
    let blob = blobs.join(Digest::of(&pieces.blob).hex());
    fs::rename(&blob, store.path().join("blob")).unwrap();
    std::os::unix::fs::symlink(store.path().join("blob"), &blob).unwrap();
    let other = Store::new();
    load(&other.images, source(), None).unwrap_err();
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
    assert_eq!(store.images.inspect(id.short()).unwrap().config.variant.as_deref(), Some("v7"));
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
    let error =
        save(&store.images, &["one".into()], std::io::sink(), SaveFormat::OciArchive, SaveCompression::None)
            .unwrap_err();
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
    let error = load(&store.images, LoadSource::Stream(Box::new(Failing)), None).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}
