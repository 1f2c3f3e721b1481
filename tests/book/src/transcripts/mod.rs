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

/// Prints the names of the processes other than the shell, which is process 1 here, after they had ten seconds to end. A
/// server that a page leaves running would keep its port, and the reader needs the port on the next page.
const STILL_RUNNING: &str = r#"
# Not in a subshell, which would be a process of its own.
look() {
    running=
    for at in /proc/[0-9]*; do
        { read -r line < $at/stat; } 2>/dev/null || continue
        case $line in "1 "* | *") Z "*) continue ;; esac
        line=${line#*\(}
        running="$running ${line%%)*}"
    done
}
turns=0
while look; test -n "$running" && test $turns -lt 50; do
    turns=$((turns + 1))
    sleep 0.2
done
echo $running"#;

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
    for shell in shells.iter_mut().flatten() {
        let running = shell.enter(STILL_RUNNING)?;
        let running = running.join("");
        if !running.is_empty() {
            different.push(format!("{}: it leaves running: {running}\n", page.path.display()));
        }
    }
    Ok(different)
}
