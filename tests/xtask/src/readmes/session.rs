//! A shell on a terminal. After each line it is asked for the exit code, which works in every shell: the first one,
//! and those that a line opens in a container.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hull_test_support::terminal::Terminal;

use super::sandbox::{Sandbox, Traces};

/// The time limit for cloning and for filling the registry.
const SETUP: Duration = Duration::from_secs(300);
/// The time limit for a line that builds in release mode, which takes minutes.
const BUILD: Duration = Duration::from_secs(1800);
const COMMAND: Duration = Duration::from_secs(120);
/// If nothing is printed for this long after text that looks like a prompt, it is a prompt.
const QUIET: Duration = Duration::from_millis(200);
/// How long a line that does not end by itself runs before ctrl-c.
const WATCHED: Duration = Duration::from_secs(2);

const INTERRUPT: &str = "\x03";

pub struct Session {
    // Dropped in this order: closing the terminal ends processes that may still write to the files.
    terminal: Terminal,
    _traces: Traces,
    /// The position in the whole output at which the last line begins.
    from: usize,
    questions: u32,
    /// Whether a line has opened a shell that is still open.
    inside: bool,
}

impl Session {
    pub fn start(sandbox: &Sandbox) -> Result<Self> {
        let (command, traces) = sandbox.shell()?;
        let mut session = Self {
            terminal: Terminal::start(&command),
            _traces: traces,
            from: 0,
            questions: 0,
            inside: false,
        };
        session.until_prompt(SETUP).context("1: setting up")?;
        // The variable is not exported, so no other shell has it.
        session.terminal.send("here=here\r");
        session.ask(COMMAND).context("1: setting up")?;
        Ok(session)
    }

    /// Types a line and returns its exit code.
    pub fn enter(&mut self, line: &str, is_endless: bool) -> Result<i32> {
        eprintln!("  {line}");
        self.from = self.terminal.seen().len();
        self.terminal.send(&format!("{line}\r"));
        if is_endless {
            std::thread::sleep(WATCHED);
            self.terminal.send(INTERRUPT);
        }
        let limit = if line.starts_with("cargo") { BUILD } else { COMMAND };
        self.until_prompt_behind(self.from + 1, limit)?;
        // Gives a background process time to start, because no event reports that it has started.
        let code = line.split('#').next().unwrap_or_default();
        if code.trim_end().ends_with('&') {
            std::thread::sleep(WATCHED);
        }
        self.ask(COMMAND)
    }

    /// Returns to the first shell. Most lines are typed there anyway.
    pub fn leave(&mut self) -> Result<()> {
        if self.inside {
            let code = self.enter("exit", false)?;
            if self.inside || code != 0 {
                bail!("1: `exit` did not lead back:\n{}", self.screen());
            }
        }
        Ok(())
    }

    /// The output since the last line was typed.
    pub fn screen(&self) -> String {
        let seen = self.terminal.seen();
        seen.get(self.from..).unwrap_or_default().replace('\r', "")
    }

    fn ask(&mut self, limit: Duration) -> Result<i32> {
        self.questions += 1;
        let number = self.questions;
        let before = self.terminal.seen().len();
        self.terminal.send(&format!("echo \"<<{number}:$?:$here>>\"\r"));
        let begin = format!("<<{number}:");
        let deadline = Instant::now() + limit;
        loop {
            let seen = self.terminal.seen();
            // The terminal also echoes the question. Only an answer has digits in this place.
            let answers =
                seen.get(before..).unwrap_or_default().match_indices(&begin).filter_map(|(at, _)| {
                    let (answer, _) = seen[before + at + begin.len()..].split_once(">>")?;
                    let (code, here) = answer.split_once(':')?;
                    Some((code.parse::<i32>().ok()?, here == "here"))
                });
            if let Some((code, here)) = answers.last() {
                self.inside = !here;
                self.until_prompt_behind(before + 1, limit)?;
                return Ok(code);
            }
            self.wait(deadline)?;
        }
    }

    fn until_prompt(&mut self, limit: Duration) -> Result<()> {
        self.until_prompt_behind(1, limit)
    }

    /// Waits until the end of the output looks like a prompt and stands after `behind`.
    fn until_prompt_behind(&mut self, behind: usize, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        let mut last = (0, Instant::now());
        loop {
            let seen = self.terminal.seen();
            if seen.len() != last.0 {
                last = (seen.len(), Instant::now());
            }
            let is_prompt = seen.ends_with("# ") || seen.ends_with("$ ");
            if seen.len() > behind && is_prompt && last.1.elapsed() >= QUIET {
                return Ok(());
            }
            self.wait(deadline)?;
        }
    }

    fn wait(&self, deadline: Instant) -> Result<()> {
        if Instant::now() > deadline {
            bail!("nothing more comes:\n{}", self.screen());
        }
        std::thread::sleep(Duration::from_millis(20));
        Ok(())
    }
}
