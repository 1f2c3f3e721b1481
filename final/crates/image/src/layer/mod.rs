//! A layer's tar, unpacked into a directory that it must not leave.

mod apply;
mod inherit;

#[cfg(test)]
mod tests;
mod unpack;
mod whiteout;

#[cfg(test)]
pub(crate) use apply::apply;
pub(crate) use unpack::{Packed, Source, Stream, unpack, unpack_into, unpack_unpublished, verify};
