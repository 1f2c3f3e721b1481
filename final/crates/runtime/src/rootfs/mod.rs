//! The container's file system, built below a root that the image controls.
//!
//! Every path in it is resolved as the container would resolve it, with `openat2(RESOLVE_IN_ROOT)`: a symlink in an image
//! leads to the image, never to the host. A file that is found is held by descriptor and mounted on by descriptor, so that
//! it cannot be replaced between the lookup and the mount.
//!
//! ```text
//! root          the root by descriptor, and lookups in it
//! pivot         making it the root of the process
//! mounts        the mounts of the spec     options        their options
//! sources       bind mounts that are made before the clone, or by the parent
//! file_systems  new file systems           cgroup_mounts  /sys/fs/cgroup
//! guard         what may be mounted on /proc and in it
//! foreign_proc  a procfs of a pid namespace that other processes are in
//! copy_up       a tmpfs with the files that it covers
//! attached      mounts of the caller's own, beside those of the spec
//! running       attaching and removing mounts of a running container
//! devices       device nodes               masks          paths that are hidden or read-only
//! ```

mod attached;
mod cgroup_mounts;
mod copy_up;
mod devices;
mod file_systems;
mod foreign_proc;
mod guard;
mod masks;
mod mounts;
mod options;
mod pivot;
mod root;
mod running;
mod sources;

pub use attached::{clone_from, mount_at};
pub(crate) use devices::{make_default_devices, make_device};
pub(crate) use guard::has_bound_dev;
pub use guard::plain;
pub(crate) use masks::{Masks, read_only};
pub use mounts::DetachedMount;
pub(crate) use mounts::{ReadOnlyLater, attach_detached, bind_console, mount};
pub use options::mount_options;
pub(crate) use options::{inapplicable as inapplicable_option, is_bind};
pub(crate) use pivot::{enter_shared, is_propagation, pivot, prepare};
pub(crate) use root::{Kind, Rootfs};
pub use running::{attach_mount, covered, detach_mount, mount_of, open_mount};
pub(crate) use sources::{Source, Sources, answer, request};
