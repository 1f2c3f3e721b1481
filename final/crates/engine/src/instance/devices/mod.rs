//! LXD's devices: what each of them becomes in a run, and changing them while the container runs.
//!
//! ```text
//! effects  devices → mounts, networks, links, proxies of the record's options
//! disk, unix, nic, proxy, gpu     the types, a file each
//! rates    limits of the disk that a disk device is on
//! change   from one set of effects to another, in a container that may run
//! mounts   mounts in a running container       attached  finding the mounts of a device there
//! points   mount points in /dev                identity  telling mounted files apart
//! ```
//!
//! A device is recorded before anything is made for it. While a running container is changed, its run directory has the
//! effects before and after (`devices.json`). After a kill the next change first finishes the one that was killed
//! ([`change::settle`]).

mod attached;
pub(crate) mod change;
mod disk;
pub(crate) mod effects;
mod gpu;
mod identity;
mod mounts;
mod nic;
mod points;
mod proxy;
mod rates;
mod unix;

use hull_lxd::Device;

use crate::error::{Error, Result};

/// A device in force, and its name.
struct Named<'a> {
    name: &'a str,
    keys: &'a Device,
}

impl Named<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn need(&self, key: &str) -> Result<&str> {
        self.get(key).ok_or_else(|| self.invalid(format!("it needs {key}=")))
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            Some(text) => hull_lxd::value::boolean(text).map_err(|why| self.wrong(key, &why)),
            None => Ok(default),
        }
    }

    /// The value of a key, parsed.
    fn parsed<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> std::result::Result<T, String>,
    ) -> Result<Option<T>> {
        self.get(key).map(|text| parse(text).map_err(|why| self.wrong(key, &why))).transpose()
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Result<Option<T>> {
        self.parsed(key, |text| text.parse().map_err(|_| "it is a whole number".into()))
    }

    fn wrong(&self, key: &str, why: &str) -> Error {
        let value = self.get(key).unwrap_or_default();
        self.invalid(format!("{key}={value}: {why}"))
    }

    fn invalid(&self, why: impl Into<String>) -> Error {
        Error::Invalid { what: format!("device {}", self.name), why: why.into() }
    }

    fn unsupported(&self, why: &str) -> Error {
        Error::Unsupported(format!("device {}: {why}", self.name))
    }
}
