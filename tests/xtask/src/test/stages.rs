//! The stages of the three sizes, cheapest first, so that a mistake shows early.

use anyhow::Result;

use super::costs::{Size, is_patient, order, size_of};
use super::programs::{self, Program, Selection};
use super::run_all::run_all;
use super::stage::Stages;
use crate::workspace::{cargo, run as succeed};
use crate::{book, learn, packages, readmes, vm};

/// A stage: the smallest size that includes it, its usual duration in seconds, and its work.
struct Stage {
    name: &'static str,
    size: Size,
    seconds: u32,
    what: What,
}

enum What {
    Task(fn() -> Result<()>),
    /// The test programs of this size.
    Programs(Size),
    /// The tests of one program that are marked `#[ignore]`.
    Ignored(&'static str),
}

const fn stage(name: &'static str, size: Size, seconds: u32, what: What) -> Stage {
    Stage { name, size, seconds, what }
}

/// The durations are in seconds, on two processors, when everything is built. Stages with a longer duration come later,
/// except that a stage comes after those that build its programs. The last three were measured while other programs ran.
#[rustfmt::skip]
const STAGES: [Stage; 13] = [
    stage("packages", Size::Usual, 1, What::Task(packages::install_missing)),
    stage("format", Size::Fast, 2, What::Task(format)),
    stage("programs", Size::Fast, 2, What::Task(programs::build_tools)),
    stage("quick tests", Size::Fast, 80, What::Programs(Size::Fast)),
    stage("book", Size::Usual, 2, What::Task(book::check)),
    stage("documentation", Size::Usual, 7, What::Task(documentation)),
    stage("lints", Size::Usual, 20, What::Task(lints)),
    stage("tests", Size::Usual, 170, What::Programs(Size::Usual)),
    stage("slow tests", Size::Long, 410, What::Programs(Size::Long)),
    stage("a reader's way through the steps", Size::Long, 90, What::Task(|| learn::prove(None))),
    stage("mutants of the lessons", Size::Long, 400, What::Ignored("mutations")),
    stage("commands of the READMEs", Size::Long, 660, What::Task(|| readmes::type_all(None))),
    stage("virtual machines", Size::Long, 1200, What::Task(virtual_machines)),
];

/// Runs the stages of `size`, later ones also after a failure. Only stages that cannot be built are left out.
pub fn run(size: Size) -> Result<()> {
    let mut stages = Stages::default();
    let mut built: Option<Vec<Program>> = None;
    for stage in STAGES.iter().filter(|stage| stage.size <= size) {
        stages.run(stage.name, stage.seconds, || match &stage.what {
            What::Task(task) => task(),
            What::Programs(of) => {
                let all = programs_once(&mut built)?;
                let mut chosen: Vec<_> = all.iter().filter(|program| size_of(program) == *of).collect();
                chosen.sort_by_key(|program| order(program));
                let (patient, others): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|one| is_patient(one));
                let results = [run_all(&others, &[], 1), run_all(&patient, &[], 2)];
                results.into_iter().collect()
            }
            What::Ignored(name) => {
                let all = programs_once(&mut built)?;
                let named: Vec<_> = all.iter().filter(|program| program.name == *name).collect();
                run_all(&named, &["--ignored"], 1)
            }
        });
    }
    stages.finish()
}

fn programs_once(built: &mut Option<Vec<Program>>) -> Result<&Vec<Program>> {
    let programs = match built.take() {
        Some(programs) => programs,
        None => programs::build(&Selection::Workspace)?,
    };
    Ok(built.insert(programs))
}

fn format() -> Result<()> {
    succeed(&mut cargo(&["fmt", "--all", "--check"]))
}

fn lints() -> Result<()> {
    succeed(&mut cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
}

/// Checks that the pages of rustdoc have no dead link, and that their examples compile and run.
fn documentation() -> Result<()> {
    let mut pages = cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
    succeed(pages.env("RUSTDOCFLAGS", "-D warnings"))?;
    programs::documentation(None)
}

/// The machine with fewer tests comes first.
fn virtual_machines() -> Result<()> {
    let x86 = vm::test(vm::Architecture::X86_64);
    let arm = vm::test(vm::Architecture::Aarch64);
    x86.and(arm)
}
