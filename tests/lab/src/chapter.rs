//! What a lesson's test says when it fails: what was expected, what was seen, why, and which chapter explains it.

use std::fmt::Debug;

/// A chapter of the book.
#[derive(Clone, Copy, Debug)]
pub struct Chapter {
    title: &'static str,
    page: &'static str,
}

impl Chapter {
    /// The title as the page has it, and the page's path below `book/src/`.
    pub const fn new(title: &'static str, page: &'static str) -> Self {
        Self { title, page }
    }

    /// Fails unless both are equal. `why` is a sentence: what has to be so, and which rule of the kernel makes it so.
    #[track_caller]
    pub fn same<T: Debug + PartialEq<U>, U: Debug>(&self, seen: T, expected: U, why: &str) {
        if seen != expected {
            self.fail(&format!("{expected:?}"), &format!("{seen:?}"), why);
        }
    }

    /// Fails unless `is_so`. `seen` is shown in that case; `why` is a sentence as in [`Chapter::same`].
    #[track_caller]
    pub fn holds(&self, is_so: bool, seen: impl Debug, why: &str) {
        if !is_so {
            self.fail("that this holds", &format!("{seen:?}"), why);
        }
    }

    /// Names the chapter if the test fails while the answer lives, for a test with assertions that say why themselves.
    #[must_use]
    pub fn explains(self) -> Explains {
        Explains(self)
    }

    #[track_caller]
    fn fail(&self, expected: &str, seen: &str, why: &str) -> ! {
        // The lines of a program's output, which `Debug` writes as one.
        let seen = seen.replace("\\n", "\n            ");
        panic!(
            "{why}\n  expected: {expected}\n  seen:     {seen}\n  chapter:  {} (book/src/{})",
            self.title, self.page
        )
    }
}

/// Names a chapter at a failure.
#[derive(Debug)]
pub struct Explains(Chapter);

impl Drop for Explains {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("  chapter:  {} (book/src/{})", self.0.title, self.0.page);
        }
    }
}
