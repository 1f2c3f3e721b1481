//! Layers that some read file by file, over the network: to everybody else they are plain ones.
//!
//! Both are written here as their specifications have them (containerd/stargz-snapshotter, `docs/estargz.md`;
//! containers/storage, `docs/containers-storage-zstd-chunked.md`); podman's own are in `same_trees.rs`.

mod fake_registry;

use std::io::Write;

use fake_registry::{Content, MANIFEST, digest, gzip, noise, tar};
use hull_test_support::Scenario;
use serde_json::{Value, json};

const FILES: [(&str, u64); 3] = [("bin/large", 300_000), ("etc/small", 10), ("etc/empty", 0)];

/// A tar of one file, without the end marks.
fn member(name: &str, content: &[u8]) -> Vec<u8> {
    let mut tar = tar(&[(name, content)]);
    tar.truncate(512 + content.len().next_multiple_of(512));
    tar
}

fn content(at: usize) -> Vec<u8> {
    noise(FILES[at].1 as usize, at as u64 + 3)
}

/// A member of gzip for each part of a file, the table of contents in a tar's last file, and a footer: an empty member
/// that says in its extra field where the table is.
fn estargz() -> (Vec<u8>, Vec<u8>) {
    const PART: usize = 100_000;
    let (mut plain, mut packed) = (Vec::new(), Vec::new());
    let mut add = |part: &[u8]| {
        let offset = packed.len();
        plain.extend_from_slice(part);
        packed.extend(gzip(part));
        offset
    };
    add(&member(".no.prefetch.landmark", &[0xf]));
    let mut entries: Vec<Value> = Vec::new();
    for (at, (name, size)) in FILES.iter().enumerate() {
        let member = member(name, &content(at));
        for (number, part) in member.chunks(PART).enumerate() {
            let kind = if number == 0 { "reg" } else { "chunk" };
            let offset = add(part);
            entries.push(json!({ "name": name, "type": kind, "size": size, "offset": offset }));
        }
    }
    let table = json!({ "version": 1, "entries": entries }).to_string();
    let end = [member("stargz.index.json", table.as_bytes()), vec![0; 1024]].concat();
    let offset = add(&end);
    packed.extend([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0, b'S', b'G', 22, 0]);
    write!(packed, "{offset:016x}STARGZ").unwrap();
    // An empty stored block, and the checksum of nothing.
    packed.extend([1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    (plain, packed)
}

/// A frame of zstd for each file, the table of contents and a footer in frames to be skipped.
fn chunked() -> (Vec<u8>, Vec<u8>) {
    let (mut plain, mut packed) = (Vec::new(), Vec::new());
    let mut add = |part: &[u8]| {
        plain.extend_from_slice(part);
        packed.extend(zstd::encode_all(part, 3).unwrap());
    };
    for (at, (name, _)) in FILES.iter().enumerate() {
        add(&member(name, &content(at)));
    }
    add(&[0; 1024]);
    for table in [zstd::encode_all(&br#"{"version":1,"entries":[]}"#[..], 3).unwrap(), vec![0; 64]] {
        packed.extend([0x50, 0x2a, 0x4d, 0x18]);
        packed.extend((table.len() as u32).to_le_bytes());
        packed.extend(table);
    }
    (plain, packed)
}

/// Pulls an image of this layer, and returns the directory of its files.
fn pulled(
    t: &Scenario,
    (plain, packed): (Vec<u8>, Vec<u8>),
    suffix: &str,
    notes: Value,
) -> std::path::PathBuf {
    let mut content = Content::default();
    let kind = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
    let mut layer = content.descriptor(&kind, packed);
    layer["annotations"] = notes;
    let config = json!({
        "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [digest(&plain)] },
    });
    let config = content.descriptor("application/vnd.oci.image.config.v1+json", config.to_string().into());
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
    content.tag("1", MANIFEST, &manifest);
    let server = content.serve(|_, _| None);
    let name = format!("{}/lazy{}:1", server.host, suffix.replace('+', "-"));
    t.ok(&["pull", &name]);
    assert_eq!(t.ok(&["system", "check"]), "The store is what it should be.");
    t.ok(&["image", "inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", &name]).into()
}

#[test]
fn layers_that_can_be_read_file_by_file_are_read_as_plain_ones() {
    let Some(t) = Scenario::start() else { return };
    let table = json!({ "containerd.io/snapshot/stargz/toc.digest": format!("sha256:{}", "0".repeat(64)) });
    let position = json!({ "io.github.containers.zstd-chunked.manifest-position": "1:2:3:1" });
    for (layer, suffix, notes) in [(estargz(), "+gzip", table), (chunked(), "+zstd", position)] {
        let top = pulled(&t, layer, suffix, notes);
        for (at, (name, _)) in FILES.iter().enumerate() {
            assert!(std::fs::read(top.join(name)).unwrap() == content(at), "{suffix}: {name}");
        }
        // The layer has exactly the files of the tar.
        assert_eq!(top.join("stargz.index.json").exists(), suffix == "+gzip");
    }
}
