//! `exec` and `shell`: a command in an instance, as LXD runs it: by root in /root, with a terminal if there is one on both sides.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::{Result, bail};
use hull_docker::wire::exec::ExecRequest;
use hull_engine::Engine;

use crate::cli::lxc::instance::Exec;
use crate::ui::terminal::{self, WhenUnread};

const ROOTS_HOME: &str = "/root";

pub fn exec(engine: &Engine, args: &Exec) -> Result<u8> {
    let name = &*args.name;
    let tty = has_terminal(args)?;
    let stdin = !args.disable_stdin;
    terminal::require(tty, stdin)?;
    let options = terminal::Options {
        stdin,
        output: [true; 2],
        tty,
        sig_proxy: !tty,
        // LXD's `exec` has no such keys.
        detach_keys: terminal::detach_keys(Some(""))?,
        when_unread: WhenUnread::CloseOutput,
        redraw: false,
    };
    let user = args.user.unwrap_or(0);
    let request = ExecRequest {
        user: format!("{user}:{}", args.group.unwrap_or(0)),
        tty,
        console_size: hull_sys::terminal::window_size().map(|(rows, columns)| [rows, columns]),
        attach_stdin: stdin,
        attach_stdout: true,
        attach_stderr: true,
        env: environment(args, user)?,
        working_dir: directory(engine, name, args)?,
        cmd: args.command.clone(),
        ..ExecRequest::default()
    };
    let stream = engine.exec(name, &request.into())?;
    stream.map_or(Ok(0), |stream| terminal::attach(stream, options))
}

/// As LXD's alias of this name, starts a login shell of root's.
pub fn shell(engine: &Engine, name: &str) -> Result<u8> {
    let command = ["su", "-l"].map(str::to_owned).into();
    exec(
        engine,
        &Exec {
            cwd: None,
            disable_stdin: false,
            env: vec![],
            force_interactive: false,
            force_noninteractive: false,
            group: None,
            mode: "auto".into(),
            user: None,
            name: name.to_owned(),
            command,
        },
    )
}

fn has_terminal(args: &Exec) -> Result<bool> {
    if args.force_interactive && args.force_noninteractive {
        bail!("--force-interactive and --force-noninteractive cannot be used together");
    }
    let is_forced = args.force_interactive || args.force_noninteractive;
    match args.mode.as_str() {
        "auto" if is_forced => Ok(args.force_interactive),
        "auto" => Ok(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()),
        _ if is_forced => bail!("--mode cannot be used with --force-interactive or --force-noninteractive"),
        "interactive" => Ok(true),
        "non-interactive" => Ok(false),
        other => {
            bail!("invalid argument {other:?} for --mode: it takes auto, interactive or non-interactive")
        }
    }
}

/// The directory that was asked for, or root's home if the instance has one, or `/`.
fn directory(engine: &Engine, name: &str, args: &Exec) -> Result<String> {
    if let Some(directory) = &args.cwd {
        return Ok(directory.clone());
    }
    let has_home = engine.stat_path(name, Path::new(ROOTS_HOME)).is_ok();
    Ok(if has_home { ROOTS_HOME } else { "/" }.to_owned())
}

/// The variables that LXD sets, and then those of the caller, which override them.
fn environment(args: &Exec, user: u32) -> Result<Vec<String>> {
    if let Some(wrong) = args.env.iter().find(|one| !one.contains('=')) {
        bail!("invalid argument {wrong:?} for --env: it takes KEY=VALUE");
    }
    let mut env = vec!["LANG=C.UTF-8".to_owned()];
    if user == 0 {
        env.extend([format!("HOME={ROOTS_HOME}"), "USER=root".to_owned()]);
    }
    env.extend(crate::environment::terminal().map(|kind| format!("TERM={kind}")));
    env.extend(args.env.iter().cloned());
    Ok(env)
}
