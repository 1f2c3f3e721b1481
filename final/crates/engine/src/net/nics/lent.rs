//! Links of the host that a container has, and what the host had set for them, so that they come back as they were.
//!
//! `lent.json` in the container's run directory is written before a link is moved. A link comes back when its device is
//! removed, at the end of the run, or by itself: when the monitor is killed, the kernel moves hardware from a network
//! namespace that it destroys to the first one, with the container's settings.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use hull_network::links::{self, Link};
use hull_network::mac::Mac;
use hull_network::namespace;
use hull_network::netlink::{Protocol, Socket};
use hull_storage::file;
use hull_storage::root::Root;
use serde::{Deserialize, Serialize};

use crate::error::{Errors, Result};
use crate::records::plugged::Nic;

/// How long to wait until the kernel has destroyed the network namespace of a killed run.
const NAMESPACE_TIMEOUT: Duration = Duration::from_secs(2);

/// A link that a container has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Lent {
    device: String,
    /// The name on the host.
    name: String,
    kind: Option<String>,
    mac: Option<Mac>,
    mtu: u32,
    /// The name in the container, unless the container has changed it.
    called: String,
    /// The address in the container, if the device has set one.
    given: Option<Mac>,
    /// The index in the container, which the container cannot change. `None` before the move.
    index: Option<u32>,
}

fn path(root: &Root, id: &str) -> std::path::PathBuf {
    root.container_run_dir(id).join("lent.json")
}

/// `None` if the container has never had such a link in this run, or somebody has emptied the run root.
pub(super) fn load(root: &Root, id: &str) -> Result<Option<Vec<Lent>>> {
    Ok(file::read_json(&path(root, id))?)
}

fn store(root: &Root, id: &str, all: &[Lent]) -> Result<()> {
    match all.is_empty() {
        true => Ok(file::remove(&path(root, id))?),
        false => Ok(file::write_json_atomic(&path(root, id), &all)?),
    }
}

/// Moves a link to the container, and gives it the device's settings. It is down there.
pub(super) fn lend(
    (root, id): (&Root, &str),
    nic: &Nic,
    link: &Link,
    inside: BorrowedFd<'_>,
    (inner, host): (&mut Socket, &mut Socket),
) -> Result<Link> {
    let mut all = load(root, id)?.unwrap_or_default();
    all.retain(|one| one.device != nic.device);
    let lent = Lent {
        device: nic.device.clone(),
        name: link.name.clone(),
        kind: link.kind.clone(),
        mac: link.mac,
        mtu: link.mtu,
        called: nic.name.clone(),
        given: nic.mac,
        index: None,
    };
    all.push(lent);
    store(root, id, &all)?;
    links::move_to(host, link.index, &nic.name, inside)?;
    let link = links::get(inner, &nic.name)?;
    all.iter_mut().filter(|one| one.device == nic.device).for_each(|one| one.index = Some(link.index));
    store(root, id, &all)?;
    links::change_ethernet(inner, link.index, nic.mac, nic.mtu)?;
    Ok(link)
}

/// The link of a device, if the container has it.
pub(super) fn find(root: &Root, id: &str, device: &str, inner: &mut Socket) -> Result<Option<Link>> {
    let all = load(root, id)?.unwrap_or_default();
    let lent = all.iter().find(|one| one.device == device);
    lent.map_or(Ok(None), |lent| lent.find(inner, &mut Socket::open(Protocol::Route)?))
}

/// Moves the links of the devices that `is_wanted` names back to the host. Goes on past errors.
pub(super) fn give_back(
    root: &Root,
    id: &str,
    inner: &mut Socket,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<()> {
    let Some(all) = load(root, id)? else { return Ok(()) };
    let mut host = Socket::open(Protocol::Route)?;
    let (mut errors, mut kept) = (Errors::default(), Vec::new());
    for one in all {
        let returned = is_wanted(&one.device).then(|| one.give_back(inner, &mut host));
        if !matches!(returned, Some(Ok(()))) {
            kept.push(one);
        }
        returned.into_iter().for_each(|returned| errors.note(returned));
    }
    errors.note(store(root, id, &kept));
    errors.into_result()
}

/// Gives the links that the kernel has moved back to the host their names and settings, after a killed run. A virtual
/// link was destroyed with the run's network namespace.
pub(in crate::net) fn restore(root: &Root, id: &str) -> Result<()> {
    let Some(all) = load(root, id)? else { return Ok(()) };
    let mut host = Socket::open(Protocol::Route)?;
    let mut errors = Errors::default();
    for one in all.iter().filter(|one| one.kind.is_none()) {
        errors.note(one.restore(&mut host));
    }
    errors.into_result()?;
    store(root, id, &[])
}

impl Lent {
    fn find(&self, inner: &mut Socket, host: &mut Socket) -> Result<Option<Link>> {
        let found = match self.index {
            Some(index) => links::find_by_index(inner, index)?,
            // The command was killed before or just after the move.
            None if links::find(host, &self.name)?.is_some() => None,
            None => links::find(inner, &self.called)?,
        };
        Ok(found.filter(|link| link.kind == self.kind))
    }

    fn give_back(&self, inner: &mut Socket, host: &mut Socket) -> Result<()> {
        if let Some(link) = self.find(inner, host)? {
            links::set_down(inner, link.index)?;
            // The link comes back even if its settings cannot be restored, which is then the error.
            let restored = self.restore_settings(&link, inner);
            links::move_to(inner, link.index, &self.name, namespace::current()?.as_fd())?;
            restored?;
        }
        Ok(())
    }

    /// Sets what differs, because some hardware cannot change its address. The link is down.
    fn restore_settings(&self, link: &Link, socket: &mut Socket) -> Result<()> {
        let mac = self.mac.filter(|mac| link.mac != Some(*mac));
        let mtu = (self.mtu != link.mtu).then_some(self.mtu);
        Ok(links::change_ethernet(socket, link.index, mac, mtu)?)
    }

    /// Waits for the link, which the kernel moves in the background. It is recognized by its address, because its name
    /// may be another link's on the host.
    fn restore(&self, host: &mut Socket) -> Result<()> {
        let is_its = |link: &Link| {
            link.kind == self.kind && link.mac.is_some() && (link.mac == self.mac || link.mac == self.given)
        };
        let deadline = Instant::now() + NAMESPACE_TIMEOUT;
        loop {
            let all = links::list(host)?;
            let named = all.iter().find(|link| link.name == self.name && link.kind == self.kind);
            if let Some(link) = named.or_else(|| all.iter().find(|link| is_its(link))) {
                return self.restore_to(link, host);
            }
            if Instant::now() >= deadline {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Does nothing if the link never left the host.
    fn restore_to(&self, link: &Link, host: &mut Socket) -> Result<()> {
        if link.name == self.name && link.mac == self.mac && link.mtu == self.mtu {
            return Ok(());
        }
        links::set_down(host, link.index)?;
        self.restore_settings(link, host)?;
        match link.name == self.name {
            true => Ok(()),
            false => Ok(links::rename(host, link.index, &self.name)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use hull_network::links::Bridge;
    use hull_sys::testing::in_network_namespace;

    use super::*;

    const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const GIVEN: Mac = Mac([0, 0x16, 0x3e, 0, 0, 9]);

    #[test]
    fn what_the_kernel_has_moved_back_gets_its_name_and_settings() {
        in_network_namespace("what_the_kernel_has_moved_back_gets_its_name_and_settings", || {
            let mut host = Socket::open(Protocol::Route).unwrap();
            let lent = Lent {
                device: "d".into(),
                name: "card".into(),
                kind: Some("bridge".into()),
                mac: Some(OWN),
                mtu: 1450,
                called: "eth0".into(),
                given: Some(GIVEN),
                index: Some(2),
            };
            // The host's own eth0 is not the container's.
            let other = Bridge { name: "eth0", mac: Mac([2, 0, 0, 0, 0, 5]), mtu: 1300 };
            links::create_bridge(&mut host, &other).unwrap();
            links::create_bridge(&mut host, &Bridge { name: "dev7", mac: GIVEN, mtu: 1300 }).unwrap();
            for _ in 0..2 {
                lent.restore(&mut host).unwrap();
                let back = links::get(&mut host, "card").unwrap();
                assert_eq!((back.mac, back.mtu), (Some(OWN), 1450));
                assert_eq!(links::get(&mut host, "eth0").unwrap().mtu, 1300);
            }
            // It may have come back with its own name, and the container's settings.
            let card = links::get(&mut host, "card").unwrap().index;
            links::change_ethernet(&mut host, card, Some(GIVEN), Some(1300)).unwrap();
            lent.restore(&mut host).unwrap();
            assert_eq!(links::get(&mut host, "card").unwrap().mac, Some(OWN));
        });
    }
}
