//! OCI images: references, content store, layers, archives.
