//! Netlink: messages over a socket, by which the kernel is asked to change links, addresses, routes
//! and packet filters. `ip` and `nft` use it too.
//!
//! ```text
//! ┌ 16 bytes: length, type, flags, sequence number, sender (netlink(7)) ┬ a fixed part, by type ┬ attributes … ┐
//!                                                      an attribute: length, kind, value, up to a multiple of 4
//! ```
//!
//! An attribute's value may consist of attributes. The kernel answers each message with 0 or an
//! errno.
//!
//! Why messages? A system call has six arguments, and a link has some sixty properties. A message
//! names only those that are meant, and a reader skips attributes that it does not know by their
//! length, so old programs work with new kernels and new programs with old ones.
