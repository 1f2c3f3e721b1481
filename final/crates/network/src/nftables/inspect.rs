//! The elements of a container's endpoint, and whether the kernel has them, for `network trace`.

use std::net::IpAddr;

use serde::Serialize;

use super::kernel::NFPROTO_BRIDGE;
use super::sets::{self, Element, Set, Type};
use super::{Endpoint, Table};
use crate::error::Result;
use crate::mac::Mac;
use crate::netlink::{Socket, Value};
use crate::ports::Transport;

/// An element that an endpoint should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ElementStatus {
    /// `inet` or `bridge`.
    pub family: &'static str,
    pub set: &'static str,
    /// As nft(8) prints it.
    pub element: String,
    /// False if another tool has flushed it.
    pub present: bool,
}

impl Table {
    /// The elements of an endpoint and its network, and whether the sets have them.
    pub fn status(&self, socket: &mut Socket, endpoint: &Endpoint<'_>) -> Result<Vec<ElementStatus>> {
        let expected =
            endpoint.network.elements().into_iter().chain(endpoint.identity()).chain(endpoint.ports());
        let mut statuses = Vec::new();
        for (set, elements) in expected.filter(|(_, elements)| !elements.is_empty()) {
            let there = self.elements(socket, set)?;
            statuses.extend(elements.into_iter().map(|element| ElementStatus {
                family: if set.family == NFPROTO_BRIDGE { "bridge" } else { "inet" },
                set: set.name,
                element: text(set, &element),
                present: there.contains(&element),
            }));
        }
        Ok(statuses)
    }
}

const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Udp, Transport::Sctp];

fn text(set: &Set, element: &Element) -> String {
    match set.data.is_empty() {
        true => fields(set.key, &element.key),
        false => format!("{} : {}", fields(set.key, &element.key), fields(set.data, &element.data)),
    }
}

fn fields(types: &[Type], bytes: &[u8]) -> String {
    let mut rest = bytes;
    let mut field = |kind: &Type| {
        let length = (kind.length as usize).min(rest.len());
        let value = Value(&rest[..length]);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        match *kind {
            sets::NAME => value.text().unwrap_or_default().to_owned(),
            sets::MAC => value.array().map_or(String::new(), |bytes| Mac(bytes).to_string()),
            sets::VXLAN => {
                value.array().map_or(String::new(), |[a, b, c]| u32::from_be_bytes([0, a, b, c]).to_string())
            }
            sets::PORT => value.array().map_or(String::new(), |bytes| u16::from_be_bytes(bytes).to_string()),
            sets::TRANSPORT => TRANSPORTS
                .into_iter()
                .find(|transport| value.u8() == Some(transport.number()))
                .map_or(String::new(), |transport| transport.to_string()),
            _ => value.ip().as_ref().map_or(String::new(), IpAddr::to_string),
        }
    };
    types.iter().map(&mut field).collect::<Vec<_>>().join(" . ")
}
