//! `commit`: packs a container's writable layer as a layer of a new image.

use std::collections::BTreeMap;

use hull_docker::wire::config::Config;
use hull_image::Digest;
use hull_image::archive::apply_changes;
use hull_image::commit::{NewLayer, commit};
use hull_image::config::{Empty, Healthcheck, RunConfig};
use hull_image::packing::Packer;
use hull_image::reference::Reference;

use super::entry::finish;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::records::record::{MountKind, Record};
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;

#[derive(Debug, Clone, Default)]
pub struct CommitOptions {
    pub name: Option<Reference>,
    pub author: Option<String>,
    pub message: Option<String>,
    /// Instructions of a Dockerfile: `CMD …`.
    pub changes: Vec<String>,
    /// What the request says of the image's configuration. What it leaves open is the container's.
    pub config: Option<Config>,
    /// Freeze a running container while its files are read, if it can be frozen: see [`Freezable`].
    pub pause: bool,
}

/// Whether a container can be frozen while its files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freezable {
    Yes,
    /// It is not running.
    NotRunning,
    /// It runs without a cgroup of its own, and only a cgroup can be frozen (cgroup-v2.rst, `cgroup.freeze`).
    NoCgroup,
}

impl Freezable {
    fn of(engine: &Engine, record: &Record) -> Result<Self> {
        let snapshot = Snapshot::take(engine.root(), &record.id)?;
        Ok(match snapshot.state {
            _ if snapshot.status != Status::Running => Self::NotRunning,
            Some(state) if state.cgroup.is_some() => Self::Yes,
            _ => Self::NoCgroup,
        })
    }
}

impl Engine {
    /// Whether [`Engine::commit`] can freeze the container.
    pub fn freezable(&self, name: &str) -> Result<Freezable> {
        Freezable::of(self, &self.find(name)?)
    }

    /// Creates an image from a container, and returns the image's id.
    pub fn commit(&self, name: &str, options: &CommitOptions) -> Result<Digest> {
        let record = self.find(name)?;
        let mut config = config_of(&record);
        if let Some(given) = &options.config {
            merge(&mut config, given);
        }
        apply_changes(&mut config, &options.changes)?;
        let layer = NewLayer {
            base: Digest::parse(&record.image_id)?,
            config,
            name: options.name.clone(),
            author: options.author.clone(),
            message: options.message.clone(),
            created_by: record.process.args().join(" "),
        };
        // The base image must not be removed before the new image exists.
        let _lock = self.lock_in_use()?;
        let freezes = options.pause && Freezable::of(self, &record)? == Freezable::Yes;
        let frozen = if freezes { self.freeze(&record)? } else { None };
        if frozen.is_some() {
            Event::container(&record, "pause").emit(self);
        }
        let was_frozen = frozen.is_some();
        let id = commit::<Error>(self.images(), &layer, |file| {
            let mut packer = Packer::new(file);
            self.send_changes(&record, &mut packer)?;
            finish(packer)?;
            // The container's files have been read, and the rest works on the copy.
            drop(frozen);
            if was_frozen {
                Event::container(&record, "unpause").emit(self);
            }
            Ok(())
        })?;
        self.emit_committed(&id, options.name.as_ref());
        Event::container(&record, "commit")
            .with("comment", options.message.as_deref().unwrap_or_default())
            .with("imageID", &id)
            .with("imageRef", options.name.as_ref().map(Reference::familiar).unwrap_or_default())
            .emit(self);
        Ok(id)
    }
}

/// dockerd's rules: a request's variables, labels, ports and volumes are added, and its other values come first.
fn merge(config: &mut RunConfig, given: &Config) {
    let text = |given: &String| (!given.is_empty()).then(|| given.clone());
    config.user = text(&given.user).or(config.user.take());
    config.working_dir = text(&given.working_dir).or(config.working_dir.take());
    let is_given = |list: &&Vec<String>| !list.is_empty();
    // A new entry point removes the command that belonged to the old one.
    if let Some(entrypoint) = given.entrypoint.as_ref().filter(is_given) {
        config.entrypoint = Some(entrypoint.clone());
        config.cmd = None;
    }
    config.cmd = given.cmd.clone().filter(|cmd| !cmd.is_empty()).or(config.cmd.take());
    for variable in &given.env {
        let env = config.env.get_or_insert_default();
        let name = variable.split('=').next();
        env.retain(|own| own.split('=').next() != name);
        env.push(variable.clone());
    }
    if !given.labels.is_empty() {
        config.labels.get_or_insert_default().extend(given.labels.clone());
    }
    let keys = |map: &BTreeMap<String, _>| map.keys().map(|key| (key.clone(), Empty {})).collect::<Vec<_>>();
    if !given.volumes.is_empty() {
        config.volumes.get_or_insert_default().extend(keys(&given.volumes));
    }
    if !given.exposed_ports.is_empty() {
        config.exposed_ports.get_or_insert_default().extend(keys(&given.exposed_ports));
    }
    if let Some(check) = &given.healthcheck {
        config.healthcheck = Some(image_healthcheck(check));
    }
    config.stop_signal = given.stop_signal.clone().or(config.stop_signal.take());
}

fn image_healthcheck(check: &hull_docker::wire::config::Healthcheck) -> Healthcheck {
    Healthcheck {
        test: check.test.clone(),
        interval: check.interval,
        timeout: check.timeout,
        start_period: check.start_period,
        start_interval: check.start_interval,
        retries: check.retries,
    }
}

/// The container's configuration as that of an image.
fn config_of(record: &Record) -> RunConfig {
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    let list = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    // A named volume belongs to this container, so the image does not declare it for all of its containers.
    let volumes = record.mounts.iter().filter(|mount| mount.kind == MountKind::Volume && mount.anonymous);
    let volumes = volumes.map(|mount| mount.destination.display().to_string()).collect();
    let exposed = record.exposed.iter().map(ToString::to_string).collect();
    let map =
        |keys: Vec<String>| (!keys.is_empty()).then(|| keys.into_iter().map(|key| (key, Empty {})).collect());
    RunConfig {
        user: some(&record.process.user),
        env: list(&record.process.env),
        entrypoint: list(&record.process.entrypoint),
        cmd: list(&record.process.command),
        working_dir: some(&record.process.working_dir),
        labels: (!record.labels.is_empty()).then(|| record.labels.clone()),
        healthcheck: record.healthcheck.as_ref().map(image_healthcheck),
        volumes: map(volumes),
        exposed_ports: map(exposed),
        stop_signal: record.options.stop_signal.clone(),
        ..RunConfig::default()
    }
}
