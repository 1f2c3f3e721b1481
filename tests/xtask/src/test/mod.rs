//! `cargo xtask test`: the tests in three sizes, or those with one name.
//!
//! ```text
//! stages     the list: what each size runs, cheapest first, with the seconds that each stage takes
//! costs      how long each test program takes, which decides in what size it runs
//! programs   builds test programs
//! run_all    runs them, and repeats at the end what failed
//! name       finds the tests that `cargo xtask test NAME` means
//! stage      runs stages, times them, and prints the table at the end
//! ```

mod costs;
mod name;
mod programs;
mod run_all;
mod stage;
mod stages;

use anyhow::{Result, bail};

use programs::Selection;

/// The options of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Only one suite of tests/suite (lifecycle), one lesson (04-overlay) or one crate (engine)
    name: Option<String>,
    /// Of these only the tests with TEXT in their names
    #[arg(value_name = "TEXT")]
    filter: Option<String>,
    /// The daily two minutes: format, unit tests, lessons, and the quickest suites
    #[arg(long, conflicts_with_all = ["long", "name"])]
    fast: bool,
    /// Everything, as continuous integration does: also the slow suites, mutants, READMEs and virtual machines
    #[arg(long, conflicts_with = "name")]
    long: bool,
}

pub fn test(options: &Options) -> Result<()> {
    if let Some(name) = &options.name {
        return one(name, options.filter.as_deref());
    }
    let size = match (options.fast, options.long) {
        (true, _) => costs::Size::Fast,
        (_, true) => costs::Size::Long,
        _ => costs::Size::Usual,
    };
    stages::run(size)
}

/// Builds and runs the tests with this name.
fn one(name: &str, filter: Option<&str>) -> Result<()> {
    let selection = name::find(name)?;
    programs::build_tools()?;
    let found = programs::build(&selection)?;
    if found.is_empty() {
        bail!("{name} has no tests");
    }
    found.iter().try_for_each(|program| programs::run_one(program, filter.as_slice()))?;
    match &selection {
        Selection::Package(package) => programs::documentation(Some(package)),
        Selection::Suite(_) | Selection::Workspace => Ok(()),
    }
}
