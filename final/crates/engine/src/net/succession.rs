//! A container that starts beside the one that it is to replace, and takes over its ports and aliases once it is ready:
//! at each moment one of the two answers.
//!
//! ```text
//! start      the new monitor gets duplicates of the sockets that reserve the ports; nothing is forwarded to it
//! take over  one nftables transaction; its aliases on its networks; then the old container loses both
//! ```
//!
//! If the command is killed in between, the new container takes over when the old one's monitor ends.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use hull_network::conntrack::forget_udp;
use hull_network::ports::ReservedPort;
use hull_storage::root::Root;
use hull_sys::process::{pidfd_getfd, pidfd_open};

use super::context::{Sockets, table};
use super::endpoint::{self, Endpoint, NetworkState};
use super::{interfaces, publish, resolver};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::records::options::NetworkMode;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;

/// What a new container's monitor gets of the container that it succeeds.
#[derive(Debug)]
pub(crate) struct Succession {
    /// The old container's id.
    pub id: String,
    /// Its monitor's pidfd.
    monitor: OwnedFd,
    pub reserved: Vec<ReservedPort>,
}

impl Succession {
    /// `None` if the old container does not run: then there is nothing to take over.
    pub(crate) fn of(engine: &Engine, record: &Record, old: &Record) -> Result<Option<Self>> {
        check(record)?;
        let snapshot = Snapshot::take(engine.root(), &old.id)?;
        let Some(state) = snapshot.state.filter(|_| snapshot.status.is_active()) else { return Ok(None) };
        let what = || format!("take over the ports of container {}", old.name);
        let monitor = pidfd_open(state.monitor.pid).context(what)?;
        if !state.monitor.is_alive() {
            return Ok(None);
        }
        let state_of_net = NetworkState::load(engine.root(), &old.id)?;
        let published = state_of_net.endpoints.iter().flat_map(|endpoint| &endpoint.published);
        let mut ports: Vec<_> =
            published.map(|one| (one.host.port(), one.container.port(), one.transport)).collect();
        let others = state_of_net.proxied.iter().chain(&state_of_net.unpublished);
        ports.extend(others.map(|one| (one.host.port(), one.container.number, one.container.transport)));
        let ports: Vec<_> = ports
            .into_iter()
            .map(|(host, number, transport)| (host, hull_network::ports::Port { number, transport }))
            .collect();
        let reserved = if ports.is_empty() {
            vec![]
        } else {
            sockets(&monitor, state.monitor.pid, &ports).context(what)?
        };
        Ok(Some(Self { id: old.id.clone(), monitor, reserved }))
    }

    /// Those that the new monitor keeps.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.reserved.iter().map(ReservedPort::socket).chain([self.monitor.as_fd()])
    }

    /// The descriptor that is readable when the old monitor has ended.
    pub(super) fn monitor(&self) -> BorrowedFd<'_> {
        self.monitor.as_fd()
    }

    pub(super) fn has_ended(&self) -> bool {
        hull_sys::wait::until_readable(&self.monitor, Some(Duration::ZERO)) == Ok(true)
    }
}

/// An address of its own choice can be had by one container only.
fn check(record: &Record) -> Result<()> {
    let options = &record.options;
    let why = match options.network {
        NetworkMode::Networks => {
            match options.networks.iter().find(|one| one.ip.is_some() || one.ip6.is_some()) {
                Some(fixed) => format!("it has a fixed address on network {}", fixed.network),
                None => return Ok(()),
            }
        }
        _ => "it has no network of its own".to_owned(),
    };
    Err(Error::Unsupported(format!(
        "container {} cannot run beside the one that it replaces: {why}",
        record.name
    )))
}

/// Duplicates of a monitor's sockets that reserve ports.
fn sockets(
    monitor: &OwnedFd,
    pid: i32,
    ports: &[(u16, hull_network::ports::Port)],
) -> std::io::Result<Vec<ReservedPort>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        let is_socket = std::fs::read_link(entry.path())
            .is_ok_and(|target| target.to_string_lossy().starts_with("socket:"));
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let (true, Some(number)) = (is_socket, number) {
            found.extend(ReservedPort::shared(pidfd_getfd(monitor.as_fd(), number)?, ports));
        }
    }
    Ok(found)
}

impl Engine {
    /// Gives a container the ports and aliases of the one that it succeeds, which keeps running without them. Changes
    /// nothing if it has them.
    pub fn take_over(&self, new: &str, old: &str) -> Result<()> {
        let (new, old) = (self.resolve(new)?, self.resolve(old)?);
        {
            let _lock = self.lock(&new)?;
            let _old_lock = self.lock(&old)?;
            if !take_over(self.root(), &Record::load(self.root(), &new)?)? {
                return Ok(());
            }
            give_up(self.root(), &Record::load(self.root(), &old)?)?;
        }
        // The old one stops accepting first: connections wait in the socket that both have.
        for id in [&old, &new] {
            if let Some(running) = self.running(id)? {
                running.notify_networks_changed(id)?;
            }
        }
        Ok(())
    }
}

/// False if there was nothing to take over.
pub(super) fn take_over(root: &Root, record: &Record) -> Result<bool> {
    let mut state = NetworkState::load(root, &record.id)?;
    let Some(old) = state.succeeds.take() else { return Ok(false) };
    for endpoint in &mut state.endpoints {
        let option = record.options.networks.iter().find(|option| option.network == endpoint.network.name);
        endpoint.aliases = option.map(|option| option.aliases.clone()).unwrap_or_default();
    }
    publish::release_held(&mut state);
    let before: Vec<Endpoint> = NetworkState::load(root, &old).map(|old| old.endpoints).unwrap_or_default();
    // What is about to be made is recorded first.
    state.store(root, &record.id)?;
    let mut sockets = Sockets::open()?;
    let (from, to) = (endpoint::rules(&before), endpoint::rules(&state.endpoints));
    table(root).move_ports(&mut sockets.filter, &from, &to)?;
    forget_udp(&mut sockets.filter, &interfaces::udp_ports(&state.endpoints))?;
    resolver::rename(root, record)?;
    Ok(true)
}

/// The ports are another container's, and so are the aliases.
fn give_up(root: &Root, record: &Record) -> Result<()> {
    let mut state = NetworkState::load(root, &record.id)?;
    state.endpoints.iter_mut().for_each(|endpoint| {
        endpoint.published.clear();
        endpoint.aliases.clear();
    });
    state.proxied.clear();
    state.unpublished.clear();
    state.is_succeeded = true;
    state.store(root, &record.id)?;
    resolver::rename(root, record)
}
