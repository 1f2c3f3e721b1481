//! The command line. No other module reads it; they are given values.
//!
//! Comments with three slashes are the text of `--help`; those with two are for readers of the code.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serde_json::Value;

/// Lesson 2: process 1 of its own PID namespace, on a root file system of its own.
///
/// In a new PID namespace pids start at 1, and processes outside cannot be seen or signaled. In a new mount namespace
/// nobody outside sees the mounts, so the process can build a tree, make it "/" and detach the host's. Without
/// --rootfs the tree is made of this machine's own /usr, read-only, and of a new /etc, /tmp, /proc and /dev.
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
  step-02-pid-mount run -- ls /proc             only its own processes
  step-02-pid-mount -v run -- ls /              the same, mount by mount
  step-02-pid-mount run --rootfs DIR sh         on a root of yours (cd DIR; mkdir bin proc dev; cp …/busybox bin/sh)
  step-02-pid-mount enter PID ps                the processes of a running one (-v shows its pid)";

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
    /// The directory to be "/" inside; without it, one made of this machine's own /usr
    #[arg(long, value_name = "DIR")]
    pub rootfs: Option<PathBuf>,
    /// The program and its arguments
    #[arg(default_value = "/bin/sh", trailing_var_arg = true)]
    pub command: Vec<String>,
}

// Checked like every other argument, so that no code gets invalid JSON.
fn config(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text)
}

/// The program in the configuration that the parent has passed.
pub fn command(config: &Value) -> Vec<String> {
    let words = config["command"].as_array().into_iter().flatten();
    words.filter_map(|word| word.as_str().map(String::from)).collect()
}
