//! Changing a container, which may run, from one set of effects to another.
//!
//! Called under the container's lock. The record is written before the container is changed, and the run directory has
//! the effects before and after until the change is complete. Each step first looks whether it has been done. So the
//! same steps undo a change that has failed, and finish a change or an undoing that was killed. A link takes several
//! requests to the kernel, so after a kill those that were being made are removed first.

use std::path::PathBuf;

use hull_storage::file;
use hull_storage::process_id::ProcessId;
use hull_sys::Kind;
use serde::{Deserialize, Serialize};

use super::effects::Effects;
use super::mounts;
use crate::engine::Engine;
use crate::error::{Error, Errors, Result};
use crate::records::record::{MountRecord, Record};
use crate::records::snapshot::Snapshot;
use crate::records::state::{State, Status};

/// The devices that take effect at the container's next start.
pub(crate) type NeedRestart = Vec<String>;

/// Content of the file that exists while a container is changed.
#[derive(Serialize, Deserialize)]
struct Journal {
    before: Effects,
    after: Effects,
}

fn journal(engine: &Engine, id: &str) -> PathBuf {
    engine.root().container_run_dir(id).join("devices.json")
}

/// Stores a record that has these effects, and changes the container if it runs. Returns the devices that need a
/// restart. If the container cannot be changed, the record and the container are as they were before.
pub(crate) fn apply(
    engine: &Engine,
    before: &Record,
    record: &mut Record,
    effects: &Effects,
) -> Result<NeedRestart> {
    let directory = engine.root().container_dir(&record.id);
    let Some(container) = Running::of(engine, &record.id)? else {
        record.store(&directory)?;
        return Ok(vec![]);
    };
    let old = Effects::of(before);
    if old == *effects {
        record.store(&directory)?;
        return Ok(vec![]);
    }
    let gone: Vec<&MountRecord> = old.mounts.iter().filter(|one| !effects.mounts.contains(one)).collect();
    // The image of a volume may be mounted in the monitor's namespace only, so it is mounted here, too. A volume that
    // is missing is no obstacle to its removal.
    let _ = crate::pools::volumes::ensure_sources(engine, before);
    mounts::check_removal(engine, &gone, before, &container.init)?;
    let journal = journal(engine, &record.id);
    file::write_json_atomic(&journal, &Journal { before: old.clone(), after: effects.clone() })?;
    let changed =
        record.store(&directory).and_then(|()| container.change(engine, (before, &old), (record, effects)));
    let settled = changed.map_err(|error| {
        let mut undone = Errors::default();
        undone.note(before.store(&directory));
        match container.change(engine, (record, effects), (before, &old)) {
            // Something else is mounted at the device's place, which is also why the change has failed.
            Err(error) if error.kind() == Kind::Conflict => {}
            settled => undone.note(settled.map(drop)),
        }
        error.with_undo(undone.into_result())
    });
    file::remove(&journal)?;
    settled
}

/// Finishes a change of a running container, or the undoing of one, that was killed.
pub(crate) fn settle(engine: &Engine, record: &Record) -> Result<()> {
    let journal = journal(engine, &record.id);
    let Some(Journal { before, after }) = file::read_json(&journal)? else { return Ok(()) };
    if let Some(container) = Running::of(engine, &record.id)? {
        let wanted = Effects::of(record);
        // The record is written first, so it tells which of the two was being put in force.
        let other = if wanted == before { after } else { before };
        let mut from = record.clone();
        other.put(&mut from);
        container.remove_unfinished(engine, record, &other, &wanted)?;
        container.change(engine, (&from, &other), (record, &wanted))?;
    }
    Ok(file::remove(&journal)?)
}

/// A container that runs.
struct Running {
    state: State,
    init: ProcessId,
}

impl Running {
    fn of(engine: &Engine, id: &str) -> Result<Option<Self>> {
        let snapshot = Snapshot::take(engine.root(), id)?;
        if !matches!(snapshot.status, Status::Running | Status::Paused) {
            return Ok(None);
        }
        // A container without a process waits to be restarted, and then starts with what its record has.
        Ok(snapshot.state.and_then(|state| Some(Self { init: state.init.clone()?, state })))
    }

    fn change(
        &self,
        engine: &Engine,
        (before, old): (&Record, &Effects),
        (after, new): (&Record, &Effects),
    ) -> Result<NeedRestart> {
        let mut restart = NeedRestart::new();
        self.change_links(engine, (before, old), (after, new))?;
        let gone: Vec<&MountRecord> = old.mounts.iter().filter(|one| !new.mounts.contains(one)).collect();
        let added: Vec<&MountRecord> = new.mounts.iter().filter(|one| !old.mounts.contains(one)).collect();
        // A mount below another one is removed before it, and attached after it.
        let depth = |mount: &&&MountRecord| mount.destination.components().count();
        let mut gone_first: Vec<&&MountRecord> = gone.iter().collect();
        gone_first.sort_by_key(|mount| std::cmp::Reverse(depth(mount)));
        for mount in gone_first {
            mounts::detach(engine, mount, before, &self.init)?;
            mounts::release(engine, mount, before, &self.state.monitor)?;
        }
        self.change_rules(engine, (&gone, &added), after)?;
        let mut in_order: Vec<&&MountRecord> = added.iter().collect();
        in_order.sort_by_key(depth);
        for mount in in_order {
            let device = mount.extras.device.as_deref().unwrap_or_default();
            match mounts::is_live(mount) {
                true => mounts::attach(engine, after, device, &self.init)?,
                false => restart.push(device.to_owned()),
            }
        }
        if old.plugged.proxies != new.plugged.proxies {
            let running = engine.running(&after.id)?;
            running.map_or(Ok(()), |running| running.notify_proxies_changed(&after.name))?;
        }
        let differing = |old: Vec<(&str, String)>, new: Vec<(&str, String)>| -> Vec<String> {
            let of_old = old.iter().filter(|one| !new.contains(one));
            let of_new = new.iter().filter(|one| !old.contains(one));
            of_old.chain(of_new).map(|(device, _)| (*device).to_owned()).collect()
        };
        restart.extend(differing(started_only(old), started_only(new)));
        restart.sort();
        restart.dedup();
        Ok(restart)
    }

    fn change_links(
        &self,
        engine: &Engine,
        (before, old): (&Record, &Effects),
        (after, new): (&Record, &Effects),
    ) -> Result<()> {
        let context = engine.network_context();
        for nic in old.plugged.nics.iter().filter(|one| !new.plugged.nics.contains(one)) {
            crate::net::remove_nic(engine.root(), &after.id, nic, self.init.pid)?;
        }
        let mut has_changed = false;
        for network in old.networks.iter().filter(|one| !new.networks.contains(one)) {
            has_changed |= crate::net::unplug(engine.root(), before, &network.network, &self.init)?;
        }
        for network in new.networks.iter().filter(|one| !old.networks.contains(one)) {
            has_changed |= crate::net::plug(context, after, network, &self.state)?;
        }
        // The monitor gives physical links back at the end, so it has to know them before they are moved.
        if has_changed || old.plugged.nics != new.plugged.nics {
            engine.notify_monitor(after)?;
        }
        for nic in new.plugged.nics.iter().filter(|one| !old.plugged.nics.contains(one)) {
            crate::net::add_nic(engine.root(), &after.id, nic, self.init.pid)?;
        }
        Ok(())
    }

    /// Removes the links that a killed change was adding.
    fn remove_unfinished(
        &self,
        engine: &Engine,
        record: &Record,
        old: &Effects,
        new: &Effects,
    ) -> Result<()> {
        for nic in new.plugged.nics.iter().filter(|one| !old.plugged.nics.contains(one)) {
            crate::net::remove_nic(engine.root(), &record.id, nic, self.init.pid)?;
        }
        for network in new.networks.iter().filter(|one| !old.networks.contains(one)) {
            crate::net::unplug(engine.root(), record, &network.network, &self.init)?;
        }
        Ok(())
    }

    /// Lets the container's cgroup open the nodes that are added, and no longer those that are gone.
    fn change_rules(
        &self,
        engine: &Engine,
        (gone, added): (&[&MountRecord], &[&MountRecord]),
        after: &Record,
    ) -> Result<()> {
        let has_node = |mount: &&&MountRecord| mount.extras.node.is_some();
        if !gone.iter().chain(added).any(|mount| has_node(&mount)) || after.options.privileged {
            return Ok(());
        }
        let Some(path) = &self.state.cgroup else { return Ok(()) };
        let gone: Vec<MountRecord> = gone.iter().map(|mount| (*mount).clone()).collect();
        // A node whose source is gone has no numbers any more.
        let removed = crate::spec::node_rules(&gone).unwrap_or_default();
        let whole = crate::spec::device_rules(after)?;
        engine.cgroup(path)?.change_device_rules(&removed, &whole).map_err(Error::from)
    }
}

/// The effects that only a start can give a container.
fn started_only(effects: &Effects) -> Vec<(&str, String)> {
    let cdi = effects.plugged.cdi.iter().map(|(device, name)| (device.as_str(), name.clone()));
    let ports = effects.plugged.ports.iter().map(|(device, port)| (device.as_str(), format!("{port:?}")));
    cdi.chain(ports).collect()
}
