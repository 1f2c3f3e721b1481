//! A registry: three kinds of GET request, and a token that permits them.
//!
//! ```text
//! GET /v2/NAME/manifests/TAG       ──▶ an index, or a manifest
//! GET /v2/NAME/manifests/DIGEST    ──▶ the manifest for one platform
//! GET /v2/NAME/blobs/DIGEST        ──▶ the config, or a layer
//!
//! 401 Unauthorized, WWW-Authenticate: Bearer realm="…",service="…",scope="…"
//!     GET realm?service=…&scope=… ──▶ a token, which is sent with every later request
//! ```
//!
//! The OCI distribution specification defines the requests. Nothing that a registry sends is
//! trusted: this program computes the digest of the bytes that arrive.
