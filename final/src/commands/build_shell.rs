//! `build --shell-on-failure`: a shell in the root of the RUN that has failed.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use hull_build::Error;
use hull_engine::Engine;
use hull_sys::terminal::window_size;

use crate::ui::errors;
use crate::ui::terminal::{self, Options, WhenUnread};

/// Opens it, if the error is that of a RUN whose step was kept, and removes the step. The error stays the build's.
pub fn open(engine: &Engine, error: &Error) {
    let Error::At { source, .. } = error else { return };
    let Error::Failed { kept: Some(step), code, .. } = &**source else { return };
    let hint = "--shell-on-failure needs a terminal";
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        errors::warn("no shell was opened: the input or the output is not a terminal", hint);
    } else if let Err(error) = run(engine, step, *code) {
        errors::warn(&format!("no shell was opened: {error:#}"), hint);
    }
    if let Err(error) = engine.remove_step(step) {
        errors::warn(&format!("the failed step was not removed: {error}"), "the next build removes it");
    }
}

fn run(engine: &Engine, step: &str, code: i32) -> Result<()> {
    if std::io::stderr().is_terminal() {
        let text = format!(
            "The step has failed with exit code {code}. This is a shell in its container. What you change is not kept.\n"
        );
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    let stream = engine.open_step(step, vec!["/bin/sh".into()], window_size())?;
    let options = Options {
        stdin: true,
        output: [true; 2],
        tty: true,
        sig_proxy: false,
        // Nothing of the step remains to come back to.
        detach_keys: terminal::detach_keys(Some(""))?,
        when_unread: WhenUnread::Detach,
        redraw: false,
    };
    terminal::attach(stream, options).map(drop)
}
