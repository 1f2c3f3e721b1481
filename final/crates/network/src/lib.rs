//! The kernel's side of container networks.
//!
//! ```text
//!  host's namespace                                            container's namespace
//!  ┌──────────────────────────────────────────────────┐        ┌────────────────────┐
//!  │  eth0 ◀─ nftables ─▶ hull0 (bridge, the gateway) │        │                    │
//!  │                        └─ veth… ═════════════════╪════════╪═ eth0              │
//!  └──────────────────────────────────────────────────┘        └────────────────────┘
//! ```
//!
//! From the socket up: [`netlink`] carries requests; with it [`links`] makes the bridge and the cable, [`addresses`] and
//! [`routes`] say who is at its ends. [`subnet`] and [`leases`] choose addresses. [`nftables`] translates addresses, lets
//! published [`ports`] in and keeps networks apart. [`names`] lets containers find each other. No other program is run for any of it.

pub mod addresses;
pub mod conntrack;
pub mod dns;
mod error;
pub mod iptables_legacy;
pub mod leases;
pub mod links;
pub mod mac;
pub mod nftables;
pub mod pool;
pub mod ports;
pub mod routes;
pub mod subnet;
pub mod sysctl;

#[cfg(test)]
mod testing;

pub use error::{Error, Result};
/// The socket, and the namespaces it belongs to, for callers of this crate.
pub use hull_netlink::{self as netlink, namespace};
