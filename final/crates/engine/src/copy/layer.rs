//! An overlay's upper directory becomes the tar of a layer. The layers below are not read.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use hull_image::packing::Packer;
use rustix::fs::{Mode, OFlags, Stat, Timespec};

use super::diff::send_upper;
use super::entry::{Content, Entry, Kind, Sink, finish};
use super::ids::ContainerIds;
use crate::error::{IoContext, Result};

/// Writes the tar, and returns the number of bytes in the files of the layer.
///
/// `below` is the directory whose metadata the upper directory had at first: if it still has them, the tar has no entry
/// for the root directory. Times in the tar are not later than `epoch`, in seconds since 1970.
pub fn pack(upper: &Path, below: &Path, epoch: Option<i64>, to: impl Write) -> Result<u64> {
    let mut layer =
        Layer { packer: Packer::new(to), leaves_out_root: has_same_metadata(upper, below)?, epoch, bytes: 0 };
    send_upper(upper, "the step", ContainerIds::default(), &mut layer)?;
    finish(layer.packer)?;
    Ok(layer.bytes)
}

/// Whether owner, mode and attributes are the same. The time differs as soon as there is an entry.
fn has_same_metadata(one: &Path, other: &Path) -> Result<bool> {
    let found = |path: &Path| {
        let context = || format!("look at {}", path.display());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened: OwnedFd = rustix::fs::open(path, flags, Mode::empty()).context(context)?;
        let stat = rustix::fs::fstat(&opened).context(context)?;
        let mut attributes = hull_sys::fs::xattrs(opened.as_fd()).context(context)?;
        attributes.retain(|(name, _)| hull_sys::tree::describes_content(name.to_bytes()));
        attributes.sort_unstable();
        Ok::<_, crate::Error>((stat.st_uid, stat.st_gid, stat.st_mode, attributes))
    };
    Ok(found(one)? == found(other)?)
}

struct Layer<W: Write> {
    packer: Packer<W>,
    leaves_out_root: bool,
    epoch: Option<i64>,
    bytes: u64,
}

impl<W: Write> Sink for Layer<W> {
    fn put(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        if let Kind::File { size } = entry.kind {
            self.bytes += size;
        }
        match self.epoch.filter(|epoch| entry.modified.tv_sec >= *epoch) {
            _ if self.leaves_out_root && entry.path.as_os_str().is_empty() => Ok(()),
            Some(tv_sec) => {
                let modified = Timespec { tv_sec, tv_nsec: 0 };
                Sink::put(&mut self.packer, &Entry { modified, ..entry.clone() }, content)
            }
            None => Sink::put(&mut self.packer, entry, content),
        }
    }

    fn link(&mut self, entry: &Entry, _target: &Path) -> Result<bool> {
        self.put(entry, Content::None).map(|()| true)
    }

    fn is_destination(&self, _stat: &Stat) -> bool {
        false
    }
}
