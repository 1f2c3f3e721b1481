//! Unusual trees, as layers of tars, and the description of a tree, file by file.

// No suite uses all of this module.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use hull_test_support::Scenario;
use hull_test_support::outcome::run;
use tar::{EntryType, Header};

/// The tar of a layer, in which names and attributes may have any bytes.
#[derive(Default)]
pub struct Layer(Vec<u8>);

pub struct Member<'a> {
    pub kind: EntryType,
    pub path: &'a [u8],
    pub link: &'a [u8],
    pub data: &'a [u8],
    pub mode: u32,
    pub owner: (u64, u64),
    pub modified: u64,
    pub device: (u32, u32),
    pub attributes: &'a [(&'a str, &'a [u8])],
}

impl Default for Member<'_> {
    fn default() -> Self {
        Self {
            kind: EntryType::Regular,
            path: b"",
            link: b"",
            data: b"",
            mode: 0o644,
            owner: (0, 0),
            modified: 1_000_000_000,
            device: (0, 0),
            attributes: &[],
        }
    }
}

impl Layer {
    pub fn add(&mut self, member: &Member<'_>) {
        let mut header = Header::new_ustar();
        let mut records: Vec<(String, Vec<u8>)> = Vec::new();
        let name = header.as_old_mut();
        for (field, key, value) in
            [(&mut name.name[..], "path", member.path), (&mut name.linkname[..], "linkpath", member.link)]
        {
            let fits = value.len().min(field.len());
            field[..fits].copy_from_slice(&value[..fits]);
            if fits < value.len() || (!value.is_ascii() && key == "path") {
                records.push((key.into(), value.to_vec()));
            }
        }
        for (key, value) in [("uid", member.owner.0), ("gid", member.owner.1)] {
            if value > 0o7_777_777 {
                records.push((key.into(), value.to_string().into_bytes()));
            }
        }
        for (name, value) in member.attributes {
            records.push((format!("SCHILY.xattr.{name}"), value.to_vec()));
        }
        header.set_entry_type(member.kind);
        header.set_mode(member.mode);
        header.set_uid(member.owner.0.min(0o7_777_777));
        header.set_gid(member.owner.1.min(0o7_777_777));
        header.set_mtime(member.modified);
        header.set_size(member.data.len() as u64);
        header.set_device_major(member.device.0).unwrap();
        header.set_device_minor(member.device.1).unwrap();
        if !records.is_empty() {
            let mut data = Vec::new();
            for (key, value) in records {
                // The length counts its own digits.
                let rest = key.len() + value.len() + 3;
                let length = (rest..).find(|length| *length == rest + length.to_string().len()).unwrap();
                data.extend(format!("{length} {key}=").bytes());
                data.extend(value);
                data.push(b'\n');
            }
            let mut extension = Header::new_ustar();
            extension.set_path("pax").unwrap();
            extension.set_entry_type(EntryType::XHeader);
            extension.set_size(data.len() as u64);
            self.block(extension, &data);
        }
        self.block(header, member.data);
    }

    fn block(&mut self, mut header: Header, data: &[u8]) {
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// Writes an OCI layout with one image, `name`, from the content of [`crate::fake_registry::Content`].
pub fn layout(directory: &Path, content: &crate::fake_registry::Content, name: &str) {
    let blobs = directory.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let store = |digest: &str, bytes: &[u8]| std::fs::write(blobs.join(&digest[7..]), bytes).unwrap();
    content.blobs.iter().for_each(|(digest, bytes)| store(digest, bytes));
    let (kind, bytes) = &content.manifests["1"];
    let digest = crate::fake_registry::digest(bytes);
    store(&digest, bytes);
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": kind, "digest": digest, "size": bytes.len(),
        "annotations": { "org.opencontainers.image.ref.name": name },
    }]});
    std::fs::write(directory.join("index.json"), index.to_string()).unwrap();
    std::fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// The description of each path, in words.
pub type Tree = BTreeMap<PathBuf, String>;

/// The whole tree: type, mode, owner, time, content, attributes, and which names belong to one file.
pub fn tree(top: &Path) -> Tree {
    let mut files: BTreeMap<(u64, u64), Vec<PathBuf>> = BTreeMap::new();
    let mut found = Tree::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(inside) = pending.pop() {
        let mut names: Vec<_> =
            std::fs::read_dir(top.join(&inside)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        for name in names {
            let path = inside.join(name);
            let full = top.join(&path);
            let meta = std::fs::symlink_metadata(&full).unwrap();
            let kind = meta.file_type();
            let mut said = format!("{:o} {}:{} {}", meta.mode(), meta.uid(), meta.gid(), meta.mtime());
            if kind.is_dir() {
                pending.push(path.clone());
            } else if kind.is_symlink() {
                said.push_str(&format!(" -> {:?}", std::fs::read_link(&full).unwrap()));
            } else if kind.is_file() {
                let content = std::fs::read(&full).unwrap();
                let sum = content
                    .iter()
                    .fold(17u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
                said.push_str(&format!(" {} bytes {sum:x}", content.len()));
            } else if kind.is_char_device() || kind.is_block_device() {
                said.push_str(&format!(" device {:x}", meta.rdev()));
            }
            if !kind.is_dir() && meta.nlink() > 1 {
                files.entry((meta.dev(), meta.ino())).or_default().push(path.clone());
            }
            if !kind.is_symlink() {
                said.push_str(&attributes(&full));
            }
            found.insert(path, said);
        }
    }
    // Hidden names are not counted.
    for mut names in files.into_values().filter(|names| names.len() > 1) {
        names.sort();
        for name in &names {
            found.entry(name.clone()).or_default().push_str(&format!(" is {:?}", names[0]));
        }
    }
    found
}

fn attributes(path: &Path) -> String {
    let mut names = vec![0u8; 65536];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let mut all: Vec<String> = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = OsStr::from_bytes(name);
        // Attributes that overlay uses to stack layers are not part of the content.
        if name.as_bytes().starts_with(b"trusted.overlay.") || name == "security.selinux" {
            continue;
        }
        let mut value = vec![0u8; 65536];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap_or(0);
        all.push(format!(" {name:?}={:?}", &value[..length]));
    }
    all.sort();
    all.concat()
}

/// The differences between two trees, one in each line.
pub fn differences(one: &Tree, other: &Tree) -> Vec<String> {
    let paths: std::collections::BTreeSet<&PathBuf> = one.keys().chain(other.keys()).collect();
    let differing = paths.into_iter().filter(|path| one.get(*path) != other.get(*path));
    differing.map(|path| format!("{path:?}: {:?} / {:?}", one.get(path), other.get(path))).collect()
}

/// Mounts the layers of an image as hull unpacked them, one above the other, as a container sees them.
pub fn mounted(t: &Scenario, image: &str, name: &str) -> PathBuf {
    let template = "{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}";
    let layers = t.ok(&["image", "inspect", "-f", template, image]).replace(":<no value>", "");
    mount_layers(t, &layers, name)
}

/// `layers` in the syntax of overlay's lowerdir.
pub fn mount_layers(t: &Scenario, layers: &str, name: &str) -> PathBuf {
    let (target, empty) = (t.path(format!("mnt-{name}")), t.path("nothing"));
    std::fs::create_dir_all(&target).unwrap();
    std::fs::create_dir_all(&empty).unwrap();
    let options = format!("lowerdir={}:{}", layers.trim_end_matches(':'), empty.display());
    run(Command::new("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(&target)).ok();
    target
}

pub fn unmount(target: &Path) {
    rustix::mount::unmount(target, rustix::mount::UnmountFlags::DETACH).unwrap();
}
