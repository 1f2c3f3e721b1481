//! HTTP/1.1 (RFC 9112), as much of it as clients of docker's API use.
//!
//! ```text
//! connection  the socket, and what was read ahead      head      request line and header fields
//! body        a request's body                         query     its query, with docker's booleans and filters
//! exchange    a request and its answer                 stream    an answer that is sent in pieces
//! json_lines  the same of JSON lines
//! child       a handler in a process of its own        hijack    a connection that becomes a byte stream
//! ```
//! Reads and writes block: the process serves nobody else.

mod body;
mod child;
mod connection;
mod exchange;
#[cfg(test)]
mod fuzz;
mod head;
mod hijack;
mod json_lines;
mod query;
mod stream;

pub use connection::Connection;
pub use exchange::{Exchange, Parameters, invalid_json, refuse};
pub use head::Head;
pub use hijack::Hijacked;
pub use json_lines::JsonLines;
pub use query::Query;
pub use stream::Stream;
