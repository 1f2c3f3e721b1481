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
    /// LXD's properties of the image, beside those of the image that the container was made from.
    pub properties: BTreeMap<String, String>,
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

    /// Whether the container has a process.
    pub fn is_active(&self, name: &str) -> Result<bool> {
        let record = self.find(name)?;
        Ok(Snapshot::take(self.root(), &record.id)?.status.is_active())
    }

    /// Creates an image from a container, and returns the image's id.
    pub fn commit(&self, name: &str, options: &CommitOptions) -> Result<Digest> {
        self.commit_record(&self.find(name)?, options)
    }

    pub(crate) fn commit_record(&self, record: &Record, options: &CommitOptions) -> Result<Digest> {
        let mut config = options.config.as_ref().map_or_else(|| config_of(record), given);
        apply_changes(&mut config, &options.changes)?;
        if options.config.is_some() {
            config = merged(config, config_of(record));
        }
        let layer = NewLayer {
            base: Digest::parse(&record.image_id)?,
            config,
            name: options.name.clone(),
            author: options.author.clone(),
            message: options.message.clone(),
            created_by: record.process.args().join(" "),
            annotations: hull_image::lxd::properties(&options.properties),
        };
        // The base image must not be removed before the new image exists.
        let _lock = self.lock_in_use()?;
        let freezes = options.pause && Freezable::of(self, record)? == Freezable::Yes;
        let frozen = if freezes { self.freeze(record)? } else { None };
        if frozen.is_some() {
            Event::container(record, "pause").emit(self);
        }
        let was_frozen = frozen.is_some();
        let id = commit::<Error>(self.images(), &layer, |file| {
            let mut packer = Packer::new(file);
            self.send_changes(record, &mut packer)?;
            finish(packer)?;
            // The container's files have been read, and the rest works on the copy.
            drop(frozen);
            if was_frozen {
                Event::container(record, "unpause").emit(self);
            }
            Ok(())
        })?;
        self.emit_committed(&id, options.name.as_ref());
        Event::container(record, "commit")
            .with("comment", options.message.as_deref().unwrap_or_default())
            .with("imageID", &id)
            .with("imageRef", options.name.as_ref().map(Reference::familiar).unwrap_or_default())
            .emit(self);
        Ok(id)
    }
}

/// A request's configuration as that of an image.
fn given(config: &Config) -> RunConfig {
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    let list = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let keys = |map: &BTreeMap<String, _>| {
        (!map.is_empty()).then(|| map.keys().map(|key| (key.clone(), Empty {})).collect())
    };
    RunConfig {
        user: text(&config.user),
        exposed_ports: keys(&config.exposed_ports),
        env: list(&config.env),
        entrypoint: config.entrypoint.as_ref().and_then(list),
        cmd: config.cmd.as_ref().and_then(list),
        volumes: keys(&config.volumes),
        working_dir: text(&config.working_dir),
        labels: (!config.labels.is_empty()).then(|| config.labels.clone()),
        stop_signal: config.stop_signal.clone(),
        healthcheck: config.healthcheck.as_ref().map(image_healthcheck),
        on_build: list(&config.on_build),
        shell: list(&config.shell),
    }
}

/// dockerd's rules: what the container has and the request does not say is added (`runconfig` of moby, `merge`).
fn merged(given: RunConfig, own: RunConfig) -> RunConfig {
    let name = |variable: &String| variable.split('=').next().unwrap_or_default().to_owned();
    let mut env = given.env.unwrap_or_default();
    let names: Vec<String> = env.iter().map(name).collect();
    env.extend(own.env.unwrap_or_default().into_iter().filter(|own| !names.contains(&name(own))));
    let mut labels = own.labels.unwrap_or_default();
    labels.extend(given.labels.unwrap_or_default());
    let union = |given: Option<BTreeMap<String, Empty>>, own: Option<BTreeMap<String, Empty>>| {
        let all: BTreeMap<_, _> = given.into_iter().chain(own).flatten().collect();
        (!all.is_empty()).then_some(all)
    };
    // The command belongs to the entry point.
    let cmd = if given.entrypoint.is_some() { given.cmd } else { given.cmd.or(own.cmd) };
    RunConfig {
        user: given.user.or(own.user),
        exposed_ports: union(given.exposed_ports, own.exposed_ports),
        env: (!env.is_empty()).then_some(env),
        entrypoint: given.entrypoint.or(own.entrypoint),
        cmd,
        volumes: union(given.volumes, own.volumes),
        working_dir: given.working_dir.or(own.working_dir),
        labels: (!labels.is_empty()).then_some(labels),
        stop_signal: given.stop_signal.or(own.stop_signal),
        healthcheck: given.healthcheck.or(own.healthcheck),
        on_build: given.on_build.or(own.on_build),
        shell: given.shell.or(own.shell),
    }
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
        // Without one it is this.
        working_dir: some(&record.process.working_dir).filter(|directory| directory != "/"),
        labels: (!record.labels.is_empty()).then(|| record.labels.clone()),
        healthcheck: record.healthcheck.as_ref().map(image_healthcheck),
        volumes: map(volumes),
        exposed_ports: map(exposed),
        stop_signal: record.options.stop_signal.clone(),
        ..RunConfig::default()
    }
}
