//! The command line. No other module reads it; they are given values.
//!
//! Comments with three slashes are the text of `--help`; those with two are for readers of the code.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serde_json::Value;

/// Lesson 4: containers share one base, and each keeps its own changes.
///
/// An overlay shows several directories as one. A read looks down the stack until it finds the name. A write copies the
/// file to the upper directory first, so the lower directories never change, and any number of containers can share
/// them. A deletion is recorded in upper too, as a special file.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Options {
    #[command(subcommand)]
    pub verb: Verb,
    /// Print each system call on stderr, outside and inside, and what it changed
    // Global: it may stand before or after the verb.
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

const EXAMPLES: &str = "\
Try:
  step-04-overlay run --diff -- rm /lesson/delete-me              lists what has changed: D for deleted
  step-04-overlay -v run -- sh -c 'echo >>/lesson/change-me'      how upper records it on disk
  step-04-overlay run --changes DIR sh                            afterwards: ls -lR DIR/upper
  step-04-overlay run --rootfs TOP --rootfs BASE sh               your own directories, TOP on top";

#[derive(Subcommand)]
pub enum Verb {
    /// Run a program in namespaces of its own
    Run(Run),
    /// Run a program in the namespaces of a process that is running
    Enter {
        /// The pid, outside, of a process in the namespaces to enter
        pid: i32,
        // Everything from the first word that is not an option belongs to the program, so `ls -l` needs no quotes.
        #[arg(default_value = "/bin/sh", trailing_var_arg = true)]
        command: Vec<String>,
    },
    /// The process inside, which `run` starts; not for typing by hand
    // The verb exists for the re-exec. Typed by hand it would do the container's setup to the host, so it is hidden.
    #[command(hide = true)]
    Child {
        #[arg(value_parser = config)]
        config: Value,
    },
}

#[derive(Args)]
pub struct Run {
    /// The hostname inside
    #[arg(long, value_name = "NAME", default_value = "box")]
    pub hostname: String,
    /// A directory to be "/" inside, never written to; several are stacked, the first on top; without any, "/" is made
    /// of this machine's own /usr
    #[arg(long, value_name = "DIR")]
    pub rootfs: Vec<PathBuf>,
    /// Keep the changes in DIR/upper, and start with the changes that are there; without it they go with the container
    #[arg(long, value_name = "DIR")]
    pub changes: Option<PathBuf>,
    /// List the changes at the end: A for added, C for changed, D for deleted
    #[arg(long)]
    pub diff: bool,
    /// The memory limit, with k, m or g for the powers of 1024; at the limit the kernel kills a process
    // Checked here, where the message can name the option. The kernel would answer EINVAL, or accept it and kill.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub memory: Option<u64>,
    /// The CPU limit, 0.2 for a fifth of one CPU; beyond it all processes wait for the next tenth of a second
    #[arg(long, value_name = "CPUS", value_parser = cpus)]
    pub cpus: Option<f64>,
    /// The limit on processes and threads, process 1 included; beyond it fork fails
    // At least two, because process 1 runs the program in a second process.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..))]
    pub pids: Option<u64>,
    /// The program and its arguments
    #[arg(default_value = "/bin/sh", trailing_var_arg = true)]
    pub command: Vec<String>,
}

// Checked like every other argument, so that no code gets invalid JSON.
fn config(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text)
}

/// A list of strings in the configuration that the parent has passed.
pub fn words(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|word| word.as_str().map(String::from)).collect()
}

// Powers of 1024, as docker reads these letters.
const UNITS: [(char, u64); 3] = [('k', 1 << 10), ('m', 1 << 20), ('g', 1 << 30)];

fn bytes(text: &str) -> Result<u64, String> {
    let lower = text.to_lowercase();
    let unit = UNITS.into_iter().find_map(|(letter, size)| Some((lower.strip_suffix(letter)?, size)));
    let (digits, size) = unit.unwrap_or((&lower, 1));
    let number: u64 = digits.parse().map_err(|_| "a number, optionally followed by k, m or g".to_owned())?;
    match number.checked_mul(size) {
        // The kernel accepts less, and then kills process 1 before the program has started.
        Some(bytes) if bytes < 4 << 20 => Err("at least 4m: this program itself has to fit in".into()),
        Some(bytes) if bytes <= i64::MAX as u64 => Ok(bytes),
        _ => Err("too large a number".into()),
    }
}

fn cpus(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(cpus) if (0.01..=1024.0).contains(&cpus) => Ok(cpus),
        // The kernel's smallest quota is 1000 µs, which is this share of the usual period.
        Ok(_) => Err("between 0.01 and 1024 CPUs".into()),
        Err(_) => Err("a number of CPUs, such as 0.5 or 2".into()),
    }
}
