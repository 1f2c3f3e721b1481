//! An engine's command line, which podman and docker share.

use hull_test_support::{Outcome, Terminal};

use crate::sandbox::Sandbox;

pub struct Client<'a> {
    pub sandbox: &'a Sandbox,
    /// The program, and the options before its verb.
    global: Vec<String>,
    /// Options that every `run` has.
    of_run: Vec<String>,
}

impl<'a> Client<'a> {
    pub fn new(sandbox: &'a Sandbox, global: &[&str], of_run: &[&str]) -> Self {
        let owned = |words: &[&str]| words.iter().map(|word| word.to_string()).collect();
        Self { sandbox, global: owned(global), of_run: owned(of_run) }
    }

    fn words<'w>(&'w self, words: &[&'w str]) -> Vec<&'w str> {
        self.global.iter().map(String::as_str).chain(words.iter().copied()).collect()
    }

    fn words_of_run<'w>(&'w self, words: &[&'w str]) -> Vec<&'w str> {
        let own: Vec<&str> = self.of_run.iter().map(String::as_str).collect();
        self.words(&[&["run"], &own[..], words].concat())
    }

    pub fn call(&self, words: &[&str]) -> Outcome {
        self.sandbox.run(&self.words(words))
    }

    pub fn run(&self, words: &[&str]) -> Outcome {
        self.sandbox.run(&self.words_of_run(words))
    }

    pub fn run_in_terminal(&self, words: &[&str]) -> Terminal {
        self.sandbox.terminal(&self.words_of_run(words))
    }

    pub fn in_terminal(&self, words: &[&str]) -> Terminal {
        self.sandbox.terminal(&self.words(words))
    }

    #[track_caller]
    pub fn inspect(&self, name: &str, what: &str) -> String {
        self.call(&["inspect", "-f", what, name]).ok().to_owned()
    }
}
