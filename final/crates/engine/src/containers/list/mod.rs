//! The list of containers (`ps`), read without a lock.
//!
//! ```text
//! mod      reading the records       describe  a line as docker's API has it, and as `ps` words it
//! select   filters                   instance  what LXD's list adds
//! ```

mod describe;
mod instance;
mod select;

pub use select::Selection;

use std::collections::{BTreeMap, HashSet};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hull_docker::wire::config::Healthcheck;
use hull_network::ports::Port;
use rustix::fs::{CWD, Mode, OFlags};
use serde::Deserialize;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::net::{Endpoint, PublishedPort, network_names, ports_column, published_on};
use crate::records::find::directories;
use crate::records::health::{self, HealthStatus};
use crate::records::instance::Instance;
use crate::records::options::{MountOption, NetworkMode, NetworkOption, RestartPolicy};
use crate::records::record::{MountRecord, Record};
use crate::records::run_dir;
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;
use crate::records::time::Timestamp;
use crate::records::writable::Writable;

#[derive(Debug, Clone)]
pub struct Summary {
    pub id: String,
    pub name: String,
    /// The image's name as given to `run`.
    pub image: String,
    pub image_id: String,
    pub command: String,
    pub created: SystemTime,
    pub status: Status,
    /// A command has begun to stop it.
    pub is_stopping: bool,
    pub exit_code: Option<u8>,
    /// `None` for a container without a health check.
    pub health: Option<HealthStatus>,
    pub started: Option<SystemTime>,
    pub finished: Option<SystemTime>,
    pub labels: BTreeMap<String, String>,
    /// Those that were given for the container, without the image's.
    pub own_labels: BTreeMap<String, String>,
    /// Volume names and bind sources.
    pub mounts: Vec<String>,
    /// The mount points in the container.
    pub mount_points: Vec<String>,
    pub networks: Vec<String>,
    /// The ids of the networks to which the container is connected at present.
    pub network_ids: Vec<String>,
    pub ports: String,
    pub published: Vec<PublishedPort>,
    /// The exposed ports of an active container; empty for others, as in docker.
    pub exposed: Vec<Port>,
    /// Unpacked layers, lowest first, as paths below the data root.
    pub layers: Vec<PathBuf>,
    /// Why the container's record cannot be read. The other fields are then mostly empty, and only `rm -f` works on it.
    pub damage: Option<String>,
    details: Details,
}

/// What docker's API shows in addition.
#[derive(Debug, Clone, Default)]
struct Details {
    mounts: Vec<MountRecord>,
    options: OptionsHead,
    endpoints: Vec<Endpoint>,
    writable: Writable,
    instance: Instance,
    init: Option<i32>,
}

/// The part of a `container.json` that a listing needs. Skipping the rest saves time with hundreds of containers.
#[derive(Deserialize)]
struct Head {
    id: String,
    name: String,
    created: Timestamp,
    image_id: String,
    layers: Vec<PathBuf>,
    process: ProcessHead,
    mounts: Vec<MountRecord>,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    healthcheck: Option<Healthcheck>,
    #[serde(default)]
    exposed: Vec<Port>,
    options: OptionsHead,
    #[serde(default)]
    writable: Writable,
    #[serde(default)]
    instance: Instance,
}

#[derive(Deserialize)]
struct ProcessHead {
    entrypoint: Vec<String>,
    command: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct OptionsHead {
    image: String,
    labels: BTreeMap<String, String>,
    network: NetworkMode,
    networks: Vec<NetworkOption>,
    restart: RestartPolicy,
    mounts: Vec<MountOption>,
    links: Vec<(String, String)>,
    annotations: BTreeMap<String, String>,
    auto_remove: bool,
}

impl Engine {
    /// All containers, the newest first. Also cleans up what killed commands and monitors have left.
    pub fn list(&self) -> Result<Vec<Summary>> {
        let with_state: HashSet<String> =
            directories(&self.root().run().join("containers"))?.into_iter().collect();
        let mut summaries = Vec::new();
        let parent = open_directory(CWD, &self.root().containers_dir());
        for id in self.ids()? {
            // A container whose files cannot be read must not hide the others.
            match self.summarize(parent.as_ref().ok(), &id, with_state.contains(&id)) {
                Ok(summary) => summaries.extend(summary),
                Err(error) => summaries.extend(self.summarize_damaged(&id, &error)),
            }
        }
        // What cannot be cleaned up now is left to the next listing. It does not concern the list itself.
        let known = summaries.iter().map(|one| (one.id.as_str(), one.name.as_str())).collect();
        let _ = self.collect_garbage(&known, &with_state);
        summaries.sort_by_key(|summary| std::cmp::Reverse(summary.created));
        Ok(summaries)
    }

    /// The sizes of what the container has written and of its image's layers, in bytes.
    pub fn size_of(&self, one: &Summary) -> Result<(u64, u64)> {
        self.sizes(&one.id, &one.details.writable, &one.layers)
    }

    pub(crate) fn sizes(
        &self,
        id: &str,
        writable: &Writable,
        layers_of_image: &[PathBuf],
    ) -> Result<(u64, u64)> {
        let written = writable.size(&writable.home(self.root(), id))?;
        let layers = self.images().layers();
        let chains = layers_of_image.iter().filter_map(|layer| layer.parent()?.file_name()?.to_str());
        let image = chains.map(|chain| layers.size(chain)).sum::<std::result::Result<u64, _>>()?;
        Ok((written, image))
    }

    /// `None` for a container that was removed meanwhile.
    fn summarize(&self, parent: Option<&OwnedFd>, id: &str, has_state: bool) -> Result<Option<Summary>> {
        let path = self.root().container_dir(id).join("container.json");
        let directory = parent.and_then(|parent| open_directory(parent, Path::new(id)).ok());
        let head = match &directory {
            Some(directory) => hull_storage::file::read_json_in::<Head>(directory, "container.json", &path)?,
            None => None,
        };
        let Some(head) = head.filter(|head| head.id == id) else {
            // A directory without a valid record is damaged, which `load` reports, or it has just been removed.
            return match Record::load(self.root(), id) {
                Err(Error::NoSuchContainer(_)) => Ok(None),
                loaded => loaded.map(|_| None),
            };
        };
        let snapshot = match &directory {
            Some(directory) if !has_state => Snapshot::without_state_in(self.root(), id, directory)?,
            _ => Snapshot::take(self.root(), id)?,
        };
        // With it goes the lock that it was looked at with.
        drop(directory);
        let snapshot = match snapshot.status {
            Status::Dead => self.try_clear_dead(id, snapshot),
            _ => Some(snapshot),
        };
        let Some(snapshot) = snapshot else { return Ok(None) };
        // A command that was killed may have recorded this without acting on it.
        if snapshot.exit.as_ref().is_some_and(|exit| head.options.restart.is_pending(exit)) {
            self.comebacks().add(id);
        }
        let on_networks = match snapshot.status.is_active() {
            true => published_on(self.root(), id),
            false => Ok(Default::default()),
        };
        let damage = on_networks.as_ref().err().map(Error::to_string);
        let (published, endpoints) = on_networks.unwrap_or_default();
        let started = snapshot.state.as_ref().and_then(|state| state.started);
        let is_checked = head.healthcheck.as_ref().is_some_and(health::is_check);
        let health = is_checked.then(|| health::status(self.root(), id, snapshot.status, started)).flatten();
        let mut one = Summary { health, damage, ..summary(head, snapshot, published) };
        one.is_stopping = one.status.is_active() && run_dir::is_stopping(self.root(), id);
        one.network_ids = endpoints.iter().map(|endpoint| endpoint.network.id.clone()).collect();
        one.details.endpoints = endpoints;
        Ok(Some(one))
    }

    /// The summary of a container whose record is damaged. `None` if the container has been removed meanwhile.
    fn summarize_damaged(&self, id: &str, error: &Error) -> Option<Summary> {
        let made = std::fs::metadata(self.root().container_dir(id)).and_then(|dir| dir.modified()).ok()?;
        let names = hull_storage::names::of_container(self.root(), id).unwrap_or_default();
        let snapshot = Snapshot::take(self.root(), id).ok();
        let status = snapshot.as_ref().map(|snapshot| snapshot.status);
        let started = snapshot.and_then(|snapshot| snapshot.state?.started);
        Some(Summary {
            id: id.to_owned(),
            name: names.into_iter().next().unwrap_or_else(|| id[..12].to_owned()),
            image: String::new(),
            image_id: String::new(),
            command: String::new(),
            created: made,
            status: status.filter(|status| status.is_active()).unwrap_or(Status::Dead),
            is_stopping: false,
            exit_code: None,
            health: None,
            started: started.map(|time| time.0),
            finished: None,
            labels: BTreeMap::new(),
            own_labels: BTreeMap::new(),
            mounts: vec![],
            mount_points: vec![],
            networks: vec![],
            network_ids: vec![],
            ports: String::new(),
            published: vec![],
            exposed: vec![],
            layers: vec![],
            damage: Some(error.to_string()),
            details: Details::default(),
        })
    }
}

fn summary(head: Head, snapshot: Snapshot, published: Vec<PublishedPort>) -> Summary {
    let exposed = if snapshot.status.is_active() { head.exposed } else { vec![] };
    let mount_points = head.mounts.iter().map(|mount| mount.destination.display().to_string()).collect();
    let started = match (&snapshot.state, &snapshot.exit) {
        (Some(state), _) if snapshot.status.is_active() => state.started,
        (_, exit) => exit.as_ref().and_then(|exit| exit.started),
    };
    // Between two runs of a restarting container there is an exit, too.
    let runs = matches!(snapshot.status, Status::Running | Status::Paused);
    let init = snapshot.init_pid().filter(|_| runs);
    let exit = snapshot.exit.filter(|_| !runs);
    let shown =
        |mount: &MountRecord| mount.name.clone().unwrap_or_else(|| mount.source.display().to_string());
    Summary {
        command: command_line(&[head.process.entrypoint, head.process.command].concat()),
        created: head.created.0,
        status: snapshot.status,
        is_stopping: false,
        exit_code: exit.as_ref().map(|exit| exit.code),
        health: None,
        started: started.map(|time| time.0),
        finished: exit.and_then(|exit| exit.finished).map(|time| time.0),
        mounts: head.mounts.iter().map(shown).collect(),
        networks: network_names(&head.options.network, &head.options.networks),
        network_ids: vec![],
        ports: ports_column(&published, &exposed),
        published,
        exposed,
        mount_points,
        layers: head.layers,
        damage: None,
        image: head.options.image.clone(),
        id: head.id,
        name: head.name,
        image_id: head.image_id,
        labels: head.labels,
        own_labels: head.options.labels.clone(),
        details: Details {
            mounts: head.mounts,
            options: head.options,
            endpoints: vec![],
            writable: head.writable,
            instance: head.instance,
            init,
        },
    }
}
fn open_directory(parent: impl AsFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, path, flags, Mode::empty())
}

/// A command as dockerd lists it: quotes around each argument with a space, whatever quotes are in it.
fn command_line(words: &[String]) -> String {
    let quoted = |(index, word): (usize, &String)| match index > 0 && word.contains(' ') {
        true => format!("'{word}'"),
        false => word.clone(),
    };
    words.iter().enumerate().map(quoted).collect::<Vec<_>>().join(" ")
}

#[test]
fn arguments_with_spaces_are_quoted() {
    let line =
        |words: &[&str]| command_line(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    assert_eq!(line(&["sh", "-c", "echo a"]), "sh -c 'echo a'");
    assert_eq!((line(&["a b", "c"]), line(&[])), ("a b c".to_owned(), String::new()));
}
