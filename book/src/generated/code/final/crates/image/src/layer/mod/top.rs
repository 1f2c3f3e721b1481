//! A layer's tar, unpacked into a directory that it must not leave.
