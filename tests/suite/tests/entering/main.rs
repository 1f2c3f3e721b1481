//! What a container can do to hull when hull looks at its files or enters it: nothing that it could not do to itself.

mod files;
mod oci;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "../oci_world/mod.rs"]
mod oci_world;
mod watched;
