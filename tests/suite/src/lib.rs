//! Black-box tests of the `hull` binary: one file in `tests/` per theme, one sentence per test.
//!
//! Each test makes a [`Scenario`](../hull_test_support/scenario/struct.Scenario.html) and drives `hull` through its
//! command line. `tests/limits.rs` also runs inside the cgroup v2 virtual machine (see `tests/xtask/src/vm`), so it
//! uses nothing but the busybox image.
