//! `rename`.

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::init::templates;
use crate::records::record::Record;

impl Engine {
    pub fn rename(&self, name: &str, new: &str) -> Result<()> {
        let id = self.resolve(name)?;
        let _lock = self.lock(&id).map_err(|error| error.for_container(name))?;
        // Under the lock: another command may have changed the record.
        let mut record = Record::load(self.root(), &id).map_err(|error| error.for_container(name))?;
        if record.name == new {
            let why = "Renaming a container with the same name as its current name".into();
            return Err(Error::Invalid { what: "name".into(), why });
        }
        if !record.options.system && !hull_storage::names::is_valid(new) {
            return Err(hull_storage::Error::InvalidName { what: "container", name: new.into() }.into());
        }
        let old = std::mem::replace(&mut record.name, new.into());
        crate::init::identity::rename(self.root(), &mut record)?;
        templates::note(&self.root().container_dir(&id), &record, templates::Event::Rename)?;
        hull_storage::names::rename(self.root(), &record.id, &old, new, || {
            record.store(&self.root().container_dir(&record.id))
        })?;
        Event::container(&record, "rename").with("oldName", format!("/{old}")).emit(self);
        crate::net::rename(self.root(), &record)
    }
}
