//! The tests beside it are all there is.
