//! `cargo xtask`: everything that a newcomer would otherwise have to remember.

mod bench;
mod book;
mod install;
mod learn;
mod packages;
mod readmes;
mod test;
mod vm;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Build, test, measure and install hull.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the tests: the usual ones, in six minutes; with --fast in two; with --long all; or those with one name
    Test(test::Options),
    /// Type the commands of the READMEs, as they stand, in a fresh clone
    Readmes {
        /// Only READMEs with this text in their path
        only: Option<String>,
    },
    /// Run only the tests that need cgroup v2 or another processor, in a virtual machine
    Vm {
        /// The machine: x86_64 has cgroup v2 and systemd, aarch64 has the other processor
        #[arg(long, default_value = "x86_64")]
        arch: vm::Architecture,
    },
    /// Learn by building: write the functions of a step yourself, in a workspace of your own
    Learn(learn::Options),
    /// Build for release and put hull, hull-oci, completions, man pages and the book below a directory
    Install {
        /// For example /usr/local
        #[arg(long)]
        prefix: PathBuf,
    },
    /// Build the book's pages in target/book, from the files below book/src/generated as they are
    Book(book::Options),
    /// Measure hull against the kernel's own work (the baseline) and print a table of ratios
    Bench {
        /// The number of pairs of runs for each ratio
        #[arg(long, default_value_t = 50)]
        pairs: u32,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Test(options) => test::test(&options),
        Task::Readmes { only } => readmes::type_all(only.as_deref()),
        Task::Vm { arch } => vm::test(arch),
        Task::Learn(options) => learn::learn(&options),
        Task::Install { prefix } => install::install(&prefix),
        Task::Book(options) => book::book(&options),
        Task::Bench { pairs } => bench::bench(pairs),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
