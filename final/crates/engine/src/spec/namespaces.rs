//! New namespaces, the host's, or another container's.

use std::os::fd::AsRawFd;
use std::path::PathBuf;

use hull_runtime::spec::{Namespace, NamespaceKind};
use hull_storage::process_id::ProcessId;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::options::{NamespaceMode, NetworkMode};
use crate::records::record::Record;
use crate::records::state::Status;

pub(super) fn namespaces(engine: &Engine, record: &Record) -> Result<Vec<Namespace>> {
    let mut namespaces = vec![Namespace { kind: NamespaceKind::Mount, path: None }];
    for (kind, file, mode) in modes(record) {
        match mode {
            NamespaceMode::Private => namespaces.push(Namespace { kind, path: None }),
            NamespaceMode::Host => {}
            NamespaceMode::Container(other) => {
                let (_, init) = init_of(engine, &other, "join the namespaces of")?;
                let path = PathBuf::from(format!("/proc/{}/ns/{file}", init.pid));
                namespaces.push(Namespace { kind, path: Some(path) });
            }
        }
    }
    let handed = record.handed.as_ref().and_then(|handed| handed.network.as_ref());
    let path = match (handed, &record.options.network) {
        // The monitor has the descriptor, and opens the path.
        (Some(network), _) => {
            Some(PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), network.as_raw_fd())))
        }
        (None, NetworkMode::UserMode(_)) => Some(crate::net::namespace_file(engine.root(), &record.id)),
        _ => None,
    };
    if path.is_some() {
        namespaces.retain(|namespace: &Namespace| namespace.kind != NamespaceKind::Network);
        namespaces.push(Namespace { kind: NamespaceKind::Network, path });
    }
    Ok(namespaces)
}

/// Each kind of namespace, its name in /proc/PID/ns, and the mode that was asked for.
fn modes(record: &Record) -> [(NamespaceKind, &'static str, NamespaceMode); 6] {
    let options = &record.options;
    let network = match &options.network {
        NetworkMode::Default | NetworkMode::None | NetworkMode::Networks | NetworkMode::UserMode(_) => {
            NamespaceMode::Private
        }
        NetworkMode::Host => NamespaceMode::Host,
        NetworkMode::Container(id) => NamespaceMode::Container(id.clone()),
    };
    let user = match (&record.id_maps, options.userns.container()) {
        (None, _) => NamespaceMode::Host,
        (Some(_), None) => NamespaceMode::Private,
        (Some(_), Some(id)) => NamespaceMode::Container(id.to_owned()),
    };
    [
        (NamespaceKind::User, "user", user),
        (NamespaceKind::Pid, "pid", options.pid.clone()),
        (NamespaceKind::Ipc, "ipc", options.ipc.clone()),
        (NamespaceKind::Uts, "uts", options.uts.clone()),
        (NamespaceKind::Network, "net", network),
        (NamespaceKind::Cgroup, "cgroup", options.cgroupns.clone()),
    ]
}

/// The name and the first process of a running container, whose namespaces or files another container shares. `verb`
/// completes the error "cannot … container".
pub(crate) fn init_of(engine: &Engine, other: &str, verb: &'static str) -> Result<(String, ProcessId)> {
    let other = engine.find(other)?;
    let snapshot = engine.snapshot_after_start(&other.id)?;
    let state = snapshot.status.as_str();
    let init = snapshot.state.filter(|_| snapshot.status.is_active()).and_then(|state| state.init);
    match init {
        Some(init) => Ok((other.name, init)),
        None => Err(Error::WrongState { verb, name: other.name, state }),
    }
}

/// The containers whose namespaces a container joins. The paths contain pids, and before a namespace is opened its pid
/// could come to mean another process, even one of the host.
pub(crate) struct Joined(Vec<(String, ProcessId)>);

impl Joined {
    /// Called before the paths are made.
    pub(crate) fn of(engine: &Engine, record: &Record) -> Result<Self> {
        let others = modes(record).into_iter().filter_map(|(_, _, mode)| match mode {
            NamespaceMode::Container(other) => Some(other),
            NamespaceMode::Private | NamespaceMode::Host => None,
        });
        others.map(|other| init_of(engine, &other, "join the namespaces of")).collect::<Result<_>>().map(Self)
    }

    /// Called after the namespaces are open and before the program runs. A process that is still alive was alive when its
    /// namespaces were opened.
    pub(crate) fn check(&self) -> Result<()> {
        match self.0.iter().find(|(_, init)| !init.is_alive()) {
            Some((name, _)) => Err(Error::WrongState {
                verb: "join the namespaces of",
                name: name.clone(),
                state: Status::Exited.as_str(),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_has_ended_meanwhile_is_not_joined() {
        let own = ProcessId::of_self().unwrap();
        let another = ProcessId { start_time: own.start_time + 1, ..own.clone() };
        assert!(Joined(vec![("one".into(), own.clone())]).check().is_ok());
        let error = Joined(vec![("one".into(), own), ("two".into(), another)]).check().unwrap_err();
        assert_eq!(error.to_string(), "cannot join the namespaces of container two: it is exited");
    }
}
