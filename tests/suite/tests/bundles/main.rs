//! Bundles, one for each field of the specification and for awkward pairs of them, on any program with runc's command line:
//!
//! ```text
//! cargo test -p hull-test-suite --test bundles -- --runtime /usr/sbin/runc [FILTER…]
//! ```
//! Without `--runtime` they run on runc first, where it is installed, for a case that the reference does not pass proves
//! nothing; then on hull-oci. What a reference cannot do is said with the case.

mod cases {
    pub mod cgroups;
    pub mod hooks;
    pub mod identity;
    pub mod mounts;
    pub mod namespaces;
    pub mod process;
    pub mod seccomp;
}
mod bundle;
#[path = "../oci_fixture/mod.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod oci_fixture;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bundle::Bundle;
use hull_test_support::{program, skip};

/// One bundle, or a few that belong together.
pub struct Case {
    name: &'static str,
    /// Runtimes whose packaged release fails the case or behaves in another way.
    not_on: &'static [&'static str],
    run: fn(&mut Bundle),
}

pub const fn case(name: &'static str, run: fn(&mut Bundle)) -> Case {
    Case { name, not_on: &[], run }
}

impl Case {
    pub const fn not_on(self, runtimes: &'static [&'static str]) -> Self {
        Self { not_on: runtimes, ..self }
    }
}

struct Arguments {
    runtime: Option<PathBuf>,
    filters: Vec<String>,
    list: bool,
}

fn main() -> ExitCode {
    let arguments = arguments();
    let cases = cases();
    if arguments.list {
        cases.iter().for_each(|case| println!("{}: test", case.name));
        return ExitCode::SUCCESS;
    }
    let runtimes = match &arguments.runtime {
        Some(runtime) => vec![runtime.clone()],
        None => skip::find_program("runc").into_iter().chain([program::hull_oci().to_owned()]).collect(),
    };
    let mut failed = Vec::new();
    for runtime in &runtimes {
        let name = runtime.file_name().unwrap_or_default().to_string_lossy().into_owned();
        println!("\nrunning {} bundles on {}", cases.len(), runtime.display());
        let (mut passed, mut ignored) = (0, 0);
        let chosen = |case: &&&Case| {
            arguments.filters.is_empty()
                || arguments.filters.iter().any(|filter| case.name.contains(filter.as_str()))
        };
        for case in cases.iter().filter(chosen) {
            match run(case, runtime, &name) {
                Verdict::Passed => passed += 1,
                Verdict::Ignored => ignored += 1,
                Verdict::Failed => failed.push(format!("{} on {name}", case.name)),
            }
        }
        println!("{name}: {passed} passed, {ignored} that it cannot do");
    }
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => {
            println!("\nfailed:\n    {}", failed.join("\n    "));
            ExitCode::FAILURE
        }
    }
}

fn cases() -> Vec<&'static Case> {
    [
        cases::process::CASES,
        cases::identity::CASES,
        cases::mounts::CASES,
        cases::namespaces::CASES,
        cases::cgroups::CASES,
        cases::seccomp::CASES,
        cases::hooks::CASES,
    ]
    .into_iter()
    .flatten()
    .collect()
}

enum Verdict {
    Passed,
    Ignored,
    Failed,
}

/// Runs in a thread, which has its own namespaces during this time.
fn run(case: &'static Case, runtime: &Path, name: &str) -> Verdict {
    if case.not_on.contains(&name) {
        println!("test {} ... ignored, {name} of this machine cannot", case.name);
        return Verdict::Ignored;
    }
    let path = runtime.to_owned();
    let thread = std::thread::Builder::new().name(case.name.into()).spawn(move || match Bundle::new(&path) {
        Some(mut bundle) => {
            (case.run)(&mut bundle);
            true
        }
        None => false,
    });
    match thread.expect("a thread can be started").join() {
        Ok(true) => {
            println!("test {} ... ok", case.name);
            Verdict::Passed
        }
        Ok(false) => Verdict::Ignored,
        Err(_) => {
            println!("test {} ... FAILED", case.name);
            Verdict::Failed
        }
    }
}

/// Ignores the flags of the usual test harness.
fn arguments() -> Arguments {
    let mut found = Arguments { runtime: None, filters: Vec::new(), list: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--runtime" => found.runtime = Some(words.next().expect("--runtime PATH").into()),
            "--list" => found.list = true,
            "--test-threads" | "--format" | "-Z" => drop(words.next()),
            flag if flag.starts_with('-') => {}
            filter => found.filters.push(filter.to_owned()),
        }
    }
    found
}
