//! The monitor's part in its container's networks.

use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use hull_network::addresses;
use hull_network::leases::{Holder, Leases};
use hull_network::mac::Mac;
use hull_network::namespace;
use hull_network::netlink::Socket;
use hull_network::pool::Pool;
use hull_network::ports::{self, EVERYWHERE, Mapping, ReservedPort, Transport};
use hull_storage::process_id::ProcessId;
use rustix::event::PollFlags;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::drivers::bridge::{self, Sockets};
use super::drivers::user_mode::{self, UserModeProcess};
use super::endpoint::{self, Endpoint, NetworkState};
use super::inspect::PublishedPort;
use super::interfaces::{attach, detach};
use super::proxy::Proxies;
use super::record::NetworkRecord;
use super::resolver::{ContainerResolver, has_resolver};
use super::{expose, stale};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::ids::random;
use crate::records::options::{NetworkMode, NetworkOption, RestartPolicy};
use crate::records::record::Record;

/// What a monitor holds for its container on its networks. The addresses and rules themselves are in `network.json`, for
/// another command may change them while the container runs.
#[derive(Default)]
pub(crate) struct Attachment {
    /// Nobody else gets these ports while the monitor lives.
    held: Vec<ReservedPort>,
    /// How many descriptors a process may have where the container comes from, if the ports took more.
    descriptors_before: Option<Rlimit>,
    /// While a start or an end lasts.
    sockets: Option<Sockets>,
    /// No other run follows this one.
    runs_once: bool,
    /// Whose rules are left to a sweep.
    ended: Vec<Endpoint>,
    /// Links whose rules and cables have gone since the container ran. Others may have come without our knowing.
    unplugged: Vec<String>,
    names: Option<ContainerResolver>,
    proxies: Proxies,
    /// In the container's namespace, likewise.
    inside: Option<Socket>,
    /// An ordinary user's.
    user_mode: Option<UserModeProcess>,
    /// The container that runs, with a process of its own.
    running: Option<(Engine, String, i32)>,
    /// The container's endpoints as last seen on disk, because the run root can be emptied while it runs.
    known: Vec<Endpoint>,
}

impl Attachment {
    /// Takes addresses and ports, and writes down what will be made. Nothing is kept when it fails.
    pub(crate) fn plan(engine: &Engine, record: &Record, monitor: &ProcessId) -> Result<Self> {
        match record.options.network {
            NetworkMode::Networks => {}
            NetworkMode::UserMode(_) => return Self::plan_carrier(engine, record),
            _ => return Ok(Self::default()),
        }
        let mut places = NetworkState::default();
        let planned = Self::take(engine, record, monitor, &mut places);
        let planned = planned.and_then(|planned| {
            places.store(engine, &record.id)?;
            Ok(planned)
        });
        if planned.is_err() {
            // The first error is the one to tell.
            let _ = release_addresses(engine, &record.id, &places.endpoints);
        }
        planned
    }

    /// Chooses the ports that a program is to listen on. It takes them itself: until then they are held here.
    fn plan_carrier(engine: &Engine, record: &Record) -> Result<Self> {
        let held = ports::reserve(&record.mappings(), EVERYWHERE)?;
        let places = NetworkState {
            carried: held.iter().map(PublishedPort::from).collect(),
            ..NetworkState::default()
        };
        places.store(engine, &record.id)?;
        Ok(Self { held, ..Self::default() })
    }

    fn take(
        engine: &Engine,
        record: &Record,
        monitor: &ProcessId,
        places: &mut NetworkState,
    ) -> Result<Self> {
        let mut sockets = Sockets::open()?;
        for (number, option) in record.options.networks.iter().enumerate() {
            let interface = format!("eth{number}");
            places.endpoints.push(allocate_endpoint(
                engine,
                record,
                option,
                interface,
                monitor,
                &mut sockets,
            )?);
        }
        let mut attachment = Self { sockets: Some(sockets), ..Self::default() };
        let mappings = record.mappings();
        attachment.descriptors_before = allow_descriptors(2 * mappings.len());
        attachment.held = reserve_ports(places, &mappings)?;
        Ok(attachment)
    }

    /// What has to be there before the container's first process: the namespace that it joins, if it does not make it.
    pub(crate) fn prepare(&mut self, engine: &Engine, record: &Record) -> Result<()> {
        if let NetworkMode::UserMode(program) = record.options.network {
            // Its program takes them now.
            self.held.clear();
            let ports = NetworkState::load(engine, &record.id)?.carried;
            let directory = engine.root().container_run_dir(&record.id);
            self.user_mode = Some(user_mode::start(program, &directory, &ports)?);
        }
        Ok(())
    }

    /// The container's first process is in its namespaces.
    pub(crate) fn joined(&mut self) {
        self.user_mode.iter_mut().for_each(UserModeProcess::let_go);
    }

    /// Plugs the container in: `pid` is any process in its network namespace.
    pub(crate) fn connect(&mut self, engine: &Engine, record: &Record, pid: i32) -> Result<()> {
        if let Some(user_mode) = &self.user_mode {
            return user_mode.await_ready(&NetworkState::load(engine, &record.id)?.carried);
        }
        self.runs_once = record.options.restart == RestartPolicy::No;
        let endpoints = endpoint::endpoints(engine, &record.id)?;
        self.known.clone_from(&endpoints);
        self.running = Some((engine.clone(), record.id.clone(), pid));
        // Somebody who looks in by a name is no reason not to start.
        let _ = expose::follow(engine, &record.id, pid);
        if endpoints.is_empty() {
            return Ok(());
        }
        let inside = namespace::of_process(pid)?;
        self.unplugged.clear();
        attach(engine, &endpoints, &inside, self.sockets()?)?;
        if has_resolver(&endpoints) {
            let (names, socket) = ContainerResolver::open(engine, record, &endpoints, &inside)?;
            self.names = Some(names);
            self.inside = Some(socket);
        }
        Ok(())
    }

    /// The limit that the container is to have, where the monitor's own is another.
    pub(crate) fn descriptor_limit(&self) -> Option<&Rlimit> {
        self.descriptors_before.as_ref()
    }

    /// What the monitor is to poll.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let held = if self.running.is_some() { self.held.as_slice() } else { &[] };
        let names = self.names.iter().flat_map(|names| names.resolver.descriptors());
        names.chain(self.proxies.descriptors(held))
    }

    /// When [`Self::serve`] is due though nothing has come.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.names.as_ref().and_then(|names| names.resolver.timeout())
    }

    pub(crate) fn serve(&mut self) {
        self.names.iter_mut().for_each(ContainerResolver::serve);
        if let Some((engine, id, _)) = &self.running {
            // Without a known endpoint there is no target, and the connection is closed.
            self.proxies.serve(&self.held, || endpoint::endpoints(engine, id).unwrap_or_default());
        }
    }

    /// Follows a change of the container's networks. True if the container has just got a resolver of its own, which
    /// its resolv.conf has to name.
    pub(crate) fn refresh(&mut self) -> Result<bool> {
        let Some((engine, id, pid)) = &self.running else { return Ok(false) };
        let endpoints = endpoint::endpoints(engine, id)?;
        self.known.clone_from(&endpoints);
        if let Some(names) = &mut self.names {
            names.refresh();
            return Ok(false);
        }
        let needs_resolver = has_resolver(&endpoints);
        if needs_resolver {
            let record = Record::load(engine.root(), id)?;
            let (names, socket) =
                ContainerResolver::open(engine, &record, &endpoints, &namespace::of_process(*pid)?)?;
            self.names = Some(names);
            self.inside = Some(socket);
        }
        Ok(needs_resolver)
    }

    /// Opened once, and not closed before [`Self::settle`]: closing them waits for the kernel.
    fn sockets(&mut self) -> Result<&mut Sockets> {
        match &mut self.sockets {
            Some(sockets) => Ok(sockets),
            none => Ok(none.insert(Sockets::open()?)),
        }
    }

    /// Closes what only a start needs, when nobody waits for us.
    pub(crate) fn settle(&mut self) {
        self.sockets = None;
        self.inside = None;
    }

    /// The container has ended: its rules go, its addresses and ports stay for another run.
    pub(crate) fn disconnect(&mut self, engine: &Engine, id: &str) -> Result<()> {
        self.proxies.end();
        // Its sockets would keep the namespace.
        (self.names, self.inside, self.running, self.user_mode) = (None, None, None, None);
        let suspended = expose::suspend(engine, id);
        let mut endpoints = self.endpoints(engine, id)?;
        endpoints.retain(|endpoint| !self.unplugged.contains(&endpoint.link));
        if endpoints.is_empty() {
            return suspended;
        }
        // If the run root was emptied, nobody would find the note that asks for a sweep.
        let is_quiet = self.runs_once
            && endpoint::changed(engine, id).is_some()
            && endpoints.iter().all(|endpoint| endpoint.published.is_empty());
        detach(engine, id, &endpoints, !is_quiet, self.sockets()?)?;
        if is_quiet {
            self.ended.extend(endpoints.iter().cloned());
        }
        self.unplugged.extend(endpoints.into_iter().map(|endpoint| endpoint.link));
        suspended
    }

    /// The container's endpoints from disk, or the last known ones if the file is gone or damaged.
    fn endpoints(&self, engine: &Engine, id: &str) -> Result<Vec<Endpoint>> {
        match endpoint::endpoints(engine, id) {
            Ok(found) if !found.is_empty() || endpoint::changed(engine, id).is_some() => Ok(found),
            Err(error) if !error.is_damage() => Err(error),
            _ => Ok(self.known.clone()),
        }
    }

    /// Ends all of it. What could not be undone is reported after the rest is.
    pub(crate) fn release(&mut self, engine: &Engine, id: &str) -> Result<()> {
        let endpoints = self.endpoints(engine, id)?;
        let unplugged = self.disconnect(engine, id);
        // A port that is free has no rule any more.
        self.held.clear();
        let given = release_addresses(engine, id, &endpoints);
        // Only now: an address that somebody still has stays with them.
        let ended = std::mem::take(&mut self.ended);
        let left =
            if ended.is_empty() { Ok(()) } else { stale::leave(engine, &ended, &mut self.sockets()?.filter) };
        let hidden = expose::forget(engine, id);
        unplugged.and(given).and(left).and(hidden).and_then(|()| endpoint::forget(engine, id))?;
        if endpoints.is_empty() {
            Ok(())
        } else {
            stale::sweep_if_due(engine, &endpoints, &mut self.sockets()?.filter)
        }
    }
}

/// Each port is a socket. Raises the limit of descriptors as far as everybody may; what it was, if that was too low.
fn allow_descriptors(ports: usize) -> Option<Rlimit> {
    let before = getrlimit(Resource::Nofile);
    let enough = before.current.is_none_or(|limit| limit > ports as u64 + OTHER_DESCRIPTORS);
    let raised = Rlimit { current: before.maximum, maximum: before.maximum };
    (!enough && setrlimit(Resource::Nofile, raised).is_ok()).then_some(before)
}

/// More than a monitor has otherwise: a few, and one or two for each client.
const OTHER_DESCRIPTORS: u64 = 256;

/// An address from each of the network's pools.
pub(super) fn allocate_endpoint(
    engine: &Engine,
    record: &Record,
    option: &NetworkOption,
    interface: String,
    monitor: &ProcessId,
    sockets: &mut Sockets,
) -> Result<Endpoint> {
    let (network, bridge) = bridge::ready(engine, &option.network, sockets)?;
    // From here on the network is not removed: a lease is seen.
    let _lock = engine.lock_network_in_use(&network.name)?;
    engine.check_network(&network.name)?;
    let mut names = vec![record.name.clone()];
    names.extend(option.aliases.iter().cloned());
    let holder = Holder { container: record.id.clone(), names, process: monitor.clone() };
    let leases = Leases::open(engine.root().run(), &network.name)?;
    if leases.is_new() {
        // The machine has started, or somebody has emptied the run directory. What cannot be cleared is in nobody's way yet.
        let plugged_in = super::reload::sweep(engine, sockets).unwrap_or_default();
        let here = plugged_in.into_iter().filter(|(_, link)| link.master == Some(bridge));
        leases.learn(here.map(|(address, link)| (address, link.name)))?;
    }
    let mut addresses = Vec::new();
    for pool in &pools(&network, &mut sockets.route)? {
        let asked =
            if pool.subnet().is_ipv6() { option.ip6.map(IpAddr::V6) } else { option.ip.map(IpAddr::V4) };
        let taken = match asked {
            Some(address) => leases.take_address(pool, address, &holder).map(|()| address),
            None => leases.take(pool, &holder),
        };
        match taken {
            Ok(address) => addresses.push(address),
            Err(error) => {
                addresses.iter().for_each(|address| drop(leases.release(*address, &record.id)));
                return Err(error.into());
            }
        }
    }
    let first = addresses.first().copied().unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let [a, b, c, d] = random()?;
    Ok(Endpoint {
        link: format!("veth{:07x}", u32::from_be_bytes([a & 0xf, b, c, d])),
        interface,
        mac: option.mac.unwrap_or_else(|| Mac::for_address(first)),
        addresses,
        aliases: option.aliases.clone(),
        published: Vec::new(),
        network,
    })
}

/// What there is to give. On a LAN the host's own addresses are not.
fn pools(network: &NetworkRecord, route: &mut Socket) -> Result<Vec<Pool>> {
    let mut pools = network.pools.clone();
    if network.driver.is_on_lan() {
        let of_host: Vec<_> = addresses::list(route, None)?.into_iter().map(|address| address.ip).collect();
        pools = pools.into_iter().map(|pool| pool.keeping(of_host.iter().copied())).collect();
    }
    Ok(pools)
}

/// Takes ports of the host for the container's.
fn reserve_ports(places: &mut NetworkState, mappings: &[Mapping]) -> Result<Vec<ReservedPort>> {
    // What is said of a network's ports counts for the one they are led over.
    let network = places.endpoints.iter().map(|endpoint| &endpoint.network).find(|n| n.has_ingress());
    let on_lan = |endpoint: &&Endpoint| endpoint.network.driver.is_on_lan();
    if let (None, false, Some(endpoint)) =
        (network, mappings.is_empty(), places.endpoints.iter().find(on_lan))
    {
        let why = "its containers are on the LAN, where all their ports are open; leave -p out".into();
        let what = format!("port of a container on network {}", endpoint.network.name);
        return Err(Error::Invalid { what, why });
    }
    let host_ip = network.and_then(|network| network.host_ip);
    let mut held = ports::reserve(mappings, host_ip.unwrap_or(EVERYWHERE))?;
    let has_ipv6 = network.is_some_and(|network| network.has_ipv6());
    // A port without an address is published on all addresses of both families, under the same number.
    let everywhere = mappings.iter().zip(&held).filter(|(mapping, _)| mapping.host_ip.is_none());
    let both: Vec<_> = everywhere
        .filter(|_| host_ip.is_none())
        .map(|(mapping, held)| {
            let port = held.host.port();
            let loopback = (!has_ipv6).then_some(IpAddr::from(Ipv6Addr::LOCALHOST));
            Mapping { host: Some((port, port)), host_ip: loopback, ..mapping.clone() }
        })
        .collect();
    if has_ipv6 {
        held.extend(ports::reserve(&both, Ipv6Addr::UNSPECIFIED.into())?);
    }
    let (proxied, led): (Vec<_>, Vec<_>) = held
        .iter()
        .map(PublishedPort::from)
        .partition(|port| needs_proxy(port, has_ipv6) && network.is_some());
    let name = network.map(|network| network.name.clone());
    (places.proxied, places.waiting) = (proxied, led);
    places.publish();
    if !has_ipv6 {
        // A failure is ignored: the host may have no IPv6, or a server of its own at ::1.
        let at_loopback = both.iter().filter(|mapping| mapping.container.transport == Transport::Tcp);
        let at_loopback =
            at_loopback.filter_map(|mapping| ports::reserve(std::slice::from_ref(mapping), EVERYWHERE).ok());
        held.extend(at_loopback.flatten());
    }
    held.iter_mut().for_each(ReservedPort::listen);
    match (places.waiting.first(), name) {
        (Some(port), Some(network)) => Err(Error::Invalid {
            what: format!("port mapping {} to {}", port.host, port.container),
            why: format!("network {network} has no addresses of that family"),
        }),
        _ => Ok(held),
    }
}

/// True for a port that no nftables rule can forward, so that a process copies its connections.
fn needs_proxy(port: &PublishedPort, has_ipv6: bool) -> bool {
    let IpAddr::V6(ip) = port.host.ip() else { return false };
    port.container.transport == Transport::Tcp && (ip.is_loopback() || !has_ipv6)
}

/// Ends the leases; the addresses rest.
pub(super) fn release_addresses(engine: &Engine, id: &str, endpoints: &[Endpoint]) -> Result<()> {
    let mut first = Ok(());
    // If the run root was emptied, the leases have gone with it.
    let there = |endpoint: &&Endpoint| engine.network_run_dir(&endpoint.network.name).exists();
    for endpoint in endpoints.iter().filter(there) {
        let leases = Leases::open(engine.root().run(), &endpoint.network.name)?;
        for address in &endpoint.addresses {
            let released = leases.release(*address, id).map_err(Error::from);
            first = first.and(released);
        }
    }
    first
}

/// Where the container reaches the host: at the gateway of its first network whose gateway the host is.
pub(crate) fn gateway(endpoints: &[Endpoint]) -> Option<IpAddr> {
    let behind_host = endpoints.iter().filter(|endpoint| !endpoint.network.driver.is_on_lan());
    behind_host.flat_map(|endpoint| &endpoint.network.pools).map(Pool::gateway).next()
}
