//! A netlink socket: requests to the kernel, and its answers. See netlink(7).
//!
//! ```text
//!  Message ──▶ Socket::request   change one object           ──▶ nothing, or an error
//!          ──▶ Socket::query     ask about one object        ──▶ one Reply, or none
//!          ──▶ Socket::dump      ask about all of one kind   ──▶ many Replies
//!  Messages ─▶ Socket::batch     change several objects      ──▶ nothing, or an error
//! ```
//!
//! [`Message`] writes a request, [`Socket`] sends it and finds the answers that belong to it, [`Reply`] and [`Attributes`]
//! read them. What a message means is known to the crates above: hull-network for links, addresses, routes and
//! nftables, hull-runtime for the devices that a bundle moves into its container. [`namespace`] chooses whose network a
//! socket speaks with.

mod error;
mod message;
pub mod namespace;
mod reply;
mod socket;

#[cfg(test)]
mod tests;

pub use error::{Error, Result};
pub use message::{ACK, APPEND, CREATE, CREATE_NEW, DUMP, Message, REPLACE};
pub use reply::{Attributes, Malformed, Reply, Value, replies, u16_at, u32_at};
pub use socket::{Protocol, Socket};
