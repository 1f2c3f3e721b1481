//! `inspect`: a container as docker's API describes it.
//!
//! ```text
//! mod           the container itself and its state
//! config        Config: what runs in it
//! host_config   HostConfig: what it takes of the host
//! health        State.Health: the results of health checks
//! ```
//!
//! `NetworkSettings` is in `net/inspect.rs`, and `Mounts` in `records/shown_mounts.rs`.

mod config;
mod health;
mod host_config;

use hull_docker::wire::container::{Container, State};
use hull_docker::wire::{GraphDriver, NEVER};

use crate::engine::Engine;
use crate::error::Result;
use crate::gc::limits;
use crate::net::network_settings;
use crate::records::exec_instance::{self, ExecInstance};
use crate::records::options::LogDriver;
use crate::records::record::Record;
use crate::records::shown_mounts;
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;
use crate::records::time::Timestamp;

impl Engine {
    /// [`Self::inspect`], with the bytes that the container has written, and the same with its image.
    pub fn inspect_with_size(&self, name: &str) -> Result<Container> {
        let container = self.inspect(name)?;
        let record = self.find(&container.id)?;
        let (written, image) = self.sizes(&record.id, &record.writable, &record.layers)?;
        Ok(Container { size_rw: Some(written), size_root_fs: Some(written + image), ..container })
    }

    /// What the container was made from, if its maker has said so.
    pub fn definition(&self, name: &str) -> Result<Option<String>> {
        Ok(self.find(name)?.options.definition)
    }

    /// The container's record.
    pub fn record(&self, name: &str) -> Result<Record> {
        self.find(name)
    }

    pub fn inspect(&self, name: &str) -> Result<Container> {
        let record = self.find(name)?;
        limits::settle_unlocked(self, &record.id)?;
        let snapshot = self.clear_if_dead(&record, Snapshot::take(self.root(), &record.id)?)?;
        let run_dir = self.root().container_run_dir(&record.id);
        // docker knows these paths from the first start on.
        let was_started = snapshot.status != Status::Created;
        let etc = |name: &str| match was_started {
            true => run_dir.join("etc").join(name).display().to_string(),
            false => String::new(),
        };
        let mut args = record.process.args().into_iter();
        Ok(Container {
            id: record.id.clone(),
            created: record.created.to_string(),
            path: args.next().unwrap_or_default(),
            args: args.collect(),
            state: State { health: self.health(&record, &snapshot)?, ..state(&snapshot) },
            image: record.image_id.clone(),
            resolv_conf_path: etc("resolv.conf"),
            hostname_path: etc("hostname"),
            hosts_path: etc("hosts"),
            log_path: match record.options.log.driver {
                LogDriver::JsonFile if was_started => {
                    self.root().container_dir(&record.id).join("log").display().to_string()
                }
                // docker names only the file that others may read.
                _ => String::new(),
            },
            name: format!("/{}", record.name),
            restart_count: restart_count(&snapshot),
            exec_ids: self.running_execs(&record.id),
            driver: "overlay2".into(),
            platform: "linux".into(),
            host_config: host_config::describe(self, &record),
            graph_driver: self.graph_driver(&record, &snapshot),
            mounts: shown_mounts::points(&record.mounts, &record.options.mounts),
            config: config::describe(&record),
            network_settings: network_settings(self.root(), &record, &snapshot)?,
            ..Container::default()
        })
    }

    fn running_execs(&self, id: &str) -> Vec<String> {
        let instances = exec_instance::all(self.root(), id).into_iter();
        instances.filter(ExecInstance::is_running).map(|instance| instance.created.identity.id).collect()
    }

    /// The overlay is mounted only in the container's own mount namespace. `/proc/PID/root` leads a script on the host there
    /// while the container runs.
    fn graph_driver(&self, record: &Record, snapshot: &Snapshot) -> GraphDriver {
        let merged = match snapshot.init_pid() {
            Some(pid) => format!("/proc/{pid}/root"),
            None => self.root().container_run_dir(&record.id).join("rootfs").display().to_string(),
        };
        let Some(writable) = record.writable_layer(self.root()) else {
            let data = [("ID".into(), record.id.clone()), ("MergedDir".into(), merged)].into();
            return GraphDriver { data, name: "btrfs".into() };
        };
        let private = record.private_layers(self.root()).into_iter().map(|layer| layer.upper().to_owned());
        let layers = private.chain(record.layers.iter().rev().map(|layer| self.root().data().join(layer)));
        let layers: Vec<String> = layers.map(|layer| layer.display().to_string()).collect();
        let data = [
            ("ID", record.id.clone()),
            ("LowerDir", layers.join(":")),
            ("MergedDir", merged),
            ("UpperDir", writable.upper().display().to_string()),
            ("WorkDir", writable.work().display().to_string()),
        ];
        let data = data.map(|(key, value)| (key.to_owned(), value)).into();
        GraphDriver { data, name: "overlay2".into() }
    }
}

fn state(snapshot: &Snapshot) -> State {
    // Of a paused container it would be what is inferred from a run without an end.
    let exit = snapshot.exit.clone().filter(|_| snapshot.status != Status::Paused).unwrap_or_default();
    let active = snapshot.status.is_active();
    // A container that is between two runs shows how the last one ended.
    let has_ended = !active || snapshot.status == Status::Restarting;
    let started = match &snapshot.state {
        Some(state) if active => state.started,
        _ => exit.started,
    };
    let time = |time: Option<Timestamp>| time.map_or(NEVER.into(), |time| time.to_string());
    State {
        status: snapshot.status.as_str().into(),
        running: active,
        paused: snapshot.status == Status::Paused,
        restarting: snapshot.status == Status::Restarting,
        oom_killed: has_ended && exit.oom_killed,
        dead: false,
        pid: snapshot.init_pid().unwrap_or(0),
        exit_code: if has_ended { exit.code.into() } else { 0 },
        started_at: time(started),
        finished_at: time(exit.finished),
        error: exit.error,
        health: None,
    }
}

fn restart_count(snapshot: &Snapshot) -> u32 {
    match (&snapshot.state, &snapshot.exit) {
        (Some(state), _) => state.restart_count,
        (None, Some(exit)) => exit.restart_count,
        _ => 0,
    }
}

fn text(path: &std::path::Path) -> String {
    path.display().to_string()
}
