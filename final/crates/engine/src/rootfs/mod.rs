//! A container's root file system.
//!
//! ```text
//! mount        the root, and the volumes' first content
//! etc_files    /etc/hosts, hostname and resolv.conf, written at each start
//! etc_links    symlinks of an image at the paths of these files
//! host_mount   a container's root on the host
//! sources      sources of mounts that are made first: driver volumes, parts of volumes, overlays
//! block        the file systems of block devices    source_paths where the sources are
//! handed       sources that a builder hands to its step    forward      a socket of the host, in a step
//! nodes        device nodes that a container's devices ask for
//! stubs        mount points that were made for a step
//! ```

pub(crate) mod block;
pub(crate) mod etc_files;
pub(crate) mod etc_links;
mod forward;
mod handed;
pub(crate) mod host_mount;
pub(crate) mod mount;
pub(crate) mod nodes;
mod source_paths;
pub(crate) mod sources;
pub(crate) mod stubs;
