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
//! From the bottom up: over [`netlink`] sockets, [`links`] creates bridges and veth pairs, and [`addresses`] and [`routes`]
//! configure them. [`subnet`], [`pool`] and [`leases`] choose addresses. [`nftables`] translates addresses, forwards
//! published [`ports`] and isolates networks from each other. [`traffic`] limits what a link carries. [`dns`] resolves containers' names. No other program is run
//! for any of this.

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
pub mod traffic;

#[cfg(test)]
mod testing;

pub use error::{Error, Result};
/// The socket, and the namespaces it belongs to, for callers of this crate.
pub use hull_netlink::{self as netlink, namespace};
