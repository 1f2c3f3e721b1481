//! The command line: what can be typed. No other module reads it; they are given values.
//!
//! A comment with three strokes is what `--help` prints; one with two is for you.

use clap::{Args, Parser, Subcommand};
use serde_json::Value;

/// Lesson 1: a process with a hostname of its own.
///
/// A UTS namespace holds two names, the hostname and the NIS domain name. A process in a new one starts with a copy of
/// them and can change the copy; nobody outside notices. As root that takes one flag of clone(2). As yourself it takes a
/// user namespace too, in which you are root and on which your powers end.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Options {
    #[command(subcommand)]
    pub verb: Verb,
    /// Tell each kernel call on stderr, outside and inside, and what it changed
    // Global: before the verb or behind it.
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

const EXAMPLES: &str = "\
Try:
  step-01-uts run hostname                      a name of its own
  step-01-uts -v run --hostname web -- id -u    the same, call by call
  step-01-uts run sh                            then, in it: hostname other; exit; hostname
  step-01-uts enter PID hostname                what a running one is called (-v shows its pid)";

#[derive(Subcommand)]
pub enum Verb {
    /// Run a program in namespaces of its own
    Run(Run),
    /// Run a program in the namespaces of a process that is running
    Enter {
        /// A process in the namespaces to enter, by its number out here
        pid: i32,
        // From the first word on that is no option all belongs to the program, so that `ls -l` needs no quotes.
        #[arg(default_value = "/bin/sh", trailing_var_arg = true)]
        command: Vec<String>,
    },
    /// What `run` starts on the inside; not for typing
    // It has to be there for the re-exec, and whoever typed it would do to the host what is meant for the inside.
    #[command(hide = true)]
    Child {
        #[arg(value_parser = config)]
        config: Value,
    },
}

#[derive(Args)]
pub struct Run {
    /// What the inside is called
    #[arg(long, value_name = "NAME", default_value = "box")]
    pub hostname: String,
    /// The program and its arguments
    #[arg(default_value = "/bin/sh", trailing_var_arg = true)]
    pub command: Vec<String>,
}

// Checked like every other argument, so that nobody gets further with one that is no JSON.
fn config(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text)
}

/// The program in a config that crossed from the outside.
pub fn command(config: &Value) -> Vec<String> {
    let words = config["command"].as_array().into_iter().flatten();
    words.filter_map(|word| word.as_str().map(String::from)).collect()
}
