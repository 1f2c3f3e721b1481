//! The command line: what can be typed. No other module reads it; they are given values.
//!
//! A comment with three strokes is what `--help` prints; one with two is for you.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serde_json::Value;

/// Lesson 2: process 1 of a world of its own, on a root file system of its own.
///
/// In a new PID namespace numbers start at 1 and nobody outside can be named, let alone killed. In a new mount namespace
/// mounts are the process's own affair, so it can build a tree, make that "/" and throw the host's away. Without
/// --rootfs the tree is made of this machine's own /usr, read-only, and of a new /etc, /tmp, /proc and /dev.
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
  step-02-pid-mount run -- ls /proc             numbers, and few of them
  step-02-pid-mount -v run -- ls /              the same, mount by mount
  step-02-pid-mount run --rootfs DIR sh         on a root of yours (cd DIR; mkdir bin proc dev; cp …/busybox bin/sh)
  step-02-pid-mount enter PID ps                among the processes of a running one (-v shows its pid)";

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
    /// The directory to be "/" inside; without it, one made of this machine's own /usr
    #[arg(long, value_name = "DIR")]
    pub rootfs: Option<PathBuf>,
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
