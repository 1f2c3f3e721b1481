//! Elements of containers that are not known any more: the monitor was killed, and the run directory emptied before anybody
//! had cleaned up.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::kernel::*;
use super::sets::{self, Element, Set};
use super::{Elements, Table};
use crate::error::Result;
use crate::netlink::{Message, Reply, Socket, Value};

/// Sets whose keys begin with the name of a container's link.
const BY_LINK: [&Set; 4] = [&sets::LINKS, &sets::MACS, &sets::ADDRESSES4, &sets::ADDRESSES6];
/// Sets whose keys end with a container's address, and maps whose data begins with one.
const BY_ADDRESS: [&Set; 6] =
    [&sets::MEMBERS4, &sets::MEMBERS6, &sets::PORTS4, &sets::PORTS6, &sets::PORTS4_AT, &sets::PORTS6_AT];
/// The length of a name in a key.
const NAME: usize = 16;
/// The length of a port after an address.
const PORT: usize = 4;
/// `struct nfgenmsg`.
const FIXED: usize = 4;

/// The elements of the sets at one moment.
#[derive(Debug)]
pub struct TableContents {
    by_link: Elements,
    by_address: Elements,
}

impl TableContents {
    /// The addresses that containers have, each with the container's link.
    pub fn addresses(&self) -> Vec<(IpAddr, String)> {
        let elements = self.by_link.iter().flat_map(|(_, elements)| elements);
        let address = |element: &Element| {
            let ip = Value(element.key.get(NAME..)?).ip()?;
            Some((ip, name(element)))
        };
        // The link-local and the unspecified address are not unique.
        let is_its_own = |ip: &IpAddr| match ip {
            IpAddr::V4(_) => true,
            IpAddr::V6(ip) => !(ip.is_unspecified() || ip.is_unicast_link_local()),
        };
        elements.filter_map(address).filter(|(ip, _)| is_its_own(ip)).collect()
    }
}

fn name(element: &Element) -> String {
    let bytes = element.key.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

impl Table {
    /// All elements of containers. None if there is no table.
    pub fn contents(&self, socket: &mut Socket) -> Result<TableContents> {
        let mut all = |sets: &[&'static Set]| {
            sets.iter().map(|set| Ok((*set, self.elements(socket, set)?))).collect::<Result<_>>()
        };
        // A container's address is added in one transaction with its link. The addresses are listed first, so that none is
        // found without its link.
        let by_address = all(&BY_ADDRESS)?;
        Ok(TableContents { by_link: all(&BY_LINK)?, by_address })
    }

    /// Removes the elements in `listed` that belong to no known link.
    pub fn remove_unknown(
        &self,
        socket: &mut Socket,
        listed: TableContents,
        is_known: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let mut addresses = BTreeSet::new();
        let mut gone = Elements::new();
        for (set, elements) in listed.by_link {
            let (known, lost): (Vec<_>, Vec<_>) = elements.into_iter().partition(|e| is_known(&name(e)));
            addresses.extend(known.into_iter().filter_map(|e| Some(e.key.get(NAME..)?.to_vec())));
            gone.push((set, lost));
        }
        let is_lost = |set: &Set, element: &Element| {
            let address = match set.data.is_empty() {
                true => element.key.get(NAME..),
                false => element.data.len().checked_sub(PORT).and_then(|end| element.data.get(..end)),
            };
            address.is_some_and(|address| !addresses.contains(address))
        };
        for (set, mut elements) in listed.by_address {
            elements.retain(|element| is_lost(set, element));
            gone.push((set, elements));
        }
        gone.retain(|(_, elements)| !elements.is_empty());
        if gone.is_empty() { Ok(()) } else { self.remove(socket, gone) }
    }

    pub(super) fn elements(&self, socket: &mut Socket, set: &Set) -> Result<Vec<Element>> {
        let mut message =
            Message::new(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, 0, &[set.family, 0, 0, 0]);
        message.put_text(NFTA_SET_ELEM_LIST_TABLE, self.name());
        message.put_text(NFTA_SET_ELEM_LIST_SET, set.name);
        match socket.dump(
            message,
            || format!("list {} of the nftables table {}", set.name, self.name()),
            read,
        ) {
            Err(error) if error.errno() == Some(libc::ENOENT) => Ok(Vec::new()),
            found => Ok(found?.concat()),
        }
    }
}

/// The elements in one message of the dump.
fn read(reply: Reply<'_>) -> Option<Vec<Element>> {
    let list = reply.attributes(FIXED).get(NFTA_SET_ELEM_LIST_ELEMENTS)?.nested();
    let element = |fields: crate::netlink::Attributes<'_>| {
        let bytes = |kind| Some(fields.get(kind)?.nested().get(NFTA_DATA_VALUE)?.0.to_vec());
        Some(Element { key: bytes(NFTA_SET_ELEM_KEY)?, data: bytes(NFTA_SET_ELEM_DATA).unwrap_or_default() })
    };
    Some(list.filter_map(|(_, value)| element(value.nested())).collect())
}
