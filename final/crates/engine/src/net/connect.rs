//! `network connect` and `network disconnect`, of running and of stopped containers.
//!
//! A running container's new endpoint is leased to its monitor's process, as if the monitor had allocated it. The monitor
//! reads it from `network.json`. All of this happens under the container's lock.

use std::net::IpAddr;
use std::os::fd::AsFd;

use hull_network::conntrack::forget_udp;
use hull_network::namespace;
use hull_network::netlink::{Protocol, Socket};
use hull_storage::process_id::ProcessId;
use hull_storage::root::Root;

use super::context::{Context, Sockets, table};
use super::endpoint::{self, Endpoint, NetworkState};
use super::record::NetworkRecord;
use super::{allocate, events, interfaces, store};
use crate::engine::Engine;
use crate::error::{Error, Errors, Result};
use crate::records::options::{NetworkMode, NetworkOption};
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::State;

impl Engine {
    /// Connects a container to one more network.
    pub fn connect(&self, container: &str, option: &NetworkOption) -> Result<()> {
        let id = self.resolve(container)?;
        let network = match option.network.as_str() {
            super::DEFAULT => super::DEFAULT.to_owned(),
            name => {
                let network = store::find(self.root(), name)?;
                check_addresses(&network, option)?;
                network.name
            }
        };
        let option = &NetworkOption { network: network.clone(), ..option.clone() };
        let lock = self.lock(&id)?;
        let mut record = Record::load(self.root(), &id)?;
        check_mode(&record, "connect")?;
        if record.options.networks.iter().any(|other| other.network == network) {
            return Err(Error::Connected { container: record.name, network });
        }
        let snapshot = Snapshot::take(self.root(), &id)?;
        let running = snapshot.state.filter(|_| snapshot.status.is_active());
        if let Some(state) = &running {
            add_endpoint(self.network_context(), &record, option, state)?;
        }
        record.options.networks.push(option.clone());
        record.store(&self.root().container_dir(&record.id))?;
        if running.is_some() {
            self.emit_connection(&record, &network, "connect");
        }
        drop(lock);
        self.notify_monitor(&record)
    }

    /// Disconnects a container from a network.
    pub fn disconnect(&self, container: &str, network: &str) -> Result<()> {
        let id = self.resolve(container)?;
        let _lock = self.lock(&id)?;
        let mut record = Record::load(self.root(), &id)?;
        check_mode(&record, "disconnect")?;
        let name = match store::find(self.root(), network) {
            Ok(found) => found.name,
            // A container's record can name a network that has been removed.
            Err(Error::NoSuchNetwork(name)) => name,
            Err(error) => return Err(error),
        };
        if !record.options.networks.iter().any(|other| other.network == name) {
            return Err(Error::NotConnected { container: record.name, network: name });
        }
        let mut state = NetworkState::load(self.root(), &id)?;
        if let Some(removed) = state.remove(&name) {
            let mut sockets = Sockets::open()?;
            remove_endpoint(self.root(), &record, &removed, &state, &mut sockets)?;
            if let Some(pid) = Snapshot::take(self.root(), &id)?.init_pid() {
                move_routes_and_ports(self.root(), &state.endpoints, pid, &mut sockets)?;
            }
        }
        record.options.networks.retain(|other| other.network != name);
        record.store(&self.root().container_dir(&id))?;
        self.emit_connection(&record, &name, "disconnect");
        Ok(())
    }

    /// A network that has been removed meanwhile has no event.
    fn emit_connection(&self, record: &Record, network: &str, action: &str) {
        if let Ok(network) = store::find(self.root(), network) {
            events::of_network(&network, action).with("container", &record.id).emit(self);
        }
    }

    /// Has the container's monitor read the endpoints, and returns when its resolver answers by them.
    pub(crate) fn notify_monitor(&self, record: &Record) -> Result<()> {
        self.running(&record.id)?.map_or(Ok(()), |running| running.notify_networks_changed(&record.name))
    }
}

/// Connects a running container to a network of its record, unless it is connected. True if it was not.
pub(crate) fn plug(
    context: Context<'_>,
    record: &Record,
    option: &NetworkOption,
    state: &State,
) -> Result<bool> {
    let endpoints = endpoint::endpoints(context.root, &record.id)?;
    if endpoints.iter().any(|endpoint| endpoint.network.name == option.network) {
        return Ok(false);
    }
    add_endpoint(context, record, option, state).map(|()| true)
}

/// Disconnects a running container from a network, if it is connected. True if it was.
pub(crate) fn unplug(root: &Root, record: &Record, network: &str, init: &ProcessId) -> Result<bool> {
    let mut state = NetworkState::load(root, &record.id)?;
    let Some(removed) = state.remove(network) else { return Ok(false) };
    let mut sockets = Sockets::open()?;
    remove_endpoint(root, record, &removed, &state, &mut sockets)?;
    move_routes_and_ports(root, &state.endpoints, init.pid, &mut sockets)?;
    Ok(true)
}

/// Allocates an endpoint for a running container, records it and attaches the container. Nothing stays when it fails.
fn add_endpoint(context: Context<'_>, record: &Record, option: &NetworkOption, state: &State) -> Result<()> {
    let mut before = NetworkState::load(context.root, &record.id)?;
    let mut sockets = Sockets::open()?;
    // A command that was killed has recorded the endpoint, and may not have made all of it.
    if let Some(left) = before.remove(&option.network) {
        remove_endpoint(context.root, record, &left, &before, &mut sockets)?;
    }
    let is_taken = |name: &str| {
        before.endpoints.iter().any(|endpoint| endpoint.interface == name)
            || record.options.plugged.has_link(name)
    };
    let interface = match option.interface() {
        Some(name) if is_taken(name) => {
            return Err(Error::Invalid {
                what: format!("interface {name}"),
                why: "the container has one".into(),
            });
        }
        Some(name) => name.to_owned(),
        None => free_interface(is_taken),
    };
    let new = allocate::allocate(context, record, option, interface, &state.monitor, &mut sockets)?;
    let mut after = before.clone();
    after.endpoints.push(new.clone());
    // Ports that could not be published until now may be published over this network.
    after.publish();
    let endpoint = after.endpoints.last().unwrap_or(&new);
    let attached = after.store(context.root, &record.id).and_then(|()| match &state.init {
        Some(init) => {
            let inside = namespace::of_process(init.pid)?;
            interfaces::attach(context, std::slice::from_ref(endpoint), &inside, &mut sockets)?;
            match before.endpoints.iter().all(|other| other.gw_priority < endpoint.gw_priority) {
                true => interfaces::renew_default_routes(&after.endpoints, &inside),
                false => Ok(()),
            }
        }
        // The container waits to be restarted, and the restart attaches it.
        None => Ok(()),
    });
    attached.map_err(|error| {
        error.with_undo(remove_endpoint(context.root, record, endpoint, &before, &mut sockets))
    })
}

/// Removes an endpoint of a running container, and records those that `rest` has. The interface goes first, because without
/// it no packet passes.
fn remove_endpoint(
    root: &Root,
    record: &Record,
    removed: &Endpoint,
    rest: &NetworkState,
    sockets: &mut Sockets,
) -> Result<()> {
    let removed = std::slice::from_ref(removed);
    let mut errors = Errors::default();
    errors.note(interfaces::delete(root, &record.id, removed, &mut sockets.route));
    errors.note(table(root).detach(&mut sockets.filter, &endpoint::rules(removed)));
    errors.note(forget_udp(&mut sockets.filter, &interfaces::udp_ports(removed)));
    errors.note(allocate::release(root, &record.id, removed));
    // If anything is left, the record keeps the endpoint, so that another attempt can remove it.
    errors.into_result()?;
    rest.store(root, &record.id)
}

/// Forwards the published ports to the remaining endpoints, and adds a default route if the removed one had it.
fn move_routes_and_ports(root: &Root, endpoints: &[Endpoint], pid: i32, sockets: &mut Sockets) -> Result<()> {
    interfaces::forward_ports(root, endpoints, sockets)?;
    let inside = namespace::of_process(pid)?;
    let mut inner = Socket::inside(inside.as_fd(), Protocol::Route)?;
    for ipv6 in [false, true] {
        interfaces::add_default_route(endpoints, ipv6, &mut inner)?;
    }
    Ok(())
}

/// A container that does not run yet would learn of a wrong address only at its start.
fn check_addresses(network: &NetworkRecord, option: &NetworkOption) -> Result<()> {
    let asked = [option.ip.map(IpAddr::from), option.ip6.map(IpAddr::from)];
    for address in asked.into_iter().flatten() {
        if !network.pools.iter().any(|pool| pool.subnet().contains(address)) {
            let why = format!("no subnet of network {} contains it", network.name);
            return Err(Error::Invalid { what: format!("address {address}"), why });
        }
    }
    Ok(())
}

fn check_mode(record: &Record, verb: &str) -> Result<()> {
    let why = match &record.options.network {
        NetworkMode::Networks => return Ok(()),
        NetworkMode::Host => "it has the host's network".to_owned(),
        NetworkMode::Container(_) => "it has another container's network".to_owned(),
        NetworkMode::UserMode(program) => format!("it has a user-mode network ({})", program.name()),
        NetworkMode::Default | NetworkMode::None => "it was made with --network none".to_owned(),
    };
    Err(Error::Unsupported(format!("cannot {verb} container {}: {why}", record.name)))
}

fn free_interface(is_taken: impl Fn(&str) -> bool) -> String {
    let mut number = 0;
    loop {
        let name = format!("eth{number}");
        if !is_taken(&name) {
            return name;
        }
        number += 1;
    }
}
