//! The stages of the three sizes, cheapest first: a mistake shows as early as it can.

use anyhow::Result;

use super::costs::{Size, order, size_of};
use super::programs::{self, Program, Selection};
use super::stage::Stages;
use crate::workspace::{cargo, run as succeed};
use crate::{book, packages, readmes, vm};

/// A stage, the smallest size that has it, and what it does.
struct Stage {
    name: &'static str,
    size: Size,
    what: What,
}

enum What {
    Task(fn() -> Result<()>),
    /// The test programs of this size.
    Programs(Size),
    /// The tests of one program that are marked `#[ignore]`.
    Ignored(&'static str),
}

const fn task(name: &'static str, size: Size, task: fn() -> Result<()>) -> Stage {
    Stage { name, size, what: What::Task(task) }
}

/// In brackets: the seconds that each takes on two processors with nothing else to do, when everything is built.
const STAGES: [Stage; 12] = [
    task("packages", Size::Usual, packages::install_missing), // [2]
    task("format", Size::Fast, format),                       // [2]
    task("programs", Size::Fast, programs::build_tools),      // [1]
    Stage { name: "quick tests", size: Size::Fast, what: What::Programs(Size::Fast) },
    task("lints", Size::Usual, lints),
    task("documentation", Size::Usual, documentation),
    task("book", Size::Usual, book::check),
    Stage { name: "tests", size: Size::Usual, what: What::Programs(Size::Usual) },
    Stage { name: "slow tests", size: Size::Long, what: What::Programs(Size::Long) },
    Stage { name: "mutants of the lessons", size: Size::Long, what: What::Ignored("mutations") },
    task("commands of the READMEs", Size::Long, || readmes::type_all(None)),
    task("virtual machines", Size::Long, virtual_machines),
];

/// Runs the stages of `size`, later ones also after a failure. Only what cannot be built is not run.
pub fn run(size: Size) -> Result<()> {
    let mut stages = Stages::default();
    let mut built: Option<Vec<Program>> = None;
    for stage in STAGES.iter().filter(|stage| stage.size <= size) {
        stages.run(stage.name, || match &stage.what {
            What::Task(task) => task(),
            What::Programs(of) => {
                let all = programs_once(&mut built)?;
                let mut chosen: Vec<_> = all.iter().filter(|program| size_of(program) == *of).collect();
                chosen.sort_by_key(|program| order(program));
                programs::run_all(chosen.into_iter(), &[])
            }
            What::Ignored(name) => {
                let all = programs_once(&mut built)?;
                programs::run_all(all.iter().filter(|program| program.name == *name), &["--ignored"])
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

/// The pages of rustdoc have no dead link, and their examples compile and run.
fn documentation() -> Result<()> {
    let mut pages = cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
    succeed(pages.env("RUSTDOCFLAGS", "-D warnings"))?;
    programs::documentation(None)
}

/// The one whose tests are fewer comes first.
fn virtual_machines() -> Result<()> {
    let x86 = vm::test(vm::Architecture::X86_64);
    let arm = vm::test(vm::Architecture::Aarch64);
    x86.and(arm)
}
