//! Garbage collection: what a killed command or a killed monitor has left is found and removed.
//!
//! ```text
//! housekeeping    who looks for leftovers, and when
//! killed_monitor  after a killed monitor: processes, cgroup, state, network
//! cgroup_parents  cgroups that a container's --cgroup-parent named, and hull made
//! limits          after an update that was killed
//! removal         the files of a container that has ended
//! steps           steps of builds that were killed
//! ```

pub(crate) mod cgroup_parents;
pub(crate) mod housekeeping;
pub(crate) mod killed_monitor;
pub(crate) mod limits;
pub(crate) mod removal;
pub(crate) mod steps;
