//! Runs stages one after the other: each is announced and timed, and named again at the end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The stages that have run so far.
#[derive(Default)]
pub struct Stages(Vec<(&'static str, u32, Duration, bool)>);

impl Stages {
    /// Runs one stage. A failure is shown at once and does not end the run, so that one run shows everything that fails.
    pub fn run(&mut self, name: &'static str, usual: u32, stage: impl FnOnce() -> Result<()>) -> bool {
        eprintln!("\n== {name}");
        let started = Instant::now();
        let result = stage();
        let took = started.elapsed();
        if let Err(error) = &result {
            eprintln!("error: {error:#}");
        }
        eprintln!("== {name}: {} in {:.1} s", verdict(result.is_ok()), took.as_secs_f32());
        self.0.push((name, usual, took, result.is_ok()));
        result.is_ok()
    }

    /// Prints the duration of each stage beside its usual duration. Fails if a stage failed.
    pub fn finish(self) -> Result<()> {
        eprintln!();
        for (name, usual, took, passed) in &self.0 {
            eprintln!("{name:<30} {:<7} {:>7.1} s, usually {usual} s", verdict(*passed), took.as_secs_f32());
        }
        let total: Duration = self.0.iter().map(|stage| stage.2).sum();
        eprintln!("{:<30} {:<7} {:>7.1} s", "", "", total.as_secs_f32());
        let failed: Vec<_> = self.0.iter().filter(|stage| !stage.3).map(|stage| stage.0).collect();
        if !failed.is_empty() {
            bail!("failed: {}", failed.join(", "));
        }
        Ok(())
    }
}

fn verdict(passed: bool) -> &'static str {
    if passed { "passed" } else { "FAILED" }
}
