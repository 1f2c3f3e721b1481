//! Servers of LXD's images: simplestreams, a tree of files on a web server.
//!
//! ```text
//! server     requests, and what may be asked for        documents  streams/v1/index.json, and lists of products
//! offered    the images that a list has for a machine
//! ```
//! ```text
//! streams/v1/index.json     which lists there are
//! streams/v1/images.json    products, their versions, and each version's files with their hashes
//! images/…                  the files
//! ```
//! A server may be hostile: lists have a limit, files have the size and the hash that the list says, paths stay below the
//! server's address, and redirects do not lead to this machine.

mod documents;
mod offered;
mod server;

pub use offered::{Offered, find};
pub use server::Server;
