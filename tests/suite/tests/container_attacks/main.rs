//! Attacks of a container on hull, at the moments when hull reads its files or enters it.

mod files;
mod oci;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "../oci_fixture/mod.rs"]
mod oci_fixture;
mod watched;
