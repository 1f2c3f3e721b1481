//! `attach`: join a running container.

use anyhow::Result;
use hull_engine::{AttachOptions, Engine};

use super::run;
use crate::cli::container::Attach;

pub fn attach(engine: &Engine, args: &Attach) -> Result<u8> {
    let config = engine.inspect(&args.container)?;
    let flag = |key: &str| config["Config"][key].as_bool().unwrap_or(false);
    let (tty, stdin) = (flag("Tty"), flag("OpenStdin") && !args.no_stdin);
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
