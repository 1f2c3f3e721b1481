//! Learning by building: which functions of a step the reader writes, and the program that checks them.
//!
//! `cargo xtask learn 01-uts` makes a workspace of the reader's own, in which the bodies of these functions are
//! `todo!()`. `cargo test` there runs the step's `tests/tasks.rs`, which is a program on top of this crate.
//!
//! ```text
//! table    the blanks: which function of which file, its task, hint, minutes and chapter; one file for each step
//! source   finds a function in a source file, and replaces its body
//! outcome  what a check returns: nothing, or expected, seen and why
//! process  processes with users and namespaces of their own, for checks
//! reexec   what a program that executes itself again arrives with
//! runner   the tasks in order, each in a process of its own
//! print    what the reader sees
//! ```
//!
//! # How to add a blank and its task
//!
//! 1. **The function.** One idea, at most 25 lines of code (comments and empty lines do not count). A longer one is
//!    split first; the module has to stay the same in all later steps (`tests/steps/tests/superset.rs`). A check calls
//!    it from `tests/tasks.rs`, so it is `pub`, or something `pub` calls it. A function that returns `impl Trait`
//!    cannot be a blank, because `todo!()` has no such type. Functions that remove things are never blank.
//! 2. **The table.** An entry in `src/table/step_0N.rs`; [`table::Blank`] describes each field. A function that later
//!    steps repeat is named once, in the step that introduces it. The entries stand in the order of their tasks, and a
//!    step has 5 to 9 of them. Two entries can have the same task, if neither can be checked alone.
//! 3. **The task.** An entry in the step's `tests/tasks.rs` (step 1 is the pattern), in the same order. Every task has
//!    at least one blank. A task has to fail while its own blank is a `todo!()`, and also while its body is
//!    [`table::Blank::empty`]; it has to pass while the blanks of later tasks are still `todo!()`. So call the function
//!    itself, or run the program and look only at what happens before the next blank.
//! 4. **The manifest.** `[[test]] name = "tasks", harness = false`, and `lesson-tasks.workspace = true` in
//!    `[dev-dependencies]` of the step.
//! 5. **The proof.** `cargo test -p step-0N-… --test tasks` passes every task in the repository, and
//!    `cargo xtask learn --prove 0N-…` shows point 3 for each blank. CI runs the same for all steps.
//!
//! One task of each step is its *escape*: an attack that succeeds until the right line is there. Mark it with
//! [`Task::escape`].
//!
//! # What a check looks like
//!
//! ```ignore
//! #![allow(dead_code)] // The modules have functions that no check calls.
//! #[path = "../src/report.rs"]
//! mod report;            // A module that uses `crate::report` finds it here.
//! #[path = "../src/namespaces.rs"]
//! mod namespaces;
//!
//! fn main() -> std::process::ExitCode {
//!     run("01-uts", &[
//!         task(1, "The hostname changes in the namespace of the caller", hostname),
//!         task(2, "…", escape_by_bind).root().escape(),
//!     ])
//! }
//!
//! fn hostname() -> Outcome {
//!     isolated(|| {
//!         namespaces::set_hostname("web").expect_that("the call succeeds", "root of the namespace may do it")?;
//!         equal("the hostname", "web".to_owned(), own_hostname(), "sethostname(2) changes what uname(2) returns")
//!     })
//! }
//! ```
//!
//! A check is a function without arguments. The runner calls it in **a process of its own with one thread**, so it may
//! call `unshare`, `clone`, `setns`, `mount`, `pivot_root` and `setresuid` on itself. It may not start a thread before
//! it calls something that clones.
//!
//! - Run by root, everything is in the lab (`tests/lab/src/isolation.rs`): the machine's files are read-only, `/proc`
//!   shows the lab's processes only, and `/sys/fs/cgroup` shows cgroups that belong to the lab. The process of a check is
//!   also in mount, UTS, IPC, network and PID namespaces of its own (it is process 1 there, and its mounts are private).
//!   Write files in [`scratch`] only, an empty directory that is removed afterwards.
//! - Run by anybody else, the process is an ordinary one of the reader's. [`isolated`] gives both kinds of reader the
//!   same: a child process that is root in new mount, UTS, IPC and network namespaces.
//! - [`unprivileged`] runs a part as an unprivileged user, also when root runs the tests. [`Task::unprivileged`] does it
//!   for the whole check. [`forked`] runs a part in a child process, from which only its outcome comes back;
//!   [`in_time`] does so with a part that waits for ever if the reader's code is wrong.
//! - [`Task::root`]: the check needs root. Without root the task is NOT CHECKED, and the reader is told the command
//!   with `sudo -E`. NOT CHECKED is never ok: the program ends with an exit code that is not 0. A check that finds that
//!   this machine lacks something returns [`not_checked`].
//! - To run the step's program, use the lab: `lesson_lab::everyone(env!("CARGO_BIN_EXE_step-01-uts"))` has a lab for
//!   root and one for an unprivileged user (only the reader's own without root). [`shown`] prints how a run ended.
//! - Return failures: [`equal`], [`ensure`], [`failure`] and, for a `Result`, [`Expect::expect_that`]. Expected and
//!   seen are about the subject ("the hostname inside is \"web\""), why is the rule of the kernel. A panic, a `todo!()`
//!   and an end without an answer become failures too, and a check that takes over 30 seconds is ended.
//! - A program that executes `/proc/self/exe child …` executes the test program here. [`Reexec`] gives the check what
//!   it was called with.

pub mod outcome;
mod print;
pub mod process;
pub mod reexec;
mod runner;
pub mod source;
pub mod table;

pub use lesson_lab::{self, Lab};
pub use outcome::{Expect, Failure, Outcome, ensure, equal, failure, not_checked, shown};
pub use process::{forked, in_time, is_root, isolated, namespace, unprivileged};
pub use reexec::Reexec;
pub use runner::{run, scratch};

/// One task of a step.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    number: usize,
    title: &'static str,
    check: fn() -> Outcome,
    who: Who,
    escape: bool,
}

/// As whom a check runs.
#[derive(Debug, Clone, Copy)]
enum Who {
    /// As the user who runs the tests.
    Reader,
    /// As an unprivileged user: root gives up its privileges first.
    Unprivileged,
    /// As root only.
    Root,
}

/// A task that the user who runs the tests can check.
pub const fn task(number: usize, title: &'static str, check: fn() -> Outcome) -> Task {
    Task { number, title, check, who: Who::Reader, escape: false }
}

impl Task {
    /// The check needs root.
    pub const fn root(self) -> Self {
        Self { who: Who::Root, ..self }
    }

    /// The check runs as an unprivileged user, also if root runs it.
    pub const fn unprivileged(self) -> Self {
        Self { who: Who::Unprivileged, ..self }
    }

    /// It is the escape of its step: an attack that succeeds until the right line is there.
    pub const fn escape(self) -> Self {
        Self { escape: true, ..self }
    }
}
