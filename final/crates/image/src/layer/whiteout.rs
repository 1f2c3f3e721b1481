//! Whiteouts as a layer's tar has them (image-spec, layer.md): `.wh.x` hides x of the layers below, and `.wh..wh..opq`
//! hides all that they have in its directory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The name that a whiteout of this name hides. `None` if it is no whiteout.
pub(super) fn hidden_by(name: &OsStr) -> Option<&OsStr> {
    name.as_bytes().strip_prefix(b".wh.").map(OsStr::from_bytes)
}
