//! A layer's tar, unpacked into a directory that it must not leave.

mod apply;
mod place;

pub(crate) use apply::apply;
