//! Names: a resolver inside each container's namespace, served by the process that watches over the container.
//!
//! ```text
//! message    DNS on the wire: a question is read, an answer written (RFC 1035)
//! directory  who is on the container's networks, from the leases
//! resolver   the sockets at 127.0.0.11, and what goes on to the host's own servers
//! stream     the same over tcp
//! ```
//!
//! Nothing here waits: the watching process polls the descriptors among its others. The sockets have ports of the
//! kernel's choice, for port 53 may be the container's program's own; a rule inside leads there
//! ([`crate::nftables::redirect_dns`]).

mod directory;
mod message;
mod resolver;
mod stream;

use std::net::Ipv4Addr;

pub use directory::Directory;
pub use resolver::Resolver;

/// docker's address for it, which images and tools have learned.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// DNS's.
pub const PORT: u16 = 53;
