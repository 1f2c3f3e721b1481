//! What the parent and the container's first process say to each other, over a `SOCK_SEQPACKET` pair.
//!
//! ```text
//! parent                          child
//!   make the cgroups
//!   clone3
//!   map its ids, give it devices
//!   Go ───────────────────────────▶ (only where there is something of the kind to wait for)
//!                                   enter the cgroups, mount
//!   bind a source ◀────────────── Bind (only for those that lie in the container's root, rootfs/sources.rs)
//!   Bound ────────────────────────▶ mask, devices
//!   run hooks ◀─────────────────── Built (only where there are hooks)
//!   Go ───────────────────────────▶ pivot
//!          ◀─────────────────────── Console, with the terminal's descriptor
//!          ◀─────────────────────── Ready
//!   Go ───────────────────────────▶ execve
//!          ◀─────────────────────── end of file: close-on-exec is the proof that it runs
//! ```
//! In a joined pid namespace, whose processes could see it, the container's first process is not the one that was
//! cloned first. That one does all the work outside, says `Arriving`, waits for `Go`, clones the other, says `Born` and
//! ends ([`crate::arrival`]).
//!
//! At any point the child may say `Failed` instead, with the step and the errno, and exit. From `Ready` on the other
//! side may be another process ([`crate::rendezvous`]).
