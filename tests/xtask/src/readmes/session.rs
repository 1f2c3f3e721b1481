//! A shell on a terminal. After each line it is asked for the exit code, which works in every shell: the first one,
//! and those that a line opens in a container.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hull_test_support::terminal::Terminal;

use super::sandbox::{Sandbox, Traces};

/// To clone, and to fill the registry.
const SETUP: Duration = Duration::from_secs(300);
/// What cargo builds in release mode takes minutes.
const BUILD: Duration = Duration::from_secs(1800);
const COMMAND: Duration = Duration::from_secs(120);
/// If nothing is printed after a prompt for this long, it is a prompt.
const QUIET: Duration = Duration::from_millis(200);
/// How long a line that does not end runs before ctrl-c.
const WATCHED: Duration = Duration::from_secs(2);

const INTERRUPT: &str = "\x03";

pub struct Session {
    // Dropped in this order: closing the terminal ends processes that may still write to the files.
    terminal: Terminal,
    _traces: Traces,
    /// Where in all that was printed the last line begins.
    from: usize,
    questions: u32,
    /// Whether a line has opened a shell that has not been left.
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
        // Not exported: no other shell has it.
        session.terminal.send("here=here\r");
        session.ask(COMMAND).context("1: setting up")?;
        Ok(session)
    }

    /// Types a line; its exit code.
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
        // Give a background process time to start; nothing tells when it has.
        let code = line.split('#').next().unwrap_or_default();
        if code.trim_end().ends_with('&') {
            std::thread::sleep(WATCHED);
        }
        self.ask(COMMAND)
    }

    /// Back to the first shell. Most lines are there already.
    pub fn leave(&mut self) -> Result<()> {
        if self.inside {
            let code = self.enter("exit", false)?;
            if self.inside || code != 0 {
                bail!("1: `exit` did not lead back:\n{}", self.screen());
            }
        }
        Ok(())
    }

    /// What was printed since the last line was typed.
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
            // The question itself is echoed; only an answer has digits there.
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

    /// Waits until the last that is printed looks like a prompt, and is behind `behind`.
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
