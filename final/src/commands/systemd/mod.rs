//! Units of systemd: those that start containers with the machine and take snapshots, and one for a single container.
//! OpenRC has a service that starts containers with the machine.

pub mod api_units;
pub mod boot_unit;
pub mod generate;
mod openrc;
mod quote;
pub mod snapshot_timer;

use anyhow::{Context, Result};

use crate::cli::Global;
use crate::environment;

/// The beginning of a command line of hull in a unit: the program, and the roots that were named.
fn program_words(global: &Global) -> Result<String> {
    let words: Vec<String> = program_arguments(global)?
        .into_iter()
        .map(|word| match word.split_once('=') {
            Some((flag, given)) if flag.starts_with("--") => format!("{flag}={}", quote::word(given)),
            _ => quote::word(&word),
        })
        .collect();
    Ok(words.join(" "))
}

/// The same as separate words, without quotes.
fn program_arguments(global: &Global) -> Result<Vec<String>> {
    let program = environment::own_files().into_iter().find(|path| path.is_file());
    let program = program.context("cannot find hull's own program")?;
    let flags = [
        ("--root", global.root.as_ref().map(|path| path.to_string_lossy().into_owned())),
        ("--runroot", global.runroot.as_ref().map(|path| path.to_string_lossy().into_owned())),
        ("--cgroup-parent", global.cgroup_parent.clone()),
    ];
    let given = flags.into_iter().filter_map(|(flag, given)| Some(format!("{flag}={}", given?)));
    Ok(std::iter::once(program.to_string_lossy().into_owned()).chain(given).collect())
}
