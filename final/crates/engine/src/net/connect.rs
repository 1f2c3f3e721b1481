//! `network connect` and `disconnect`, of running and of stopped containers.
//!
//! A running container's new place is held by its monitor's process, as if the monitor had taken it, and the monitor
//! finds it in `network.json` when the container ends. All of it happens under the container's lock.

use hull_network::conntrack::forget_udp;
use hull_network::namespace;
use hull_network::netlink::{Protocol, Socket};

use super::attachment::{allocate_endpoint, release_addresses};
use super::drivers::bridge::{self, Sockets};
use super::endpoint::{Endpoint, NetworkState};
use super::interfaces::{add_default_route, attach, forward_ports, remove_interfaces, udp_ports};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::options::{NetworkMode, NetworkOption};
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::State;

impl Engine {
    /// Puts a container on one more network.
    pub fn connect(&self, container: &str, option: &NetworkOption) -> Result<()> {
        let id = self.resolve(container)?;
        let network = match option.network.as_str() {
            super::DEFAULT => super::DEFAULT.to_owned(),
            name => self.find_network(name)?.name,
        };
        let option = &NetworkOption { network: network.clone(), ..option.clone() };
        let lock = self.lock(&id)?;
        let mut record = Record::load(self.root(), &id)?;
        check_mode(&record, "connect")?;
        if record.options.networks.iter().any(|there| there.network == network) {
            return Err(Error::Invalid {
                what: format!("connection of {} to {network}", record.name),
                why: "it is on that network already".into(),
            });
        }
        let snapshot = Snapshot::take(self.root(), &id)?;
        let running = snapshot.state.filter(|_| snapshot.status.is_active());
        if let Some(state) = &running {
            self.plug_into(&record, option, state)?;
        }
        record.options.networks.push(option.clone());
        record.store(&self.root().container_dir(&id))?;
        drop(lock);
        self.tell_monitor(&record)
    }

    /// Whose names they are.
    fn tell_monitor(&self, record: &Record) -> Result<()> {
        self.running(&record.id)?.map_or(Ok(()), |running| running.notify_networks_changed(&record.name))
    }

    fn plug_into(&self, record: &Record, option: &NetworkOption, state: &State) -> Result<()> {
        let before = NetworkState::load(self, &record.id)?;
        let mut sockets = Sockets::open()?;
        let interface = free_interface(&before.endpoints);
        let place = allocate_endpoint(self, record, option, interface, &state.monitor, &mut sockets)?;
        let mut after = before.clone();
        after.endpoints.push(place.clone());
        // Ports that waited for a network with a way in are led over this one.
        after.publish();
        let place = after.endpoints.last().unwrap_or(&place);
        let plugged = after.store(self, &record.id).and_then(|()| match &state.init {
            Some(init) => {
                let inside = namespace::of_process(init.pid)?;
                attach(self, std::slice::from_ref(place), &inside, &mut sockets)
            }
            // Between a death and the next start, which will plug it in.
            None => Ok(()),
        });
        if plugged.is_err() {
            // The first error is the one to tell.
            let _ = self.take_away(record, place, &before, &mut sockets);
        }
        plugged
    }

    /// Takes a container off a network.
    pub fn disconnect(&self, container: &str, network: &str) -> Result<()> {
        let id = self.resolve(container)?;
        let _lock = self.lock(&id)?;
        let mut record = Record::load(self.root(), &id)?;
        check_mode(&record, "disconnect")?;
        let name = match self.find_network(network) {
            Ok(found) => found.name,
            // One that is gone can still be in a container's record.
            Err(Error::NoSuchNetwork(name)) => name,
            Err(error) => return Err(error),
        };
        if !record.options.networks.iter().any(|there| there.network == name) {
            return Err(Error::Invalid {
                what: format!("disconnection of {} from {network}", record.name),
                why: "it is not on that network".into(),
            });
        }
        let mut places = NetworkState::load(self, &id)?;
        if let Some(gone) = places.remove(&name) {
            let mut sockets = Sockets::open()?;
            self.take_away(&record, &gone, &places, &mut sockets)?;
            let snapshot = Snapshot::take(self.root(), &id)?;
            if let Some(pid) = snapshot.init_pid() {
                forward_ports(self, &places.endpoints, &mut sockets)?;
                // The way out may have gone with it.
                let inside = namespace::of_process(pid)?;
                let mut inner = Socket::inside(std::os::fd::AsFd::as_fd(&inside), Protocol::Route)?;
                for ipv6 in [false, true] {
                    add_default_route(&places.endpoints, ipv6, &mut inner)?;
                }
            }
        }
        record.options.networks.retain(|there| there.network != name);
        record.store(&self.root().container_dir(&id))
    }

    /// The cable first: with it goes every packet.
    fn take_away(
        &self,
        record: &Record,
        gone: &Endpoint,
        rest: &NetworkState,
        sockets: &mut Sockets,
    ) -> Result<()> {
        let gone = std::slice::from_ref(gone);
        remove_interfaces(self, &record.id, gone, &mut sockets.route)?;
        let rules: Vec<_> = gone.iter().filter_map(Endpoint::rules).collect();
        bridge::table(self).detach(&mut sockets.filter, &rules)?;
        forget_udp(&mut sockets.filter, &udp_ports(gone))?;
        release_addresses(self, &record.id, gone)?;
        rest.store(self, &record.id)
    }
}

fn check_mode(record: &Record, verb: &str) -> Result<()> {
    let shared = match &record.options.network {
        NetworkMode::Networks => return Ok(()),
        NetworkMode::Host => "it has the host's network",
        NetworkMode::Container(_) => "it has another container's network",
        NetworkMode::UserMode(program) => {
            let mode = format!("its packets are carried by {}", program.name());
            return Err(Error::Unsupported(format!("cannot {verb} container {}: {mode}", record.name)));
        }
        NetworkMode::Default | NetworkMode::None => "it was made with --network none",
    };
    Err(Error::Unsupported(format!("cannot {verb} container {}: {shared}", record.name)))
}

fn free_interface(endpoints: &[Endpoint]) -> String {
    let taken = |name: &String| endpoints.iter().any(|endpoint| endpoint.interface == *name);
    let mut number = 0;
    loop {
        let name = format!("eth{number}");
        if !taken(&name) {
            return name;
        }
        number += 1;
    }
}
