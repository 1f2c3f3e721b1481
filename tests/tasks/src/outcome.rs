//! What a check finds: that the task is done, or what was expected, what was seen, and why it matters.

use std::fmt::{Debug, Display};

use lesson_lab::Ended;

/// Nothing to say, or a failure.
pub type Outcome = Result<(), Failure>;

/// Why a task is not done yet. Each text is one plain sentence or value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What a right solution does.
    pub expected: String,
    /// What this solution did.
    pub seen: String,
    /// The rule of the kernel, or the reason, behind the expectation.
    pub why: String,
    /// Nothing was found out, because this machine or this user cannot run the check. `seen` says what is missing.
    pub not_checked: bool,
    /// The last lines that the check's processes wrote to stderr. The runner fills them in.
    pub printed: Vec<String>,
}

impl Failure {
    /// Whether the function has not been written yet.
    pub(crate) fn is_todo(&self) -> bool {
        let is_todo = |text: &str| text.contains("still a todo!()") || text.contains("not yet implemented");
        is_todo(&self.seen) || self.printed.iter().any(|line| is_todo(line))
    }
}

/// A failure of these three texts.
pub fn failure(expected: impl Display, seen: impl Display, why: impl Display) -> Failure {
    let (expected, seen, why) = (expected.to_string(), seen.to_string(), why.to_string());
    Failure { expected, seen, why, not_checked: false, printed: Vec::new() }
}

/// What cannot be checked here, and why. It is never counted as done.
pub fn not_checked(why: impl Display) -> Failure {
    Failure { not_checked: true, ..failure("", why, "") }
}

/// Compares what was seen with what was expected. `subject` names the thing: "the hostname inside".
pub fn equal<T: Debug + PartialEq>(subject: &str, expected: T, seen: T, why: &str) -> Outcome {
    if expected == seen {
        return Ok(());
    }
    Err(failure(format_args!("{subject} is {expected:?}"), format_args!("{subject} is {seen:?}"), why))
}

/// Fails with these texts unless `is_so`.
pub fn ensure(is_so: bool, expected: impl Display, seen: impl Display, why: &str) -> Outcome {
    if is_so { Ok(()) } else { Err(failure(expected, seen, why)) }
}

/// Turns a call's error into a failure.
pub trait Expect<T> {
    /// `expected` says what a right solution does, and the error is what was seen.
    fn expect_that(self, expected: &str, why: &str) -> Result<T, Failure>;
}

impl<T, E: Display> Expect<T> for Result<T, E> {
    fn expect_that(self, expected: &str, why: &str) -> Result<T, Failure> {
        // {:#} prints the whole chain of an anyhow::Error.
        self.map_err(|error| failure(expected, format_args!("an error: {error:#}"), why))
    }
}

/// What a program printed and how it ended, for [`Failure::seen`]. Several lines of output stay several lines.
pub fn shown(ended: &Ended) -> String {
    let code = ended.code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
    let of = |name: &str, text: &str| match text.trim_end() {
        "" => String::new(),
        lines if lines.contains('\n') => format!("\n{name}:\n{lines}"),
        line => format!(", {name} {line:?}"),
    };
    format!("{code}{}{}", of("stdout", &ended.stdout), of("stderr", &ended.stderr))
}
