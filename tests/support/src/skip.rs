//! A test that cannot run here says why; continuous integration turns that into a failure.

use std::io::Write;

/// Set to `1` where every test must run: a skip then fails.
pub const MUST_RUN: &str = "HULL_TESTS_MUST_RUN";

/// Says that the running test is skipped, or panics where [`MUST_RUN`] is set. Use it through [`skip!`](crate::skip!).
pub fn skip(why: &str) {
    let name = current_test();
    assert!(std::env::var_os(MUST_RUN).is_none_or(|v| v != "1"), "{name} may not be skipped here: {why}");
    // Written to the descriptor directly, because the harness captures what a passing test prints by macros.
    let _ = writeln!(std::io::stderr(), "SKIP {name}: {why}");
}

/// Set to `1` on the kind of machine that a test which runs [`elsewhere`] needs: there a skip fails.
pub const MUST_RUN_HERE: &str = "HULL_TESTS_MUST_RUN_HERE";

/// Says that the running test needs another kind of machine, on which it runs too. This does not fail where [`MUST_RUN`]
/// is set; on that other machine [`MUST_RUN_HERE`] makes it fail.
pub fn elsewhere(why: &str) {
    let name = current_test();
    assert!(std::env::var_os(MUST_RUN_HERE).is_none_or(|v| v != "1"), "{name} was to run here: {why}");
    let _ = writeln!(std::io::stderr(), "SKIP {name}: {why}");
}

/// The name of the running test: the harness names its threads so.
pub fn current_test() -> String {
    std::thread::current().name().unwrap_or("test").to_owned()
}

/// Leaves the running test as skipped.
#[macro_export]
macro_rules! skip {
    ($($why:tt)*) => {{
        $crate::skip::skip(&format!($($why)*));
        return;
    }};
}

/// The path of `program` in `PATH`, if it is installed.
pub fn find_program(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|dir| dir.join(program)).find(|file| file.is_file())
}
