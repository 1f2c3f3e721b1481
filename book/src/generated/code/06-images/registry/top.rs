//! A registry: three GET requests, and a token to be allowed to make them.
//!
//! ```text
//! GET /v2/NAME/manifests/TAG       ──▶ an index or a manifest: names by digest what there is more
//! GET /v2/NAME/manifests/DIGEST    ──▶ the manifest of one platform
//! GET /v2/NAME/blobs/DIGEST        ──▶ its config, its layers
//!     401, WWW-Authenticate: Bearer realm="…",service="…",scope="…"
//!                                  ──▶ GET realm?service=…&scope=…, and the token from there goes with every request
//! ```
//!
//! (OCI distribution specification.) Nothing that a registry sends is trusted: the digest is
//! computed from what it sent.
