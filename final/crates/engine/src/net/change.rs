//! Changing an existing network, and listing its addresses.
//!
//! The record is changed while no running container is on the network. The network's bridge is removed before, and the
//! next container's start makes it again.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hull_network::leases::Leases;
use hull_network::pool::Pool;
use hull_network::subnet::Subnet;

use super::context::Sockets;
use super::record::{DEFAULT, NetworkRecord};
use super::special::special;
use super::{create, stale, store};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::record::Record;

/// A change of a network. A field that is `None` leaves its setting as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkChange {
    /// The host's address, with the length of the prefix.
    pub ipv4: Option<(IpAddr, u8)>,
    /// The host's IPv6 address. `Some(None)`: the network is to have no IPv6.
    pub ipv6: Option<Option<(IpAddr, u8)>>,
    pub masquerade: Option<bool>,
    /// `Some(None)`: the network's links are to have the MTU that they have by themselves.
    pub mtu: Option<Option<u32>>,
    /// All labels that the network is to have.
    pub labels: Option<BTreeMap<String, String>>,
}

impl NetworkChange {
    /// Whether the change concerns links, so that no running container may be on the network.
    fn is_of_links(&self) -> bool {
        let Self { ipv4, ipv6, masquerade, mtu, labels: _ } = self;
        ipv4.is_some() || ipv6.is_some() || masquerade.is_some() || mtu.is_some()
    }
}

/// An address of a network, and who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkLease {
    pub holder: String,
    pub mac: String,
    pub address: IpAddr,
    /// The container has asked for this address.
    pub is_static: bool,
}

impl Engine {
    /// A network's record.
    pub fn network(&self, name: &str) -> Result<NetworkRecord> {
        if name == DEFAULT && store::load(self.root(), DEFAULT)?.is_none() {
            super::default::record(self.network_context())?;
        }
        store::find(self.root(), name)
    }

    /// Changes a network.
    ///
    /// # Errors
    ///
    /// If a running container is on the network, unless only labels change.
    pub fn change_network(&self, name: &str, change: &NetworkChange) -> Result<NetworkRecord> {
        if name == DEFAULT || special(name).is_some() {
            let text =
                format!("{name} is a pre-defined network: docker's daemon.json has its settings (bip, mtu)");
            return Err(Error::Unsupported(text));
        }
        let root = self.root();
        let _creation = store::lock_creation(root)?;
        let before = store::find(root, name)?;
        let _lock = store::lock_exclusive(root, &before.name)?;
        let after = changed(&before, change)?;
        if change.is_of_links() {
            if let Some(lease) = Leases::open(root.run(), &before.name)?.list()?.first() {
                let user = lease.holder.names.first().cloned().unwrap_or_default();
                return Err(Error::NetworkInUse { network: before.name, user });
            }
            let mut sockets = Sockets::open()?;
            stale::remove(root, &before.name, &mut sockets.filter)?;
            before.driver().teardown(root, &before, &mut sockets)?;
            let others: Vec<_> =
                store::all(root)?.into_iter().filter(|one| one.name != before.name).collect();
            after.driver().validate(&after, &others, &mut sockets.route)?;
            create::check_free(&after, &others, &mut sockets.route)?;
        }
        store::store(root, &after)?;
        Ok(after)
    }

    /// The addresses that running containers have on a network.
    pub fn network_leases(&self, name: &str) -> Result<Vec<NetworkLease>> {
        let network = self.network(name)?;
        let mut leases = Vec::new();
        for (id, endpoint) in store::endpoints_on(self.root(), &network.name)? {
            let record = match Record::load(self.root(), &id) {
                Err(Error::NoSuchContainer(_)) => continue,
                record => record.ok(),
            };
            let networks = record.iter().flat_map(|record| &record.options.networks);
            let asked: Vec<IpAddr> = networks
                .filter(|option| option.network == network.name)
                .flat_map(|option| [option.ip.map(IpAddr::V4), option.ip6.map(IpAddr::V6)])
                .flatten()
                .collect();
            let holder = record.as_ref().map_or(&id, |record| &record.name);
            leases.extend(endpoint.addresses.iter().map(|address| NetworkLease {
                holder: holder.clone(),
                mac: endpoint.mac.to_string(),
                address: *address,
                is_static: asked.contains(address),
            }));
        }
        leases.sort_by(|a, b| (&a.holder, a.address).cmp(&(&b.holder, b.address)));
        Ok(leases)
    }
}

fn changed(before: &NetworkRecord, change: &NetworkChange) -> Result<NetworkRecord> {
    let mut after = before.clone();
    if (change.ipv4.is_some() || change.ipv6.is_some()) && before.driver().shares_subnet() {
        let text = format!("others are on the network {}, so its addresses do not change", before.name);
        return Err(Error::Unsupported(text));
    }
    if let Some(gateway) = change.ipv4 {
        put(&mut after, false, Some(gateway))?;
    }
    if let Some(gateway) = change.ipv6 {
        put(&mut after, true, gateway)?;
    }
    if let Some(masquerade) = change.masquerade {
        after.masquerade = masquerade;
        forget_options(&mut after, "enable_ip_masquerade");
    }
    if let Some(mtu) = change.mtu {
        after.mtu = mtu;
        forget_options(&mut after, "mtu");
    }
    if let Some(labels) = &change.labels {
        after.labels.clone_from(labels);
    }
    Ok(after)
}

/// Removes an option that has been overridden. `inspect` shows the options as they were given, and would show the old
/// value.
fn forget_options(network: &mut NetworkRecord, last: &str) {
    network.options.retain(|key, _| key.rsplit('.').next() != Some(last));
}

/// Replaces the addresses of one family. Those of IPv4 come first.
fn put(network: &mut NetworkRecord, is_v6: bool, gateway: Option<(IpAddr, u8)>) -> Result<()> {
    network.pools.retain(|pool| pool.subnet().is_ipv6() != is_v6);
    if let Some((address, prefix)) = gateway {
        let pool = Pool::new(Subnet::around(address, prefix)?, Some(address), None)?;
        let at = if is_v6 { network.pools.len() } else { 0 };
        network.pools.insert(at, pool);
    }
    Ok(())
}
