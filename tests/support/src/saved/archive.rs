//! docker's archive of images: `manifest.json` names configurations and layers, which are other members.

use std::collections::BTreeMap;
use std::io::{Error, Read, Result};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::tree::Tree;

/// The first image of an archive.
#[derive(Debug, Clone)]
pub struct Image {
    /// Config, history and the rest of the configuration's document.
    pub config: Value,
    /// The layers as uncompressed tars.
    pub layers: Vec<Vec<u8>>,
}

impl Image {
    pub fn read(path: &Path) -> Result<Self> {
        let mut members = members(path)?;
        let manifest: Value = serde_json::from_slice(&member(&members, "manifest.json")?)?;
        let text = |value: &Value| {
            value.as_str().map(str::to_owned).ok_or_else(|| Error::other("a name is missing"))
        };
        let config = serde_json::from_slice(&member(&members, &text(&manifest[0]["Config"])?)?)?;
        let names: Vec<Value> = manifest[0]["Layers"].as_array().cloned().unwrap_or_default();
        let mut layers = Vec::new();
        for name in &names {
            let name = text(name)?;
            layers.push(plain(member(&members, &name)?)?);
        }
        members.clear();
        Ok(Self { config, layers })
    }

    /// The merged files.
    pub fn tree(&self) -> Result<Tree> {
        let mut tree = Tree::default();
        for layer in &self.layers {
            tree.apply(layer)?;
        }
        Ok(tree)
    }
}

enum Member {
    Content(Vec<u8>),
    /// docker writes a layer that occurs twice as a symlink.
    Link(String),
}

fn members(path: &Path) -> Result<BTreeMap<String, Member>> {
    let mut archive = tar::Archive::new(std::fs::File::open(path)?);
    let mut members = BTreeMap::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        let member = match entry.link_name()? {
            Some(target) => {
                let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
                Member::Link(joined(directory, &target.to_string_lossy()))
            }
            None => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                Member::Content(content)
            }
        };
        members.insert(name, member);
    }
    Ok(members)
}

fn member(members: &BTreeMap<String, Member>, name: &str) -> Result<Vec<u8>> {
    match members.get(name) {
        Some(Member::Content(content)) => Ok(content.clone()),
        Some(Member::Link(target)) if target != name => member(members, target),
        _ => Err(Error::other(format!("the archive has no {name}"))),
    }
}

fn joined(directory: &str, target: &str) -> String {
    let mut names: Vec<&str> = directory.split('/').filter(|name| !name.is_empty()).collect();
    for name in target.split('/') {
        match name {
            ".." => drop(names.pop()),
            "." | "" => {}
            name => names.push(name),
        }
    }
    names.join("/")
}

fn plain(layer: Vec<u8>) -> Result<Vec<u8>> {
    if !layer.starts_with(&[0x1f, 0x8b]) {
        return Ok(layer);
    }
    let mut content = Vec::new();
    flate2::read::MultiGzDecoder::new(&layer[..]).read_to_end(&mut content)?;
    Ok(content)
}

/// An archive with one image of one layer, an uncompressed tar. `config` is what docker calls `Config`.
pub fn docker_archive(name: &str, config: &Value, layer: &[u8]) -> Result<Vec<u8>> {
    let digest =
        |bytes: &[u8]| -> String { Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect() };
    let created = "2020-01-01T00:00:00Z";
    let document = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "created": created,
        "config": config,
        "history": [{"created": created, "created_by": "base"}],
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest(layer))]},
    });
    let document = serde_json::to_vec(&document)?;
    let file = format!("{}.json", digest(&document));
    let manifest = json!([{"Config": file, "RepoTags": [name], "Layers": ["layer/layer.tar"]}]);
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in [
        (file.as_str(), &document[..]),
        ("layer/layer.tar", layer),
        ("manifest.json", &serde_json::to_vec(&manifest)?),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content)?;
    }
    archive.into_inner()
}
