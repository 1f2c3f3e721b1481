//! The versions that hull claims to docker's clients, which compare them with what they need.

/// The minor number of the newest version of the Engine API that hull speaks. The major number has always been 1.
pub const NEWEST_API: u16 = 51;

/// The minor number of the oldest one.
pub const OLDEST_API: u16 = 24;

/// The server's version: the release of docker whose API this is, with hull's own version as build metadata. Clients compare
/// the part before the plus sign.
pub const SERVER: &str = concat!("28.5.2+hull.", env!("CARGO_PKG_VERSION"));

/// `1.51`.
pub fn api(minor: u16) -> String {
    format!("1.{minor}")
}
