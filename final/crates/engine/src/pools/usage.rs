//! The containers and volumes that use a pool.

use hull_storage::volumes::Volumes;

use super::mount;
use super::record::Pool;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::record::Record;

/// The users of a pool, each as its kind and its name: `container web`.
pub(super) fn users(engine: &Engine, pool: &Pool) -> Result<Vec<String>> {
    let mut users = Vec::new();
    for id in engine.ids()? {
        match Record::load(engine.root(), &id) {
            Ok(record) if uses(&record, &pool.name) => users.push(format!("container {}", record.name)),
            // A container that is being removed uses nothing.
            Ok(_) | Err(Error::NoSuchContainer(_)) => {}
            // It may use the pool.
            Err(error) => return Err(error),
        }
    }
    if !pool.is_default() {
        let dir = mount::open_pool(engine.root(), pool)?;
        let volumes = Volumes::at(dir.volumes()).list()?;
        users.extend(volumes.into_iter().map(|volume| format!("volume {}", volume.name)));
    }
    Ok(users)
}

fn uses(record: &Record, pool: &str) -> bool {
    let named = |device: &std::collections::BTreeMap<String, String>| {
        device.get("type").is_some_and(|kind| kind == "disk")
            && device.get("pool").is_some_and(|name| name == pool)
    };
    let is_in = match &record.writable.pool {
        Some(place) => place.name == pool,
        None => pool == super::record::DEFAULT,
    };
    is_in || record.instance.devices.values().any(named)
}
