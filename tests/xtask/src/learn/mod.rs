//! `cargo xtask learn`: a workspace of the reader's own, in which the functions of a lesson are to be written.
//!
//! ```text
//! place     the reader's directory: found, made, and never overwritten
//! support   the files around the steps: manifest, lock file, configuration of cargo, README
//! blanks    a step's files with the bodies of its blanks replaced
//! tasks     runs the tasks and reads their outcomes
//! show      a hint, one solution, the table of tasks
//! next      the next step, with the reader's own functions
//! doctor    what this machine lacks
//! prove     the proof that each task fails until its function is written, and then passes
//! ```
//!
//! Which functions are blank stands in the table of the crate `lesson-tasks`, whose documentation says how to add one.

mod blanks;
mod doctor;
mod next;
mod place;
mod prove;
mod show;
mod support;
mod tasks;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use lesson_tasks::table::{STEPS, Step};

use place::Place;

pub use prove::prove;

const EXAMPLES: &str = "\
Examples:
  cargo xtask learn 01-uts          make learn/01-uts; then: cd learn && cargo test
  cargo xtask learn 01-uts ~/mine   the same in a directory of your own
  cargo xtask learn --hint 3        in the workspace: the hint of task 3
  cargo xtask learn --next          when all tasks pass: begin the next step

No command overwrites what you have written.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// The step to begin: 01-uts, or its number
    step: Option<String>,
    /// The directory of your workspace; the default is the one you are in, or learn/ in the repository
    directory: Option<PathBuf>,
    /// Print the hint of a task
    #[arg(long, value_name = "TASK", conflicts_with_all = ["show", "check", "doctor", "next"])]
    hint: Option<usize>,
    /// Print one solution of a task
    #[arg(long, value_name = "TASK", conflicts_with_all = ["check", "doctor", "next"])]
    show: Option<usize>,
    /// Run all tasks and print a table
    #[arg(long, conflicts_with_all = ["doctor", "next"])]
    check: bool,
    /// Print what this machine lacks for the steps
    #[arg(long, conflicts_with = "next")]
    doctor: bool,
    /// Begin the next step, with the functions that you have written
    #[arg(long)]
    next: bool,
    /// For writers of tasks: prove that each task fails until its function is written, and then passes
    #[arg(long, hide = true, conflicts_with_all = ["hint", "show", "check", "doctor", "next"])]
    prove: bool,
}

pub fn learn(options: &Options) -> Result<()> {
    let step = options.step.as_deref().map(find).transpose()?;
    if options.doctor {
        return doctor::doctor();
    }
    if options.prove {
        return prove(step);
    }
    let place = Place::find(options.directory.as_deref())?;
    if let Some(task) = options.hint {
        return show::hint(step.map_or_else(|| place.current(), Ok)?, task);
    }
    if let Some(task) = options.show {
        return show::solution(step.map_or_else(|| place.current(), Ok)?, task);
    }
    if options.check {
        return show::table(&place, step.map_or_else(|| place.current(), Ok)?);
    }
    if options.next {
        return next::next(&place);
    }
    begin(&place, step.context("name a step to begin with, for example: cargo xtask learn 01-uts")?)
}

/// Makes the step's directory, or goes back to it.
fn begin(place: &Place, step: &'static Step) -> Result<()> {
    let lock = place.lock()?;
    let is_new = !place.has(step);
    if is_new {
        place.add(step, &blanks::step_files(step, blanks::body_to_write)?)?;
    }
    place.make_current(step)?;
    drop(lock);
    let shown = place.shown();
    let count = step.tasks();
    if is_new {
        println!("{shown}/{} has {count} tasks. Begin with:\n\n  cd {shown}\n  cargo test\n", step.name);
        println!("The README.md there says what to do. The chapters are in book/src/steps/{}.", step.name);
    } else {
        println!("{shown}/{} is there already, and nothing in it was changed. Go on with:\n", step.name);
        match shown.as_str() {
            "." => println!("  cargo test"),
            _ => println!("  cd {shown}\n  cargo test"),
        }
    }
    Ok(())
}

/// The step with this name or number.
fn find(name: &str) -> Result<&'static Step> {
    let step = Step::find(name).or_else(|| Step::find(name.strip_prefix("step-")?));
    let Some(step) = step else {
        let nearest = STEPS.iter().max_by(|one, other| {
            strsim::jaro_winkler(one.name, name).total_cmp(&strsim::jaro_winkler(other.name, name))
        });
        let nearest = nearest.filter(|step| strsim::jaro_winkler(step.name, name) > 0.75);
        let names = STEPS.each_ref().map(|step| step.name).join(", ");
        let advice = nearest
            .map_or_else(|| format!("the steps are {names}"), |step| format!("did you mean {}?", step.name));
        bail!("there is no step {name}: {advice}");
    };
    Ok(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_goes_by_its_name_or_number_and_a_wrong_one_gets_advice() {
        for name in ["03-cgroups", "3", "03", "step-03-cgroups"] {
            assert_eq!(find(name).unwrap().name, "03-cgroups");
        }
        assert!(find("03-cgroup").unwrap_err().to_string().ends_with("did you mean 03-cgroups?"));
        for name in ["8", "0", "", "../etc", "zzz"] {
            assert!(find(name).unwrap_err().to_string().contains("there is no step"), "{name}");
        }
    }
}
