//! New namespaces, the host's, or another container's.

use std::path::PathBuf;

use hull_runtime::spec::{Namespace, NamespaceKind};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::options::{NamespaceMode, NetworkMode};
use crate::record::Record;
use crate::state::Snapshot;

pub(super) fn namespaces(engine: &Engine, record: &Record) -> Result<Vec<Namespace>> {
    let options = &record.options;
    let network = match &options.network {
        NetworkMode::Default | NetworkMode::None | NetworkMode::Networks => NamespaceMode::Private,
        NetworkMode::Host => NamespaceMode::Host,
        NetworkMode::Container(id) => NamespaceMode::Container(id.clone()),
    };
    let mut namespaces = vec![Namespace { kind: NamespaceKind::Mount, path: None }];
    for (kind, file, mode) in [
        (NamespaceKind::Pid, "pid", &options.pid),
        (NamespaceKind::Ipc, "ipc", &options.ipc),
        (NamespaceKind::Uts, "uts", &options.uts),
        (NamespaceKind::Network, "net", &network),
        (NamespaceKind::Cgroup, "cgroup", &options.cgroupns),
    ] {
        match mode {
            NamespaceMode::Private => namespaces.push(Namespace { kind, path: None }),
            NamespaceMode::Host => {}
            NamespaceMode::Container(other) => {
                namespaces.push(Namespace { kind, path: Some(path_of(engine, other, file)?) });
            }
        }
    }
    Ok(namespaces)
}

fn path_of(engine: &Engine, other: &str, file: &str) -> Result<PathBuf> {
    let other = engine.find(other)?;
    let snapshot = Snapshot::take(engine.root(), &other.id)?;
    let pid = snapshot.init_pid().ok_or(Error::WrongState {
        verb: "join the namespaces of",
        name: other.name,
        state: snapshot.status.as_str(),
    })?;
    Ok(PathBuf::from(format!("/proc/{pid}/ns/{file}")))
}
