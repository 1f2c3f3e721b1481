//! Going back to a snapshot. The container gets the snapshot's configuration, and its files with a new, empty layer
//! above them.

use super::files;
use super::store::InstanceSnapshot;
use crate::attach::StartAttach;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::handle::ending::{EndOptions, Ending, end};
use crate::instance::needs_other_ids;
use crate::records::instance::Instance;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::writable::Writable;

/// How often a container is ended that others start again.
const MOST_ATTEMPTS: u32 = 10;

impl Engine {
    /// Restores a container to the state of a snapshot. A running container is killed first, and started again
    /// afterwards.
    pub fn restore(&self, name: &str, snapshot: &str) -> Result<()> {
        let record = self.find(name)?;
        // A missing snapshot is an error before anything is stopped.
        InstanceSnapshot::load(self.root(), &record, snapshot)?;
        let ran = self.put_back_ended(&record, snapshot)?;
        match ran {
            true => self.start(&record.id, StartAttach::Detached, None).map(drop),
            false => Ok(()),
        }
    }

    /// Ends the container and puts the snapshot back. Returns whether it ran. Nobody can hold its lock while it ends: its
    /// monitor needs the lock. So another command, such as a second restore, may start it again in between.
    fn put_back_ended(&self, record: &Record, snapshot: &str) -> Result<bool> {
        let mut ran = false;
        for _ in 1..MOST_ATTEMPTS {
            ran |= self.end_for_restore(record)?;
            match self.put_back(record, snapshot) {
                Err(Error::WrongState { .. }) => {}
                done => return done.map(|()| ran),
            }
        }
        ran |= self.end_for_restore(record)?;
        self.put_back(record, snapshot).map(|()| ran)
    }

    /// Kills the container if it runs. Returns whether it ran.
    fn end_for_restore(&self, record: &Record) -> Result<bool> {
        self.clear_if_dead(record, Snapshot::take(self.root(), &record.id)?)?;
        let Some(running) = self.running(&record.id)? else { return Ok(false) };
        let options = EndOptions { keep: true, ..EndOptions::KILL };
        end(Ending::begin(self, &record.id, &record.name, running, options))?;
        Ok(true)
    }

    fn put_back(&self, record: &Record, snapshot: &str) -> Result<()> {
        let root = self.root();
        let _lock = self.lock(&record.id).map_err(|error| error.for_container(&record.name))?;
        let present = Record::load(root, &record.id)?;
        let status = Snapshot::take(root, &record.id)?.status;
        if status.is_active() {
            return Err(crate::records::state::wrong_state("restore", &present, status));
        }
        let kept = InstanceSnapshot::load(root, &present, snapshot)?.record;
        let home = self.home_of(&present)?;
        let files = files::on_top(&kept.writable.files, &home)?;
        // The options of the snapshot are those of its own ids: what they permit must not come with the present ids, which
        // could be the host's. The next start gives the container the ids of its keys, and the options that go with them.
        let has_outdated_ids = present.instance.has_outdated_ids
            || kept.instance.has_outdated_ids
            || needs_other_ids(
                &present.instance.expanded.config,
                &kept.instance.expanded.config,
                present.options.system,
            );
        let restored = Record {
            name: present.name.clone(),
            created: present.created,
            // The ids that are leased to the container now. Those in the snapshot's record may belong to another one by
            // now.
            id_maps: present.id_maps.clone(),
            writable: Writable { files, ..present.writable.clone() },
            instance: Instance { has_outdated_ids, ..kept.instance.clone() },
            ..kept
        };
        if let Err(error) = restored.store(&root.container_dir(&present.id)) {
            return Err(error.with_undo(self.collect_layers(&present)));
        }
        Event::container(&restored, "restore").with("snapshot", snapshot).emit(self);
        self.collect_layers(&restored)
    }
}
