//! The table of blanks: which functions the reader writes, one file for each step.

mod step_01;
mod step_02;
mod step_03;
mod step_04;
mod step_05;
mod step_06;
mod step_07;

/// The most lines of code that a blank may have. Comments and empty lines do not count.
pub const MOST_LINES: usize = 25;

/// One lesson and its blanks.
#[derive(Debug)]
pub struct Step {
    /// Its directory below `steps`, such as `03-cgroups`.
    pub name: &'static str,
    /// In the order of their tasks.
    pub blanks: &'static [Blank],
}

/// A function that the reader writes. Its signature and comments stay, and its body becomes a `todo!()`.
#[derive(Debug)]
pub struct Blank {
    /// The number of the task that checks this function, counted from 1.
    pub task: usize,
    /// The file below the step's `src`, such as `namespaces.rs`.
    pub file: &'static str,
    /// The function's name, or `Type::name` for a method. The file has exactly one function of this name.
    pub item: &'static str,
    /// Two lines: what to call or compute, and what is easily forgotten. A line has at most 120 characters.
    pub hint: [&'static str; 2],
    /// How long it usually takes to write.
    pub minutes: u32,
    /// The chapter's file and the heading of the explanation, relative to the step's directory in the book:
    /// `uts.md#what-a-namespace-is`. It must not be `#the-code`, where the solution stands.
    pub chapter: &'static str,
    /// A body that compiles and does nothing, such as `Ok(())`. The proof in CI shows that the task fails with it.
    pub empty: &'static str,
}

/// All lessons, in order.
pub static STEPS: [Step; 7] =
    [step_01::STEP, step_02::STEP, step_03::STEP, step_04::STEP, step_05::STEP, step_06::STEP, step_07::STEP];

impl Step {
    /// The lesson with this directory, or with this number (`3`, `03`).
    pub fn find(name: &str) -> Option<&'static Step> {
        let number: Option<usize> = name.parse().ok();
        STEPS.iter().find(|step| step.name == name || number == Some(step.number()))
    }

    /// Its position, counted from 1.
    pub fn number(&self) -> usize {
        STEPS.iter().position(|step| step.name == self.name).map_or(0, |at| at + 1)
    }

    /// The blanks that one task checks.
    pub fn blanks_of(&self, task: usize) -> impl Iterator<Item = &'static Blank> + use<> {
        self.blanks.iter().filter(move |blank| blank.task == task)
    }

    /// How many tasks it has.
    pub fn tasks(&self) -> usize {
        self.blanks.iter().map(|blank| blank.task).max().unwrap_or(0)
    }

    /// A blank's chapter, as a path in the repository with the heading behind it.
    pub fn chapter(&self, blank: &Blank) -> String {
        format!("book/src/steps/{}/{}", self.name, blank.chapter)
    }
}
