//! podman's `volume export` and `volume import`: what a volume holds, as a tar.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use hull_image::packing::Packer;
use hull_storage::tree::Replace;
use rustix::fs::{Mode, OFlags};

use super::entry::finish;
use super::extractor::{Extractor, Owner, Privileges, Rules};
use super::tree::{self, Scope};
use super::unpack;
use super::view::View;
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::rootfs::sources;

impl Engine {
    /// Writes the volume's files as a tar. The calling process mounts a volume with options in a new mount namespace, in
    /// which it stays, so it should end afterwards.
    pub fn export_volume(&self, name: &str, to: impl Write) -> Result<()> {
        let source = View::container(self.volume_root(name)?, name).source(Path::new("/"), false)?;
        let mut packer = Packer::new(to);
        tree::send(&source, Path::new(""), Scope::OneMount, &mut packer)?;
        finish(packer)
    }

    /// Adds the files of a tar, plain or compressed, to those of a volume. What [`Self::export_volume`] says about a volume
    /// with options is true here too.
    pub fn import_volume(&self, name: &str, from: impl Read) -> Result<()> {
        let mut extractor = Extractor::new(self.volume_root(name)?, name, as_container())?;
        unpack::unpack(from, &mut extractor)?;
        extractor.finish()
    }

    /// [`Self::export_volume`] for a volume of a pool.
    pub fn export_pool_volume(&self, pool: &str, name: &str, to: impl Write) -> Result<()> {
        let root = open(&self.pool_volume_source(pool, name)?)?;
        let source = View::container(root, name).source(Path::new("/"), false)?;
        let mut packer = Packer::new(to);
        tree::send(&source, Path::new(""), Scope::OneMount, &mut packer)?;
        finish(packer)
    }

    /// Makes a volume in a pool with the files of a tar, plain or compressed.
    pub fn import_pool_volume(&self, pool: &str, name: &str, from: impl Read) -> Result<()> {
        self.create_pool_volume_with(pool, name, |directory| {
            let mut extractor = Extractor::new(open(directory)?, name, as_container())?;
            unpack::unpack(from, &mut extractor)?;
            extractor.finish()
        })
    }

    fn volume_root(&self, name: &str) -> Result<OwnedFd> {
        let volume = self.volumes().get(name)?;
        if !volume.options.is_empty() {
            hull_sys::mount::enter_slave_namespace().context(|| "create a mount namespace".into())?;
            sources::mount_volume(self, name, &volume.mountpoint)?;
        }
        open(&volume.mountpoint)
    }
}

fn open(directory: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(directory, flags, Mode::empty());
    opened.context(|| format!("open {}", directory.display()))
}

/// The rules for files that containers could make themselves.
fn as_container() -> Rules {
    Rules {
        owner: Owner::KeepIfMapped,
        privileges: Privileges::WithAcls,
        existing_directories: true,
        through_symlinks: true,
        replaces: Replace::Files,
    }
}
