//! The images that a list of products has for a machine.

use std::collections::BTreeMap;

use super::documents::{Item, Product, Products};
use crate::digest::Digest;
use crate::platform::Platform;

/// A file on the server.
#[derive(Debug, Clone)]
pub(super) struct Download {
    pub path: String,
    pub size: u64,
    pub digest: Digest,
}

/// An image that a server has.
#[derive(Debug, Clone)]
pub struct Offered {
    /// The image's names. A version that is not the newest has none.
    pub aliases: Vec<String>,
    /// The hash of its files, one after the other.
    pub fingerprint: Digest,
    pub properties: BTreeMap<String, String>,
    pub architecture: String,
    /// The version: usually the day on which it was made.
    pub serial: String,
    /// Bytes of its files.
    pub size: u64,
    /// A whole image, or the metadata of one.
    pub(super) first: Download,
    /// The root file system, where `first` is metadata.
    pub(super) root: Option<Download>,
}

/// The types of LXD's files, and of those of its fork Incus, which have the same format.
const METADATA: [&str; 2] = ["lxd.tar.xz", "incus.tar.xz"];
const UNIFIED: [&str; 2] = ["lxd_combined.tar.gz", "incus_combined.tar.gz"];

/// All images in a list that this machine can run.
pub(super) fn offered(list: &Products) -> Vec<Offered> {
    let host = Platform::host();
    let mut offered = Vec::new();
    for product in list.products.values() {
        let suits = Platform::parse(&product.arch).is_ok_and(|platform| host.suits(&platform).is_some());
        if !suits {
            continue;
        }
        // Versions are dates, so the last one is the newest.
        let images = product.versions.iter().rev().filter_map(|(serial, version)| {
            let (first, root, fingerprint) = files(&version.items)?;
            Some(Offered {
                aliases: vec![],
                size: first.size.saturating_add(root.as_ref().map_or(0, |root| root.size)),
                properties: properties(product, serial),
                architecture: product.arch.clone(),
                serial: serial.clone(),
                fingerprint,
                first,
                root,
            })
        });
        let mut images: Vec<_> = images.collect();
        if let Some(newest) = images.first_mut() {
            newest.aliases = aliases(product);
        }
        offered.append(&mut images);
    }
    offered
}

/// Finds an image by a name, or by the beginning of its fingerprint.
pub fn find<'a>(images: &'a [Offered], name: &str) -> Option<&'a Offered> {
    let by_alias = images.iter().find(|image| image.aliases.iter().any(|alias| alias == name));
    let is_hash = name.len() >= 6 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let by_hash = || images.iter().find(|image| is_hash && image.fingerprint.hex().starts_with(name));
    by_alias.or_else(by_hash)
}

/// The files of a version: squashfs is preferred to a tar, because it is smaller. `None` if hull can use none of them,
/// because they are a virtual machine's, for example.
fn files(items: &BTreeMap<String, Item>) -> Option<(Download, Option<Download>, Digest)> {
    let of_type = |kinds: &[&str]| items.values().find(|item| kinds.contains(&item.ftype.as_str()));
    if let Some(metadata) = of_type(&METADATA) {
        let roots = [
            ("squashfs", &metadata.combined_squashfs_sha256),
            ("root.tar.xz", &metadata.combined_rootxz_sha256),
            ("root.tar.xz", &metadata.combined_sha256),
        ];
        for (kind, combined) in roots {
            let (Some(root), Some(fingerprint)) = (of_type(&[kind]), hash(combined)) else { continue };
            return Some((download(metadata)?, Some(download(root)?), fingerprint));
        }
    }
    let unified = download(of_type(&UNIFIED)?)?;
    let fingerprint = unified.digest.clone();
    Some((unified, None, fingerprint))
}

fn hash(hex: &str) -> Option<Digest> {
    Digest::parse(&format!("sha256:{hex}")).ok()
}

fn download(item: &Item) -> Option<Download> {
    Some(Download { path: item.path.clone(), size: item.size, digest: hash(&item.sha256)? })
}

/// The names of a product, as LXD has them: each with the architecture, and for this machine's architecture also without.
fn aliases(product: &Product) -> Vec<String> {
    let names = product.aliases.split(',').map(str::trim).filter(|name| !name.is_empty());
    let host = Platform::host();
    let is_hosts = Platform::parse(&product.arch).is_ok_and(|platform| platform == host);
    let both = names.flat_map(|name| {
        let with_architecture = format!("{name}/{}", product.arch);
        is_hosts.then(|| name.to_owned()).into_iter().chain([with_architecture])
    });
    both.collect()
}

fn properties(product: &Product, serial: &str) -> BTreeMap<String, String> {
    let release = if product.release_title.is_empty() { &product.release } else { &product.release_title };
    let description = [product.os.as_str(), release, product.arch.as_str(), product.label.as_str()];
    let words: Vec<&str> = description.into_iter().filter(|word| !word.is_empty()).collect();
    let description = format!("{} ({serial})", words.join(" "));
    let all = [
        ("architecture", product.arch.as_str()),
        ("description", &description),
        ("label", &product.label),
        ("os", &product.os),
        ("release", &product.release),
        ("serial", serial),
        ("variant", &product.variant),
        ("version", &product.version),
    ];
    let set = all.into_iter().filter(|(_, value)| !value.is_empty());
    set.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &str) -> Vec<Offered> {
        let host = Platform::host().architecture;
        let text = format!(
            r#"{{"products": {{"debian:12": {{"aliases": "debian/12, debian/bookworm", "arch": "{host}", "os": "Debian",
                "release": "bookworm", "versions": {{"20240101": {{"items": {items}}}, "20240102": {{"items": {items}}}}}}},
                "other": {{"aliases": "debian/12", "arch": "s390x", "versions": {{"1": {{"items": {items}}}}}}}}}}}"#
        );
        offered(&serde_json::from_str(&text).unwrap())
    }

    fn item(kind: &str, more: &str) -> String {
        let hash = "a".repeat(64);
        format!(
            r#""{kind}": {{"ftype": "{kind}", "path": "images/{kind}", "sha256": "{hash}", "size": 7{more}}}"#
        )
    }

    #[test]
    fn squashfs_is_preferred_and_only_the_newest_version_has_the_names() {
        let (squashfs, tar) = ("b".repeat(64), "c".repeat(64));
        let combined =
            format!(r#", "combined_squashfs_sha256": "{squashfs}", "combined_rootxz_sha256": "{tar}""#);
        let both = [item("lxd.tar.xz", &combined), item("squashfs", ""), item("root.tar.xz", "")].join(",");
        let images = list(&format!("{{{both}}}"));
        assert_eq!(images.len(), 2);
        let newest = find(&images, "debian/bookworm").unwrap();
        assert_eq!((newest.serial.as_str(), newest.fingerprint.hex()), ("20240102", squashfs.as_str()));
        assert_eq!((newest.size, newest.root.as_ref().unwrap().path.as_str()), (14, "images/squashfs"));
        assert!(images[1].aliases.is_empty());
        assert!(find(&images, "bbbbbb").is_some() && find(&images, "debian").is_none());
        let tars = [item("lxd.tar.xz", &combined), item("root.tar.xz", "")].join(",");
        assert_eq!(list(&format!("{{{tars}}}"))[0].fingerprint.hex(), tar);
    }

    #[test]
    fn what_cannot_be_used_is_not_offered() {
        let hash = "d".repeat(64);
        let combined = format!(r#", "combined_squashfs_sha256": "{hash}""#);
        assert!(list(&format!("{{{}}}", item("disk-kvm.img", ""))).is_empty());
        assert!(list(&format!("{{{}}}", item("lxd.tar.xz", &combined))).is_empty(), "it has no root");
        let no_hash = [item("lxd.tar.xz", ""), item("squashfs", "")].join(",");
        assert!(list(&format!("{{{no_hash}}}")).is_empty(), "nothing says what belongs together");
        assert_eq!(list(&format!("{{{}}}", item("lxd_combined.tar.gz", ""))).len(), 2);
    }
}
