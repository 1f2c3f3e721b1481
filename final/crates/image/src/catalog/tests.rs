use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::archive::{ImportOptions, import};
use crate::config::{ID, Index, REF_NAME};
use crate::digest::Digest;
use crate::reference::Reference;
use crate::store::Images;
use crate::testing::{Store, Tar};

fn imported(store: &Store, name: &str, content: &str) -> Digest {
    let tar = Tar::default().file("x", content).end();
    let created = Some("2024-01-01T00:00:00Z".into());
    let options = ImportOptions { created, ..ImportOptions::default() };
    import(&store.images, tar.as_slice(), Some(&Reference::parse(name).unwrap()), options).unwrap()
}

fn data(store: &Store, path: &str) -> PathBuf {
    store.path().join("data").join(path)
}

fn index(store: &Store) -> Index {
    serde_json::from_slice(&std::fs::read(data(store, "index.json")).unwrap()).unwrap()
}

/// The names in `index.json`.
fn indexed(store: &Store) -> Vec<String> {
    index(store).manifests.iter().map(|entry| entry.name().unwrap_or("-").to_owned()).collect()
}

/// The names of the entries' files.
fn files(store: &Store, directory: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(data(store, directory)).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

fn listed(images: &Images) -> Vec<String> {
    images.list().unwrap().into_iter().flat_map(|record| record.names).collect()
}

fn tag(store: &Store, source: &str, target: &str) {
    store.images.tag(source, &Reference::parse(target).unwrap()).unwrap();
}

#[test]
fn every_entry_is_in_a_file_of_its_own_and_in_the_index() {
    let store = Store::new();
    imported(&store, "x", "1");
    tag(&store, "x", "quay.io/team/tool:2");
    assert_eq!(indexed(&store), ["docker.io/library/x:latest", "quay.io/team/tool:2"]);
    let names = ["docker.io%library%x:latest", "quay.io%team%tool:2"];
    assert_eq!(files(&store, "images/names"), names.map(String::from).into());
    assert_eq!(files(&store, "images"), ["names", "unnamed"].map(String::from).into());
    // Another image takes the name of one that then has none.
    imported(&store, "y", "2");
    tag(&store, "x", "y");
    assert_eq!(indexed(&store)[0], "-");
    assert_eq!(files(&store, "images/unnamed").len(), 1);
}

#[test]
fn a_long_name_has_a_file_too() {
    let store = Store::new();
    imported(&store, "x", "1");
    let long = format!("{}:{}", ["abcdefghi"; 22].join("/"), "t".repeat(128));
    tag(&store, "x", &long);
    assert!(store.images.has(&Reference::parse(&long).unwrap()));
    assert_eq!(listed(&store.images).len(), 2);
}

/// Every moment of a change that a kill may fall into: the entries are right, and the index follows.
#[test]
fn what_a_kill_leaves_is_read_and_put_right() {
    let store = Store::new();
    imported(&store, "x", "1");
    let before = std::fs::read(data(&store, "index.json")).unwrap();
    tag(&store, "x", "y");
    std::fs::remove_file(data(&store, "images/names/docker.io%library%x:latest")).unwrap();
    for left in [Some(before.clone()), Some(before[..before.len() / 2].to_vec()), None] {
        std::fs::write(data(&store, "images/changing"), "").unwrap();
        match left {
            Some(left) => std::fs::write(data(&store, "index.json"), left).unwrap(),
            None => std::fs::remove_file(data(&store, "index.json")).unwrap(),
        }
        assert_eq!(listed(&store.images), ["y:latest"]);
        assert!(store.images.resolve("x").is_err() && store.images.resolve("y").is_ok());
        store.images.collect().unwrap();
        assert_eq!(indexed(&store), ["docker.io/library/y:latest"]);
        assert!(!data(&store, "images/changing").exists());
        assert!(store.images.resolve("y").is_ok());
    }
}

#[test]
fn a_damaged_index_is_made_anew() {
    let store = Store::new();
    imported(&store, "x", "1");
    let whole = std::fs::read(data(&store, "index.json")).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"", b"garbage", &whole[..whole.len() - 1]] {
        std::fs::write(data(&store, "index.json"), damaged).unwrap();
        assert_eq!(listed(&store.images), ["x:latest"]);
        store.images.collect().unwrap();
        assert_eq!(std::fs::read(data(&store, "index.json")).unwrap(), whole);
    }
}

#[test]
fn a_damaged_entry_is_found_in_the_index_and_repaired() {
    let store = Store::new();
    imported(&store, "x", "1");
    imported(&store, "y", "2");
    let file = data(&store, "images/names/docker.io%library%x:latest");
    std::fs::write(&file, "{").unwrap();
    assert!(store.images.resolve("x").is_ok());
    assert_eq!(store.images.differing_entries(false).unwrap(), ["docker.io/library/x:latest"]);
    store.images.differing_entries(true).unwrap();
    assert!(store.images.differing_entries(false).unwrap().is_empty());
    // Where the index does not know of it either, the others go on, nothing is collected, and it can be removed.
    std::fs::write(&file, "{").unwrap();
    std::fs::write(data(&store, "index.json"), "").unwrap();
    let blobs = files(&store, "blobs/sha256");
    store.images.collect().unwrap();
    assert_eq!((listed(&store.images), files(&store, "blobs/sha256")), (vec!["y:latest".into()], blobs));
    std::fs::write(data(&store, "index.json"), "").unwrap();
    let names = ["x".to_owned()];
    store.images.remove(&names, true, &|_| None).unwrap().remove(0).unwrap();
    assert!(!file.exists());
    store.images.collect().unwrap();
    assert_eq!(files(&store, "blobs/sha256").len(), 3);
}

/// As hull's first format, and as other programs write it.
fn written_by_others(store: &Store) {
    let mut index = index(store);
    for entry in &mut index.manifests {
        entry.annotations.remove(ID);
        entry.annotations.insert("org.opencontainers.image.vendor".into(), "somebody".into());
    }
    let text = serde_json::to_vec_pretty(&index).unwrap();
    std::fs::write(data(store, "index.json"), text).unwrap();
}

#[test]
fn a_store_of_the_first_format_is_taken_over() {
    let store = Store::new();
    let id = imported(&store, "x", "1");
    imported(&store, "x", "2");
    written_by_others(&store);
    std::fs::remove_dir_all(data(&store, "images")).unwrap();
    std::fs::write(data(&store, "version"), r#"{"format":1}"#).unwrap();
    let images = reopened(&store);
    assert_eq!(listed(&images), ["x:latest"]);
    assert!(images.resolve(id.short()).is_ok() && images.resolve("x").is_ok());
    assert_eq!((files(&store, "images/names").len(), files(&store, "images/unnamed").len()), (1, 1));
    assert!(std::fs::read_to_string(data(&store, "version")).unwrap().contains('2'));
}

#[test]
fn a_damaged_store_of_the_first_format_loses_nothing() {
    let store = Store::new();
    imported(&store, "x", "1");
    written_by_others(&store);
    std::fs::remove_dir_all(data(&store, "images")).unwrap();
    std::fs::write(data(&store, "version"), r#"{"format":1}"#).unwrap();
    let whole = std::fs::read(data(&store, "index.json")).unwrap();
    std::fs::write(data(&store, "index.json"), &whole[..100]).unwrap();
    let images = reopened(&store);
    assert!(images.list().is_err() && images.collect().is_err());
    std::fs::write(data(&store, "index.json"), whole).unwrap();
    assert_eq!(listed(&reopened(&store)), ["x:latest"]);
}

#[test]
fn what_another_program_changed_in_the_index_counts() {
    let store = Store::new();
    imported(&store, "x", "1");
    imported(&store, "y", "2");
    let mut changed = index(&store);
    changed.manifests.retain(|entry| entry.name() == Some("docker.io/library/x:latest"));
    changed.manifests[0].annotations.insert(REF_NAME.into(), "docker.io/library/z:latest".into());
    std::fs::write(data(&store, "index.json"), serde_json::to_vec(&changed).unwrap()).unwrap();
    assert_eq!(listed(&store.images), ["z:latest"]);
    assert!(store.images.resolve("z").is_ok());
    tag(&store, "z", "w");
    assert_eq!(indexed(&store), ["docker.io/library/w:latest", "docker.io/library/z:latest"]);
    let names = ["docker.io%library%w:latest", "docker.io%library%z:latest"];
    assert_eq!(files(&store, "images/names"), names.map(String::from).into());
}

fn reopened(store: &Store) -> Images {
    let root = hull_storage::root::Root::open(&data(store, ""), &store.path().join("run")).unwrap();
    Images::open(&root).unwrap()
}
