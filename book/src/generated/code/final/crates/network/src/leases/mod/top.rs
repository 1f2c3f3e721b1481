//! Which container has which address: a file for each leased address.
//!
//! ```text
//! <run>/networks/<name>/lock            held while addresses are allocated or released
//!                       last            the address that was allocated last, of each family
//!                       leases/<ip>     its holder; or, for a minute, when it was released
//! ```
//!
//! - **The address after the last one is allocated, not the lowest free one.** Neighbours cache which MAC address an IP
//!   address has. If an address were reused at once, they would send to the container that had it before.
//! - For the same reason a released address is **kept free for a minute**, unless there is no other.
//! - A lease names its holder's process by pid and start time, and ends with it. So a killed monitor's leases need no
//!   cleanup: a process that finds one replaces it.
//! - If somebody empties the run directory, the containers that are still attached are found in the kernel. Their addresses
//!   are in use for as long as their links exist.
