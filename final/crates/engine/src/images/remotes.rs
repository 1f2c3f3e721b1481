//! The servers of LXD's images and their short names: `remotes.json` in the data root.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hull_image::Digest;
use hull_image::archive::ImportOptions;
use hull_image::lxd::Source;
use hull_image::reference::Reference;
use hull_image::registry::Access;
use hull_image::simplestreams::{Offered, Server, find};
use hull_storage::file;
use hull_storage::lock::Lock;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::{Error, Result};

/// The name of this machine among the remotes.
pub const LOCAL: &str = "local";

/// A server of images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    pub url: String,
}

/// All servers. The list begins with those of LXD's own list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remotes {
    /// Where an image without a remote's name is looked for.
    pub default: String,
    pub remotes: BTreeMap<String, Remote>,
}

impl Default for Remotes {
    fn default() -> Self {
        let known = [
            ("images", "https://images.linuxcontainers.org"),
            ("ubuntu", "https://cloud-images.ubuntu.com/releases"),
            ("ubuntu-daily", "https://cloud-images.ubuntu.com/daily"),
        ];
        let remotes = known.map(|(name, url)| (name.to_owned(), Remote { url: url.into() }));
        Self { default: LOCAL.into(), remotes: remotes.into() }
    }
}

impl Remotes {
    /// The remote and the rest of `REMOTE:IMAGE`, if there is such a remote.
    pub fn split<'a>(&self, word: &'a str) -> Option<(&Remote, &'a str)> {
        let (name, image) = word.split_once(':')?;
        Some((self.remotes.get(name)?, image))
    }

    /// [`Self::split`], but a word without a remote's name is an image of the default remote. `None` if the default is
    /// this machine.
    pub fn split_or_default<'a>(&self, word: &'a str) -> Option<(&Remote, &'a str)> {
        self.split(word).or_else(|| Some((self.remotes.get(&self.default)?, word)))
    }

    /// Changes a server.
    pub fn set(&mut self, name: &str, remote: Remote) -> Result<()> {
        self.find(name)?;
        self.remotes.insert(name.into(), remote);
        Ok(())
    }

    pub fn find(&self, name: &str) -> Result<&Remote> {
        self.remotes.get(name).ok_or_else(|| invalid(name, "there is none of this name: hull remote list"))
    }

    /// Adds a server.
    pub fn add(&mut self, name: &str, remote: Remote) -> Result<()> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_plain) || name.starts_with('-') {
            return Err(invalid(name, "a name has letters, digits, and - _ ."));
        }
        if name == LOCAL || self.remotes.contains_key(name) {
            return Err(invalid(name, "there is one of this name"));
        }
        self.remotes.insert(name.into(), remote);
        Ok(())
    }

    /// Removes a server.
    pub fn remove(&mut self, name: &str) -> Result<Remote> {
        if self.default == name {
            return Err(invalid(name, "it is the default: hull remote switch chooses another"));
        }
        self.remotes.remove(name).ok_or_else(|| invalid(name, "there is none of this name: hull remote list"))
    }

    pub fn rename(&mut self, name: &str, new: &str) -> Result<()> {
        let remote = self.find(name)?.clone();
        self.add(new, remote)?;
        self.remotes.remove(name);
        if self.default == name {
            self.default = new.into();
        }
        Ok(())
    }

    pub fn switch(&mut self, name: &str) -> Result<()> {
        if name != LOCAL {
            self.find(name)?;
        }
        self.default = name.into();
        Ok(())
    }
}

fn invalid(name: &str, why: &str) -> Error {
    Error::Invalid { what: format!("remote {name:?}"), why: why.into() }
}

impl Engine {
    fn remotes_file(&self) -> PathBuf {
        self.root().data().join("remotes.json")
    }

    pub fn remotes(&self) -> Result<Remotes> {
        Ok(file::read_json(&self.remotes_file())?.unwrap_or_default())
    }

    /// Changes the list of servers, under a lock, so that no change is lost.
    pub fn change_remotes(&self, change: impl FnOnce(&mut Remotes) -> Result<()>) -> Result<()> {
        let _lock = Lock::exclusive(&self.root().data().join("remotes.lock"))?;
        let mut remotes = self.remotes()?;
        change(&mut remotes)?;
        Ok(file::write_json_atomic(&self.remotes_file(), &remotes)?)
    }

    /// The image that a server offers under a name.
    pub fn offered_image(&self, access: &Access, remote: &Remote, name: &str) -> Result<Offered> {
        let images = Server::new(access, &remote.url)?.images()?;
        find(&images, name).cloned().ok_or_else(|| {
            hull_image::Error::NoSuchImage { name: format!("{name} on {}", remote.url), nearest: None }.into()
        })
    }

    /// Fetches an image from a server, unless this machine has it already. Returns its id. `asked` is the word by which the
    /// image was found; an image that was found by an alias can be refreshed.
    pub fn copy_image(
        &self,
        access: &Access,
        (remote, asked): (&Remote, &str),
        offered: &Offered,
        names: &[Reference],
    ) -> Result<Digest> {
        if let Some(id) = self.images().with_fingerprint(offered.fingerprint.hex())? {
            names.iter().try_for_each(|name| self.tag_image(&id.to_string(), name))?;
            return Ok(id);
        }
        let received = Server::new(access, &remote.url)?.receive(self.images(), offered)?;
        let is_alias = offered.aliases.iter().any(|alias| alias == asked);
        let source = is_alias.then(|| Source { server: remote.url.clone(), alias: asked.to_owned() });
        let properties = offered.properties.clone();
        self.finish_image(received, names, ImportOptions { properties, source, ..ImportOptions::default() })
    }

    /// Fetches what the server of an image now has under the image's alias. The new image gets the names of the old one,
    /// which is removed unless a container uses it. Returns the new image's id, or `None` if the server has no other one.
    pub fn refresh_image(&self, access: &Access, name: &str) -> Result<Option<Digest>> {
        let old = self.described_image(name)?;
        let Some(Source { server, alias }) = old.source else {
            return Err(Error::Invalid {
                what: format!("image {name}"),
                why: "it was not copied from a server by an alias, so there is nothing to refresh it from"
                    .into(),
            });
        };
        let remote = Remote { url: server };
        let offered = self.offered_image(access, &remote, &alias)?;
        if old.fingerprint.as_deref() == Some(offered.fingerprint.hex()) {
            return Ok(None);
        }
        let names = old.aliases.iter().map(|name| Reference::parse(name)).collect::<Result<Vec<_>, _>>()?;
        let new = self.copy_image(access, (&remote, &alias), &offered, &names)?;
        self.remove_unnamed_image(&old.id)?;
        Ok(Some(new))
    }
}
