//! The driver `bridge`: a bridge on the host, which is its containers' gateway.
//!
//! ```text
//!   host's routing ── hull0 (the gateway's address) ── veth… ══ eth0 of a container
//! ```

use hull_network::links;
use hull_network::netlink::Socket;
use hull_network::routes;

use super::host_bridge::BridgeDriver;
use super::veth::DEFAULT_MTU;
use crate::error::Result;
use crate::net::record::NetworkRecord;

pub(super) struct Bridge;

/// The keys of `-o` that a bridge with the host as its gateway accepts.
pub(super) const OPTIONS: [&str; 5] =
    ["mtu", "bridge.name", ENABLE_ICC, "bridge.enable_ip_masquerade", "bridge.host_binding_ipv4"];
/// docker's name for inter-container communication.
pub(super) const ENABLE_ICC: &str = "bridge.enable_icc";

impl BridgeDriver for Bridge {
    fn name(&self) -> &'static str {
        "bridge"
    }

    fn options(&self) -> Vec<&'static str> {
        OPTIONS.to_vec()
    }

    fn shares_subnet(&self) -> bool {
        false
    }

    fn validate(&self, _: &NetworkRecord, _: &[NetworkRecord], _: &mut Socket) -> Result<()> {
        Ok(())
    }

    /// Without a setting, that of the link that the default route uses: longer packets could not leave the host whole.
    fn bridge_mtu(&self, network: &NetworkRecord, route: &mut Socket) -> Result<u32> {
        if let Some(mtu) = network.mtu {
            return Ok(mtu);
        }
        let Some(index) = routes::default_link(route)? else { return Ok(DEFAULT_MTU) };
        Ok(links::find_by_index(route, index)?.map_or(DEFAULT_MTU, |link| link.mtu))
    }
}
