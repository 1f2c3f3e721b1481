//! `attach`: join a running container.

use anyhow::Result;
use hull_engine::Engine;

use super::selection;
use crate::cli::container::Attach;
use crate::ui::terminal::{self, DetachKeys, WhenUnread};

pub fn attach(engine: &Engine, args: &Attach) -> Result<u8> {
    let container = selection::one(engine, &args.container)?;
    let stdio = engine.stdio(&container)?;
    let (tty, stdin) = (stdio.tty, stdio.open_stdin && !args.no_stdin);
    terminal::require(tty, stdin)?;
    let options = terminal::Options {
        stdin,
        output: [true; 2],
        tty,
        sig_proxy: args.sig_proxy && !tty,
        detach_keys: DetachKeys::new(args.detach_keys.as_deref())?,
        when_unread: WhenUnread::Detach,
    };
    terminal::attach(engine.attach(&container)?, options)
}
