//! The messages between the parent and the container's first process, over a pair of `SOCK_SEQPACKET` sockets.
//!
//! ```text
//! parent                             child
//!   make the cgroups
//!   clone3
//!   map ids, move network devices
//!   Go ──────────────────────────────▶ (only with a new user namespace or network devices)
//!                                      enter the cgroups, mount
//!   bind a source ◀─────────────────── BindRequest (only for a source in the container's root, rootfs/sources.rs)
//!   BoundSource ─────────────────────▶ mask paths, make devices
//!   run hooks ◀─────────────────────── Mounted (only with prestart or createRuntime hooks)
//!   Go ──────────────────────────────▶ pivot_root
//!          ◀────────────────────────── Console, with the terminal's master
//!          ◀────────────────────────── Ready
//!   Go ──────────────────────────────▶ execve
//!          ◀────────────────────────── end of file: the socket is close-on-exec, so the program runs
//! ```
//! If the container joins a pid namespace, the first process cloned works outside of it. It sends `BeforeClone`, waits for
//! `Go`, clones the container's first process inside, sends `Cloned` with its pid and ends ([`crate::pid_namespace`]).
//!
//! At any point the child may send `Failed` with an error instead, and exit. After `Ready` the other side may be another
//! process ([`crate::rendezvous`]).
