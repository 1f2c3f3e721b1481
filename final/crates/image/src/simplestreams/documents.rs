//! A server's documents, as far as hull reads them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `streams/v1/index.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Index {
    pub index: BTreeMap<String, Listed>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    #[serde(default)]
    pub datatype: String,
    #[serde(default)]
    pub format: String,
    pub path: String,
}

impl Listed {
    /// Whether this is a list of images to download. Other lists are those of clouds.
    pub(super) fn has_images(&self) -> bool {
        self.format == "products:1.0" && self.datatype == "image-downloads"
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Products {
    pub products: BTreeMap<String, Product>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Product {
    /// Separated by commas.
    pub aliases: String,
    pub arch: String,
    pub os: String,
    pub release: String,
    pub release_title: String,
    pub variant: String,
    pub version: String,
    pub label: String,
    pub versions: BTreeMap<String, Version>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Version {
    pub items: BTreeMap<String, Item>,
}

/// A file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Item {
    pub ftype: String,
    pub path: String,
    pub sha256: String,
    pub size: u64,
    /// Hashes of this file and a file with a root, one after the other.
    pub combined_squashfs_sha256: String,
    pub combined_rootxz_sha256: String,
    pub combined_sha256: String,
}
