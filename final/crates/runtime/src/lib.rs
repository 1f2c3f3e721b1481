//! An OCI runtime as a library: bundles in, isolated processes out.
