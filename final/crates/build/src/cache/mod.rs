//! What steps have made, by their keys.
