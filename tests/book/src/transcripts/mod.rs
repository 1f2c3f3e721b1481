//! Types the commands after `$` and `#` in the chapters again, and compares the output.
//!
//! ````text
//! ```console
//! $ step-01-uts run hostname           as an unprivileged user; after `#` as root
//! box
//! $ echo $$
//! <pid>                                a hole, here for a number: see `compare`
//! ```
//! ````
//! A block of `console,v2` is typed on machines with cgroup v2 only, and `console,v1` on the others.
//!
//! All commands of a page with the same prompt go to one shell, so directories and variables stay from block to block.

mod compare;
pub mod lab;
mod parse;

use anyhow::Result;

pub use compare::same;
pub use parse::{Prompt, Typed, parse, parse_blocks};

use crate::pages::Page;
use lab::Shell;

/// Types a page's transcripts again. Returns a description of each difference.
pub fn differences(page: &Page) -> Result<Vec<String>> {
    let mut shells: [Option<Shell>; 2] = [None, None];
    let mut different = Vec::new();
    for typed in parse(&page.text)? {
        let slot = &mut shells[typed.prompt as usize];
        let shell = match slot {
            Some(shell) => shell,
            None => slot.insert(Shell::start(typed.prompt)?),
        };
        let printed = shell.enter(&typed.command)?;
        if !compare::same(&typed.expected, &printed) {
            different.push(format!(
                "{}:{}: {} {}\n--- the page says\n{}\n--- it prints\n{}\n",
                page.path.display(),
                typed.line,
                typed.prompt.sign(),
                typed.command,
                typed.expected.join("\n"),
                printed.join("\n"),
            ));
        }
    }
    Ok(different)
}
