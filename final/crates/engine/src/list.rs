//! `ps`: what there is, read without a lock.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::options::NetworkMode;
use crate::record::{MountRecord, Record};
use crate::state::{Snapshot, Status};

#[derive(Debug, Clone)]
pub struct Summary {
    pub id: String,
    pub name: String,
    /// As it was given to `run`.
    pub image: String,
    pub image_id: String,
    pub command: String,
    pub created: SystemTime,
    pub status: Status,
    pub exit_code: Option<u8>,
    pub started: Option<SystemTime>,
    pub finished: Option<SystemTime>,
    pub labels: BTreeMap<String, String>,
    /// Volume names and bind sources.
    pub mounts: Vec<String>,
    pub networks: Vec<String>,
    pub ports: String,
}

impl Engine {
    /// All containers, the newest first.
    pub fn list(&self) -> Result<Vec<Summary>> {
        let mut summaries = Vec::new();
        for id in self.ids()? {
            match Record::load(self.root(), &id) {
                Ok(record) => summaries.extend(self.summary(record)?),
                // Removed while we were reading.
                Err(Error::NoSuchContainer(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.sweep(&summaries)?;
        summaries.sort_by_key(|summary| std::cmp::Reverse(summary.created));
        Ok(summaries)
    }

    /// `None` for a container that went with its killed monitor (`--rm`).
    fn summary(&self, record: Record) -> Result<Option<Summary>> {
        let snapshot = Snapshot::take(self.root(), &record.id)?;
        let snapshot = self.clear_if_dead(&record, snapshot)?;
        if snapshot.status == Status::Created && !self.root().container_dir(&record.id).exists() {
            return Ok(None);
        }
        let started = match (&snapshot.state, &snapshot.exit) {
            (Some(state), _) if snapshot.status.is_active() => state.started,
            (_, exit) => exit.as_ref().and_then(|exit| exit.started),
        };
        let exit = snapshot.exit.filter(|_| !snapshot.status.is_active());
        Ok(Some(Summary {
            command: record.process.args().join(" "),
            created: record.created.0,
            status: snapshot.status,
            exit_code: exit.as_ref().map(|exit| exit.code),
            started: started.map(|time| time.0),
            finished: exit.and_then(|exit| exit.finished).map(|time| time.0),
            mounts: record.mounts.iter().map(mount_name).collect(),
            networks: vec![network_name(&record.options.network)],
            ports: String::new(),
            image: record.options.image,
            id: record.id,
            name: record.name,
            image_id: record.image_id,
            labels: record.labels,
        }))
    }

    /// The containers made from an image, and whether they run.
    pub fn containers_of_image(&self, image_id: &str) -> Result<Vec<(String, bool)>> {
        let of_image = self.list()?.into_iter().filter(|summary| summary.image_id == image_id);
        Ok(of_image.map(|summary| (summary.id, summary.status.is_active())).collect())
    }
}

fn mount_name(mount: &MountRecord) -> String {
    mount.name.clone().unwrap_or_else(|| mount.source.display().to_string())
}

pub(crate) fn network_name(network: &NetworkMode) -> String {
    match network {
        NetworkMode::None => "none".into(),
        NetworkMode::Host => "host".into(),
        NetworkMode::Container(id) => format!("container:{id}"),
    }
}
