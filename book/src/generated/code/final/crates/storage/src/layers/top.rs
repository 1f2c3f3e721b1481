//! Unpacked layers: `layers/<chain-id>/diff`, unpacked once and shared by all containers whose image has the layer. The
//! file `size` beside it has the number of bytes in its files, counted while they were unpacked: counting them
//! afterwards takes as long as writing them.
//!
//! An unprivileged user without subordinate ids has one id, which owns every file. Layers unpacked that way are kept in
//! `layers-one-id`. Once the user has subordinate ids, images are unpacked again, and the layers of existing containers
//! do not change.
//!
//! A layer directory under its chain ID is complete and on the disk, and does not change until it is removed whole; the
//! layer of a build's step may not be on the disk yet ([`crate::step_layer`]). So readers need no lock, and if two commands unpack the same layer at once, they only do the work twice.
