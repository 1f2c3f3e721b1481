//! `attach`: join a running container.

use anyhow::Result;
use hull_engine::{AttachOptions, Engine};

use super::run;
use crate::cli::container::Attach;

pub fn attach(engine: &Engine, args: &Attach) -> Result<u8> {
    let config = engine.inspect(&args.container)?.config;
    let (tty, stdin) = (config.tty, config.open_stdin && !args.no_stdin);
    run::need_terminal(tty, stdin)?;
    let stream = engine.attach(&args.container)?;
    let options = AttachOptions {
        stdin,
        tty,
        sig_proxy: args.sig_proxy && !tty,
        detach_keys: args.detach_keys.clone(),
    };
    run::stay(stream, &options)
}
