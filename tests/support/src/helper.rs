//! Small C programs that run inside containers. They are compiled when a test needs them, statically, so that they run
//! on any image.

use std::path::PathBuf;
use std::process::Command;

use crate::{Scenario, skip};

/// Compiles the C text into the scenario's directory. None where the machine has no C compiler: the test is skipped then.
#[track_caller]
pub fn compile(t: &Scenario, name: &str, text: &str) -> Option<PathBuf> {
    if skip::find_program("gcc").is_none() {
        skip::skip("there is no gcc");
        return None;
    }
    let source = t.write(&format!("{name}.c"), text);
    let program = t.path(name);
    let outcome = crate::outcome::run(
        Command::new("gcc").args(["-O2", "-static", "-pthread", "-o"]).arg(&program).arg(&source),
    );
    outcome.ok();
    Some(program)
}
