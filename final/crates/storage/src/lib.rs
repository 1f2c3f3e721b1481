//! hull's state on disk: roots, locks, names, layers, overlays, volumes.
