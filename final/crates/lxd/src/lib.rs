//! LXD's formats: configuration keys, devices, sizes, and the YAML documents of `show` and `edit`. No I/O.
//!
//! ```text
//! error      what is wrong with a key, a device or a document, and which known name is similar
//! size       1GiB, 10%, 100Mbit, 30iops      cpu       2, 0-1,3, 50%, 25ms/100ms
//! idmap      both 1000 1000                  rlimit    1024:4096, unlimited
//! pattern    the names of scheduled snapshots
//! calendar   when a snapshot expires, and when a schedule was due
//! schedule   @daily, 0 6 * * *, 1w 2d        value     which texts a key accepts
//! keys       the configuration keys of a container
//! network    the configuration keys of networks
//! device     the types of devices, and their keys
//! expand     combines profiles and a container's own settings
//! yaml       YAML as LXD prints it           document  the documents of containers and profiles
//! ```

pub mod calendar;
pub mod cpu;
pub mod device;
pub mod document;
mod error;
pub mod expand;
pub mod idmap;
pub mod keys;
pub mod network;
pub mod pattern;
pub mod rlimit;
pub mod schedule;
pub mod size;
pub mod value;
pub mod yaml;

use std::collections::BTreeMap;

pub use error::{Error, Result};

/// Configuration keys and their values.
pub type Config = BTreeMap<String, String>;

/// A device: its keys and their values, `type` among them.
pub type Device = BTreeMap<String, String>;

/// Devices by their names.
pub type Devices = BTreeMap<String, Device>;
