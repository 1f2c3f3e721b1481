//! Who has which address: one file for each.
//!
//! ```text
//! <run>/networks/<name>/lock            held while addresses are given or taken back
//!                       last            the address given last, of each family
//!                       leases/<ip>     its holder; or, for a minute, when it was released
//! ```
//!
//! - **Next after last, never the lowest free.** Neighbours remember which MAC address had an IP address; one that comes
//!   back at once is answered by their memory of a container that is gone.
//! - For the same reason a released address **rests for a minute**, unless there is no other.
//! - A lease names its holder by pid and start time. The dead hold nothing, so what a kill leaves is taken back by whoever
//!   comes across it.
//! - Where nothing is known, because somebody has emptied the run directory, those who are still plugged in are asked of
//!   the kernel. Such a lease lasts as long as the cable.
