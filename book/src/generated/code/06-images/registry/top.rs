//! A registry: three GETs, and whatever it takes to be let in.
//!
//! ```text
//! GET /v2/NAME/manifests/TAG       ──▶ an index or a manifest: names by digest what there is more
//! GET /v2/NAME/manifests/DIGEST    ──▶ the manifest of one platform
//! GET /v2/NAME/blobs/DIGEST        ──▶ its config, its layers
//!     401, WWW-Authenticate: Bearer realm="…",service="…",scope="…"
//!                                  ──▶ GET realm?service=…&scope=…, and the token from there goes with every request
//! ```
//!
//! (OCI distribution specification.) Nothing here is believed: whoever asked for a digest computes it.
