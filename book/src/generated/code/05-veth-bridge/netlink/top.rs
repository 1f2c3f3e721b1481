//! Netlink: messages over a socket that ask the kernel to change links, addresses, routes and packet
//! filters. `ip` and `nft` use netlink too.
//!
//! A message has a header of 16 bytes (length, type, flags, sequence number, sender; netlink(7)), a
//! fixed part that depends on the type, and attributes. An attribute has a length, a kind, and a
//! value that is padded to a multiple of 4 bytes. The value may consist of attributes again.
//! The kernel answers each message with 0 or an errno.
//!
//! Why messages? A system call has at most six arguments, and a link has about sixty properties. A
//! message contains only those properties that it sets. A reader skips an attribute that it does
//! not know, because the length says where the next one begins. So old programs work with new
//! kernels, and new programs with old kernels.
