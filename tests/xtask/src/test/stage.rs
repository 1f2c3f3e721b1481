//! Runs stages one after the other: each is announced and timed, and named again at the end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The stages that have run so far.
#[derive(Default)]
pub struct Stages(Vec<Run>);

struct Run {
    name: &'static str,
    usual: u32,
    took: Duration,
    error: Option<anyhow::Error>,
}

impl Stages {
    /// Runs one stage. A failure is shown at once and does not end the run, so that one run shows everything that fails.
    pub fn run(&mut self, name: &'static str, usual: u32, stage: impl FnOnce() -> Result<()>) -> bool {
        eprintln!("\n== {name}");
        let started = Instant::now();
        let error = stage().err();
        let took = started.elapsed();
        if let Some(error) = &error {
            eprintln!("error: {error:#}");
        }
        let has_passed = error.is_none();
        eprintln!("== {name}: {} in {:.1} s", verdict(has_passed), took.as_secs_f32());
        self.0.push(Run { name, usual, took, error });
        has_passed
    }

    /// Repeats the errors, and prints the duration of each stage beside its usual duration. Fails if a stage failed.
    pub fn finish(self) -> Result<()> {
        let failed: Vec<_> = self.0.iter().filter_map(|run| Some((run.name, run.error.as_ref()?))).collect();
        for (name, error) in &failed {
            eprintln!("\n== {name}: {error:#}");
        }
        eprintln!();
        for Run { name, usual, took, error } in &self.0 {
            let verdict = verdict(error.is_none());
            eprintln!("{name:<30} {verdict:<7} {:>7.1} s, usually {usual} s", took.as_secs_f32());
        }
        let total: Duration = self.0.iter().map(|run| run.took).sum();
        eprintln!("{:<30} {:<7} {:>7.1} s", "", "", total.as_secs_f32());
        if !failed.is_empty() {
            let names: Vec<_> = failed.iter().map(|(name, _)| *name).collect();
            bail!("failed: {}", names.join(", "));
        }
        Ok(())
    }
}

fn verdict(passed: bool) -> &'static str {
    if passed { "passed" } else { "FAILED" }
}
