//! `network ls`, `inspect`, `rm`, `prune` and `reload`.

use std::collections::BTreeMap;
use std::time::SystemTime;

use hull_docker::filters::network::NetworkFilters;
use hull_docker::wire::network::{EndpointResource, Ipam, IpamConfig, Network};
use hull_network::iptables_legacy;
use hull_network::leases::Leases;
use hull_network::pool::Pool;
use hull_storage::file;

use super::context::{Sockets, table};
use super::drivers::DriverConfig;
use super::inspect::endpoint_id;
use super::record::{DEFAULT, NetworkRecord};
use super::special::{special, special_id};
use super::{default, events, reload, stale, store};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::records::options::NetworkMode;
use crate::records::pruned::Pruned;
use crate::records::record::Record;
use crate::records::time::Timestamp;

impl Engine {
    /// All networks that have addresses, by name. The default one is among them once it has been used. A network with a
    /// damaged record is left out, and is among [`Self::damaged_networks`].
    pub fn networks(&self) -> Result<Vec<NetworkRecord>> {
        store::all(self.root())
    }

    /// The names of the networks whose records cannot be read, and why.
    pub fn damaged_networks(&self) -> Result<Vec<(String, String)>> {
        let records = store::records(self.root())?.into_iter();
        Ok(records.filter_map(|(name, record)| Some((name, record.err()?.to_string()))).collect())
    }

    /// A network with the running containers on it, in docker's layout.
    pub fn inspect_network(&self, name: &str) -> Result<Network> {
        if let Some(special) = special(name) {
            return Ok(Network { containers: self.on_special(&special.name)?, ..special });
        }
        if name == DEFAULT && store::load(self.root(), DEFAULT)?.is_none() {
            // Its subnet is chosen now, so that there is something to show.
            default::record(self.network_context())?;
        }
        let network = store::find(self.root(), name)?;
        let mut containers = BTreeMap::new();
        for (id, endpoint) in store::endpoints_on(self.root(), &network.name)? {
            let name = match Record::load(self.root(), &id) {
                Ok(record) => record.name,
                Err(Error::NoSuchContainer(_)) => continue,
                // A container with a damaged record is on the network too, and is shown by its id.
                Err(_) => id.clone(),
            };
            let address = |ipv6| {
                endpoint
                    .address(ipv6)
                    .map_or(String::new(), |(ip, pool)| format!("{ip}/{}", pool.subnet().prefix()))
            };
            let described = EndpointResource {
                name,
                endpoint_id: endpoint_id(&id, &network.id),
                mac_address: endpoint.mac.to_string(),
                ipv4_address: address(false),
                ipv6_address: address(true),
            };
            containers.insert(id, described);
        }
        Ok(Network { containers, ..describe(&network) })
    }

    /// The running containers that share the host's network, or have none.
    fn on_special(&self, name: &str) -> Result<BTreeMap<String, EndpointResource>> {
        let active = self.list()?.into_iter().filter(|container| container.status.is_active());
        let on_it = active.filter(|container| container.networks == [name]).map(|container| {
            let endpoint_id = endpoint_id(&container.id, &special_id(name));
            let name = container.name;
            (container.id, EndpointResource { name, endpoint_id, ..EndpointResource::default() })
        });
        Ok(on_it.collect())
    }

    /// Removes a network that no running container is on.
    pub fn remove_network(&self, name: &str) -> Result<String> {
        if name == DEFAULT || special(name).is_some() {
            return Err(Error::Unsupported(format!("{name} is a pre-defined network and cannot be removed")));
        }
        let network =
            store::find(self.root(), name).or_else(|error| self.salvage_network(name).ok_or(error))?;
        let lock = store::lock_exclusive(self.root(), &network.name)?;
        // Another command may have removed it before the lock was granted.
        if std::fs::symlink_metadata(store::record_file(self.root(), &network.name)).is_err() {
            return Err(Error::NoSuchNetwork(network.name));
        }
        let leases = Leases::open(self.root().run(), &network.name)?.list()?;
        if let Some(lease) = leases.first() {
            let user = lease.holder.names.first().cloned().unwrap_or_default();
            return Err(Error::NetworkInUse { network: network.name, user });
        }
        let mut sockets = Sockets::open()?;
        stale::remove(self.root(), &network.name, &mut sockets.filter)?;
        network.driver().teardown(self.root(), &network, &mut sockets)?;
        // The record goes last, so that a removal that fails can be repeated.
        file::remove(&store::record_file(self.root(), &network.name))?;
        hull_storage::tree::remove_tree(&store::run_dir(self.root(), &network.name))?;
        drop(lock);
        events::of_network(&network, "destroy").emit(self);
        Ok(network.name)
    }

    /// As much of a damaged record as its removal needs: the network's name, and its bridge's if that can still be read.
    fn salvage_network(&self, name: &str) -> Option<NetworkRecord> {
        store::load(self.root(), name).err()?;
        let content = file::read(&store::record_file(self.root(), name)).unwrap_or_default();
        let content = String::from_utf8_lossy(&content);
        let is_link = |word: &&str| word.starts_with("hl-") && hull_storage::names::is_valid(word);
        let link = content.split('"').find(is_link).unwrap_or_default();
        Some(NetworkRecord {
            format: NetworkRecord::FORMAT,
            id: link.trim_start_matches("hl-").to_owned(),
            name: name.to_owned(),
            created: Timestamp(SystemTime::UNIX_EPOCH),
            driver: DriverConfig::default(),
            link: link.to_owned(),
            pools: vec![],
            internal: false,
            attachable: false,
            ipam_options: None,
            masquerade: false,
            inter_container: true,
            mtu: None,
            host_ip: None,
            labels: BTreeMap::new(),
            options: BTreeMap::new(),
        })
    }

    /// All networks that `--network` accepts, without the containers on them.
    pub fn all_networks(&self) -> Result<Vec<Network>> {
        if !hull_sys::id_map::in_user_namespace() && matches!(store::load(self.root(), DEFAULT), Ok(None)) {
            default::record(self.network_context())?;
        }
        let mut all: Vec<_> = self.networks()?.iter().map(describe).collect();
        all.extend(self.damaged_networks()?.into_iter().map(|(name, _)| damaged(name)));
        all.extend(["host", "none"].into_iter().filter_map(special));
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Those of [`Self::all_networks`] that fit.
    pub fn fitting_networks(&self, filters: &NetworkFilters) -> Result<Vec<Network>> {
        let mut networks = self.all_networks()?;
        if let Some(wanted) = filters.dangling() {
            let unused = self.unused_networks()?;
            networks.retain(|network| unused.contains(&network.name) == wanted);
        }
        networks.retain(|network| filters.fit(network));
        Ok(networks)
    }

    /// The networks that no container, running or stopped, is on. The default network is never among them.
    pub fn unused_networks(&self) -> Result<Vec<String>> {
        let mut used = Vec::new();
        for id in self.ids()? {
            // A container that is being removed uses no network.
            let Ok(record) = Record::load(self.root(), &id) else { continue };
            if record.options.network == NetworkMode::Networks {
                used.extend(record.options.networks.into_iter().map(|option| option.network));
            }
        }
        let unused = self.networks()?.into_iter().filter(|network| !network.is_default());
        Ok(unused.map(|network| network.name).filter(|name| !used.contains(name)).collect())
    }

    /// Removes the unused networks that fit. Goes on past errors.
    pub fn prune_networks(&self, fits: &dyn Fn(&NetworkRecord) -> bool) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        let unused = self.unused_networks()?;
        let fitting = self.networks()?.into_iter().filter(|one| unused.contains(&one.name) && fits(one));
        for name in fitting.map(|network| network.name) {
            match self.remove_network(&name) {
                Err(Error::NetworkInUse { .. } | Error::NoSuchNetwork(_)) => {}
                Ok(name) => pruned.networks.push(name),
                Err(error) => pruned.errors.note(Err(error)),
            }
        }
        Event::prune("network", 0).emit(self);
        Ok(pruned)
    }

    /// The bridge of a container whose forwarded packets another program's rules drop, if hull's rules cannot prevent it:
    /// the rules of the legacy iptables, which hull does not change.
    pub fn dropped_bridge(&self, container: &str) -> Result<Option<String>> {
        let record = self.find(container)?;
        for option in &record.options.networks {
            if let Some(network) = store::load(self.root(), &option.network)?
                && network.can_publish()
                && iptables_legacy::drops_forwarded(&network.link)
            {
                return Ok(Some(network.link));
            }
        }
        Ok(None)
    }

    /// Restores missing rules of all running containers, and removes rules of containers that are not known any more.
    pub fn reload_networks(&self) -> Result<()> {
        let mut sockets = Sockets::open()?;
        table(self.root()).ensure(&mut sockets.filter)?;
        reload::remove_stale_rules(self.root(), &mut sockets)?;
        reload::restore_all(self.root(), &mut sockets.filter)
    }
}

fn describe(network: &NetworkRecord) -> Network {
    let config = |pool: &Pool| IpamConfig {
        subnet: pool.subnet().to_string(),
        ip_range: match pool.range() == pool.subnet() {
            true => String::new(),
            false => pool.range().to_string(),
        },
        gateway: pool.gateway().to_string(),
        auxiliary_addresses: pool
            .reserved()
            .iter()
            .map(|(name, ip)| (name.clone(), ip.to_string()))
            .collect(),
    };
    Network {
        name: network.name.clone(),
        id: network.id.clone(),
        created: network.created.to_string(),
        scope: "local".into(),
        driver: network.driver().name().into(),
        enable_ipv4: true,
        enable_ipv6: network.has_ipv6(),
        ipam: Ipam {
            driver: "default".into(),
            options: network.ipam_options.clone(),
            config: network.pools.iter().map(config).collect(),
        },
        internal: network.internal,
        attachable: network.attachable,
        options: shown_options(network),
        labels: network.labels.clone(),
        bridge: Some(network.link.clone()),
        ..Network::default()
    }
}

/// dockerd shows the settings of the default network as its options.
fn shown_options(network: &NetworkRecord) -> BTreeMap<String, String> {
    if !network.is_default() {
        return network.options.clone();
    }
    let host_ip = network.host_ip.map_or("0.0.0.0".to_owned(), |ip| ip.to_string());
    let mtu = network.mtu.unwrap_or(1500).to_string();
    let options = [
        ("bridge.default_bridge", "true".to_owned()),
        ("bridge.enable_icc", network.inter_container.to_string()),
        ("bridge.enable_ip_masquerade", network.masquerade.to_string()),
        ("bridge.host_binding_ipv4", host_ip),
        ("bridge.name", network.link.clone()),
        ("driver.mtu", mtu),
    ];
    options.map(|(key, value)| (format!("com.docker.network.{key}"), value)).into()
}

/// The listing of a network whose record cannot be read.
fn damaged(name: String) -> Network {
    Network { name, scope: "local".into(), driver: "damaged".into(), enable_ipv4: true, ..Network::default() }
}
