//! Netlink: how the kernel is told about links, addresses, routes and packet filters. Not by files or ioctls but by messages
//! over a socket, which is what `ip` and `nft` do too.
//!
//! ```text
//! ┌ 16 bytes: length, type, flags, sequence number, sender (netlink(7)) ┬ a fixed part, by type ┬ attributes … ┐
//!                                                      an attribute: length, kind, value, up to a multiple of 4
//! ```
//!
//! An attribute's value may be attributes again. To each message the kernel answers with 0 or an errno.
//!
//! Why messages? A call has six arguments, and a link has some sixty properties, more in each year's kernel. A
//! message says only those that are meant; whoever does not know a kind of attribute skips it by its length.
//! Old programs go on working with new kernels, and new programs with old ones.
