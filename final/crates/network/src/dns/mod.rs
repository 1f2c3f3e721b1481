//! The embedded DNS server: a resolver in each container's network namespace, served by the container's monitor.
//!
//! ```text
//! message    DNS messages: questions parsed, answers written (RFC 1035)
//! directory  the names of the containers on the same networks, from the leases
//! resolver   the sockets at 127.0.0.11; queries over UDP, forwarded to the host's servers if need be
//! stream     queries over TCP
//! ```
//!
//! Nothing here blocks: the monitor polls the descriptors together with its others. The sockets have ports that the kernel
//! chooses, because a program in the container may use port 53 itself. A rule in the container's namespace redirects queries
//! to these ports ([`crate::nftables::redirect_dns`]).

mod directory;
mod message;
mod resolver;
mod stream;

use std::net::Ipv4Addr;

pub use directory::Directory;
pub use resolver::Resolver;

/// The address of docker's embedded DNS server, which images and tools rely on.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// The port of DNS servers.
pub const PORT: u16 = 53;
