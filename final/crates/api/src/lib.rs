//! Docker's Engine API: HTTP requests become calls of the engine, and what these return becomes docker's JSON.
//!
//! ```text
//! server/      the listening parent, the pool of workers, a worker's connection
//! http/        HTTP/1.1: head, query, body, response, hijacked connections
//! routes       which handler answers which path           version     the API version that a client speaks
//! failure      the engine's errors as docker's statuses    words       the same in dockerd's words
//! api          what every handler is given                 refusals    what hull does not have
//! moment       times in queries
//! build/  containers/  exec/  images/  networks/  volumes/  system/  the handlers
//! streams/     what carries a program's input and output
//! ```
//! A worker process serves one connection and has one thread, so a handler uses the engine as a command does: it may clone
//! containers. Work that needs threads, or that changes the process, is done in a child (`http::Exchange::in_child`).

mod api;
mod build;
mod containers;
mod exec;
mod failure;
mod http;
mod images;
mod moment;
mod networks;
mod refusals;
mod routes;
mod server;
mod streams;
mod system;
mod version;
mod volumes;
mod words;

pub use api::Api;
pub use failure::Failure;
pub use server::{Address, Error as ServerError, Listener, Log, Server, Tls, serve_connection};
