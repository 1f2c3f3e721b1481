//! Configs and secrets whose content is in a variable or in the compose file: they are copied into the container before it
//! starts.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use hull_composefile::model::Service;
use hull_engine::{ArchiveOptions, in_child};

use super::Apply;
use crate::convert::{self, FileCopy};
use crate::error::{Context, Error, Result};

impl Apply<'_> {
    /// Copies the files of a service into one of its containers.
    pub(super) fn copy_files(&self, service: &Service, id: &str) -> Result<()> {
        let copies = convert::copies(self.files()?, service)?;
        if copies.is_empty() {
            return Ok(());
        }
        let tar = archive(&copies)
            .map_err(|error| Error::Invalid(format!("service {}: pack its files: {error}", service.name)))?;
        let what = || format!("service {}", service.name);
        let copied = in_child("copy configs and secrets", || {
            self.engine.archive_in(id, Path::new("/"), &mut tar.as_slice(), ArchiveOptions::default())?;
            Ok(String::new())
        });
        copied.context(what)?.map_err(hull_engine::Error::from).context(what)?;
        Ok(())
    }
}

/// A tar of the files, as Compose sends it to the engine.
fn archive(copies: &[FileCopy]) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    for copy in copies {
        let mut header = tar::Header::new_gnu();
        header.set_size(copy.content.len() as u64);
        header.set_mode(copy.mode);
        header.set_uid(copy.uid.into());
        header.set_gid(copy.gid.into());
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mtime(now);
        tar.append_data(&mut header, copy.path.trim_start_matches('/'), copy.content.as_bytes())?;
    }
    tar.into_inner()
}
