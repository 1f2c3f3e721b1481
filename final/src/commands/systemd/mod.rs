//! Units of systemd: the one that starts containers with the machine, and one for a single container.

pub mod api_units;
pub mod boot_unit;
pub mod generate;
mod quote;

use anyhow::{Context, Result};

use crate::cli::Global;
use crate::environment;

/// The beginning of a command line of hull in a unit: the program, and the roots that were named.
fn program_words(global: &Global) -> Result<String> {
    let program = environment::own_files().into_iter().find(|path| path.is_file());
    let program = program.context("cannot find hull's own program")?;
    let mut words = vec![quote::word(&program.to_string_lossy())];
    let flags = [
        ("--root", global.root.as_ref().map(|path| path.to_string_lossy().into_owned())),
        ("--runroot", global.runroot.as_ref().map(|path| path.to_string_lossy().into_owned())),
        ("--cgroup-parent", global.cgroup_parent.clone()),
    ];
    for (flag, given) in &flags {
        words.extend(given.iter().map(|given| format!("{flag}={}", quote::word(given))));
    }
    Ok(words.join(" "))
}
