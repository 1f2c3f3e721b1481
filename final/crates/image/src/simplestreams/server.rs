//! Requests to a server.

use std::io::Read;

use serde::de::DeserializeOwned;

use super::documents::{Index, Products};
use super::offered::{Download, Offered, offered};
use crate::archive::Received;
use crate::error::{Error, RegistryProblem, Result};
use crate::registry::{Access, fetch, is_loopback};
use crate::store::Images;

/// The most bytes of a list. The lists of public servers have a few million.
const MOST_OF_A_LIST: u64 = 64 << 20;

/// How many lists a server may have.
const MOST_LISTS: usize = 16;

/// A server, by its address.
#[derive(Debug)]
pub struct Server<'a> {
    access: &'a Access,
    /// Without a slash at its end.
    url: String,
}

impl<'a> Server<'a> {
    /// # Errors
    ///
    /// The address is not one of https, or of http on this machine: the hashes come from the server, too, so nothing else
    /// protects them on the way.
    pub fn new(access: &'a Access, url: &str) -> Result<Self> {
        let invalid = |why: &str| Error::Invalid {
            what: format!("address of an image server {url:?}"),
            why: why.into(),
        };
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| invalid("it does not begin with https://"))?;
        let host = rest.split('/').next().unwrap_or_default();
        if host.is_empty() || rest.contains(['?', '#', '@', '\\', ' ']) {
            return Err(invalid("expected https://HOST/PATH"));
        }
        match scheme.to_ascii_lowercase().as_str() {
            "https" => {}
            "http" if is_loopback(host) => {}
            _ => return Err(invalid("images come over https, or over http from this machine")),
        }
        Ok(Self { access, url: url.trim_end_matches('/').to_owned() })
    }

    /// The images that this machine can run.
    pub fn images(&self) -> Result<Vec<Offered>> {
        let index: Index = self.document("streams/v1/index.json")?;
        let lists: Vec<_> = index.index.values().filter(|list| list.has_images()).collect();
        if lists.len() > MOST_LISTS {
            return Err(self.wrong("it has too many lists of images"));
        }
        let mut images = Vec::new();
        for list in lists {
            images.extend(offered(&self.document::<Products>(&list.path)?));
        }
        Ok(images)
    }

    /// Fetches an image. It is verified, and not yet visible.
    pub fn receive<'i>(&self, images: &'i Images, offered: &Offered) -> Result<Received<'i>> {
        let first = &offered.first;
        let mut received = Received::take(images, self.file(first)?, Some(&first.digest))?;
        if let Some(root) = &offered.root {
            if !received.wants_root() {
                return Err(self.wrong("what it calls the description of an image has files, too"));
            }
            received.add_root(self.file(root)?, Some(&root.digest))?;
        }
        received.verify(&offered.fingerprint)?;
        Ok(received)
    }

    fn document<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let mut text = Vec::new();
        let mut body = self.get(path)?.take(MOST_OF_A_LIST + 1);
        body.read_to_end(&mut text).map_err(|error| self.wrong(&format!("{path}: {error}")))?;
        if text.len() as u64 > MOST_OF_A_LIST {
            return Err(self.wrong(&format!("{path} has more than {MOST_OF_A_LIST} bytes")));
        }
        serde_json::from_slice(&text).map_err(|error| self.wrong(&format!("{path} cannot be read: {error}")))
    }

    /// The content of a file, cut off after as many bytes as the list says.
    fn file(&self, file: &Download) -> Result<impl Read + use<>> {
        Ok(self.get(&file.path)?.take(file.size))
    }

    fn get(&self, path: &str) -> Result<impl Read + use<>> {
        if !is_below(path) {
            return Err(self.wrong(&format!("{path:?} is no path below its address")));
        }
        let url = format!("{}/{path}", self.url);
        let get = fetch::Get { url: &url, headers: &[], trusts_redirects: false };
        let answer = fetch::get(self.access, &get)?;
        match answer.is_unmodified() {
            true => Err(self.wrong("it says that a file is unmodified which was not asked for so")),
            false => Ok(answer.into_reader()),
        }
    }

    fn wrong(&self, why: &str) -> Error {
        Error::Registry { registry: self.url.clone(), why: why.into(), problem: RegistryProblem::Wrong }
    }
}

/// Whether a path from a list leads to something below the server's address. `%2e` is a dot in a URL, too (URL Standard,
/// "double-dot path segment").
fn is_below(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~/:+%@,=-".contains(&byte);
    let decoded = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    let climbs = decoded.split('/').any(|name| name == "..");
    !path.is_empty() && !decoded.starts_with('/') && !climbs && path.bytes().all(is_plain)
}

#[test]
fn no_path_leads_out_of_the_servers_address() {
    for path in ["streams/v1/images.json", "images/a..b/20240101_07:42/lxd.tar.xz", "a/./b", "%41/x..", "..."]
    {
        assert!(is_below(path), "{path:?}");
    }
    for path in [
        "",
        "/a",
        "../a",
        "a/..",
        "%2e%2e/a",
        "a/%2E%2e/b",
        "a/.%2e",
        "a%2f..%2fb",
        "%2Fa",
        "a/%5c..%5c",
        "a b",
        "a?b",
        "a#b",
        "a\\b",
        "a\0",
    ] {
        assert!(!is_below(path), "{path:?}");
    }
}
