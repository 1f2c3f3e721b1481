//! The command line. No other module reads it; they are given values.
//!
//! Comments with three slashes are the text of `--help`; those with two are for readers of the code.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "clap prints these comments as help, where brackets mean: may be left out"
)]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serde_json::Value;

/// Lesson 7: fewer capabilities, and a filter for system calls.
///
/// Root's privileges are divided into 41 capabilities, and this step drops most of them. All containers share the
/// kernel and its 360 system calls, and a filter refuses some of them. Files in /proc and /sys that are about the machine
/// are hidden or read-only. So a program cannot open the host's disk any more, as it can in step 6.
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
Try (as root; alpine is any image, and book/bin/make-image DIR makes one without a network):
  step-07-security run alpine mknod /disk b 8 0                  the host's disk: step 6 permits it
  step-07-security run alpine grep -E 'Cap|NoNew|Sec' /proc/self/status
  step-07-security run --keep NET_BIND_SERVICE alpine chown 1 /tmp
  step-07-security run --denied kill alpine mount -t tmpfs x /tmp
  step-07-security -v run alpine true                            every call";

#[derive(Subcommand)]
pub enum Verb {
    /// Run an image's program in namespaces of its own
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
    /// Keep what is changed in DIR/upper, and begin with what is there; without it changes go with the container
    #[arg(long, value_name = "DIR")]
    pub changes: Option<PathBuf>,
    /// Afterwards, list what has been changed: A for added, C for changed, D for deleted
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
    /// Publish a TCP port: forward a port of the host to a port of the container; may be given more than once
    // TCP only: for UDP the rule differs in one number.
    #[arg(short, long, value_name = "HOST:CONTAINER", value_parser = port)]
    pub publish: Vec<(u16, u16)>,
    /// Keep these capabilities: names with commas between them, or none
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = capability)]
    pub keep: Option<Vec<String>>,
    /// What happens at a refused system call: it returns an error, it ends the program, or it is made and logged
    #[arg(long, default_value = "error", value_parser = ["error", "kill", "log"])]
    pub denied: String,
    /// A directory with an optional :TAG, or the name in a registry: [HOST/]NAME[:TAG] or [HOST/]NAME@DIGEST
    pub image: String,
    /// The program and its arguments, instead of the image's own
    // Everything after the image belongs to the program.
    #[arg(trailing_var_arg = true)]
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

fn port(text: &str) -> Result<(u16, u16), String> {
    let number = |text: &str| text.parse().ok().filter(|port| *port != 0);
    let pair = text.split_once(':').and_then(|(outer, inner)| Some((number(outer)?, number(inner)?)));
    pair.ok_or_else(|| "two ports between 1 and 65535, such as 8080:80".into())
}

fn capability(name: &str) -> Result<String, String> {
    let is_one = name == "none" || crate::capabilities::parse(name).is_some();
    is_one
        .then(|| name.to_owned())
        .ok_or_else(|| "expected the name of a capability without CAP_, such as NET_RAW, or none".into())
}
