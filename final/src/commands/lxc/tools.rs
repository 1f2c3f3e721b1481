//! LXC's programs, such as `lxc-start -n NAME`.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use clap::{CommandFactory, Parser};
use hull_engine::{Engine, StartAttach, Status, Summary};

use super::watched::{Watched, usage};
use super::{exec, lifecycle, made, states};
use crate::cli::lxc::instance as lxd;
use crate::cli::lxc::tools::{Attach, Common, Destroy, Info, Ls, Start, Tool, Tools, Top};
use crate::cli::system::Doctor;
use crate::commands::instances::{self, bytes};
use crate::commands::usage::{self as watched_use, Watch};
use crate::commands::{comeback, doctor, open};
use crate::persona::{self, Persona};
use crate::ui::errors::{self, Hint};
use crate::ui::hints::Code;
use crate::ui::{list, output};

pub fn main() -> ExitCode {
    let own = Persona::own().name();
    if let Some(instead) = persona::lacking(own) {
        let error = anyhow!("hull has no {own}: {instead}");
        return ExitCode::from(errors::report(&error, Code::Exec));
    }
    // Word 1 is the name of the program, which is the verb, and word 2 is the first one after it.
    if persona::words().get(2).is_some_and(|word| word == "--version") {
        return match output::text(&Persona::own().version_line()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => ExitCode::from(errors::report(&error, Code::Plain)),
        };
    }
    let tools = match Tools::try_parse_from(persona::words()) {
        Ok(tools) => tools,
        Err(error) => return errors::usage(&error, Tools::command()),
    };
    let code = match dispatch(&tools) {
        Ok(code) => code,
        Err(error) => errors::report(&error, Code::Exec),
    };
    comeback::start_pending();
    ExitCode::from(code)
}

fn dispatch(tools: &Tools) -> Result<u8> {
    check(&tools.common)?;
    let engine = &open(&tools.global)?;
    match &tools.tool {
        Tool::Attach(args) => attach(engine, args),
        Tool::Checkconfig(_) => doctor::doctor(&tools.global, &Doctor { format: None }),
        Tool::Console(args) => states::console(engine, args),
        Tool::Copy(args) => made::copy(engine, args),
        Tool::Create(args) => made::create(engine, args, tools.common.quiet),
        Tool::Destroy(args) => destroy(engine, args),
        Tool::Freeze(args) => Ok(engine.pause(args.name()).map(|()| 0)?),
        Tool::Info(args) => info(engine, args),
        Tool::Ls(args) => ls(engine, args),
        Tool::Snapshot(args) => made::snapshot(engine, args),
        Tool::Start(args) => start(engine, args),
        Tool::Stop(args) => states::stop(engine, args),
        Tool::Top(args) => top(engine, args),
        Tool::Unfreeze(args) => Ok(engine.unpause(args.name()).map(|()| 0)?),
        Tool::Wait(args) => states::wait(engine, args),
    }
}

fn top(engine: &Engine, args: &Top) -> Result<u8> {
    let sort = match args.sort.as_str() {
        "c" => "cpu",
        "b" => "blockio",
        // hull does not measure swap, so memory with swap is sorted by memory.
        "m" | "s" => "memory",
        "k" => "kernel",
        _ => "name",
    };
    let watch = Watch { sort, reverse: args.reverse, delay: args.delay.into(), once: args.batch };
    watched_use::show(engine, &watch)
}

fn check(common: &Common) -> Result<()> {
    match &common.lxcpath {
        None => Ok(()),
        Some(path) => {
            Err(anyhow!("--lxcpath {path} is LXC's directory of containers, which hull does not read")
                .context(Hint("--root and HULL_ROOT choose hull's".into())))
        }
    }
}

/// `lxc-attach` is LXD's `exec` with the caller's variables and directory, and with a shell where no command is named.
fn attach(engine: &Engine, args: &Attach) -> Result<u8> {
    let own = crate::environment::all();
    let is_kept = |one: &String| {
        let key = one.split('=').next().unwrap_or_default();
        !args.clear_env || args.keep_var.iter().any(|kept| kept == key)
    };
    let env = own.into_iter().filter(is_kept).chain(args.set_var.iter().cloned()).collect();
    let command = match args.command.is_empty() {
        true => vec!["/bin/sh".to_owned()],
        false => args.command.clone(),
    };
    exec::exec(
        engine,
        &lxd::Exec {
            cwd: Some(directory(engine, &args.name)),
            disable_stdin: false,
            env,
            force_interactive: false,
            force_noninteractive: false,
            group: args.gid,
            mode: "auto".into(),
            user: args.uid,
            name: args.name.clone(),
            command,
        },
    )
}

/// The caller's directory, if the container has one of this name, or `/`.
fn directory(engine: &Engine, name: &str) -> String {
    let here = std::env::current_dir().ok().filter(|here| engine.stat_path(name, here).is_ok());
    here.map_or("/".to_owned(), |here| here.display().to_string())
}

fn destroy(engine: &Engine, args: &Destroy) -> Result<u8> {
    if !args.snapshots && !engine.snapshots(args.one.name())?.is_empty() {
        bail!("{} has snapshots, which only --snapshots removes with it", args.one.name());
    }
    let delete =
        lxd::Delete { force: args.force, interactive: false, names: vec![args.one.name().to_owned()] };
    lifecycle::delete(engine, &delete)
}

fn start(engine: &Engine, args: &Start) -> Result<u8> {
    let name = args.one.name();
    if !args.foreground {
        if engine.list()?.iter().any(|one| one.name == name && one.status.is_active()) {
            errors::warn_only(&format!("{name} is running already"));
            return Ok(0);
        }
        engine.start(name, StartAttach::Detached, None)?;
        return Ok(0);
    }
    crate::commands::lifecycle::start_attached(engine, name, std::io::stdin().is_terminal(), None)
}

/// The lines of `lxc-info`: a name in a column, and the value.
fn info(engine: &Engine, args: &Info) -> Result<u8> {
    let watched = Watched::of(engine, args.one.name())?;
    let summary = &watched.summary;
    let is_all = !(args.state || args.pid || args.ips || args.stats);
    let mut lines: Vec<(&str, String)> = vec![];
    if is_all {
        lines.push(("Name", summary.name.clone()));
    }
    if is_all || args.state {
        lines.push(("State", watched.state()));
    }
    if let Some(pid) = summary.init().filter(|_| is_all || args.pid) {
        lines.push(("PID", pid.to_string()));
    }
    if is_all || args.ips {
        lines.extend(summary.addresses().map(|(_, address)| ("IP", address.to_string())));
    }
    if let Some(usage) = watched.usage.as_ref().filter(|_| is_all || args.stats) {
        let size = |number: u64| if args.no_humanize { number.to_string() } else { spaced(&bytes(number)) };
        let cpu = usage.cpu_stats.cpu_usage.total_usage;
        let cpu = match args.no_humanize {
            true => cpu.to_string(),
            false => format!("{:.2} seconds", cpu as f64 / 1e9),
        };
        lines.push(("CPU use", cpu));
        lines.push(("Memory use", size(usage.memory_stats.usage)));
        for counters in usage.networks.values() {
            lines.push((" TX bytes", size(counters.tx_bytes)));
            lines.push((" RX bytes", size(counters.rx_bytes)));
            lines.push((" Total bytes", size(counters.tx_bytes + counters.rx_bytes)));
        }
    }
    // LXC prints a single value that was asked for without its name.
    if let [(_, value)] = &lines[..]
        && args.no_humanize
    {
        output::line(value)?;
        return Ok(0);
    }
    let text = lines.iter().map(|(name, value)| format!("{:<16}{value}\n", format!("{name}:")));
    output::text(&text.collect::<String>())?;
    Ok(0)
}

/// A size as LXC prints it, with a space before the unit.
fn spaced(size: &str) -> String {
    let unit = size.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(size.len());
    let unit_name = if &size[unit..] == "B" { "bytes" } else { &size[unit..] };
    format!("{} {unit_name}", &size[..unit])
}

fn ls(engine: &Engine, args: &Ls) -> Result<u8> {
    let filter = args.filter.as_deref().map(regex_lite::Regex::new).transpose();
    let filter = filter.map_err(|error| anyhow!("invalid argument for --filter: {error}"))?;
    let mut all = engine.list()?;
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let is_any = !(args.active || args.running || args.frozen || args.stopped);
    let fits = |status: Status| {
        is_any
            || (args.active && status.is_active())
            || (args.running && status == Status::Running)
            || (args.frozen && status == Status::Paused)
            || (args.stopped && !status.is_active())
    };
    let shown = all
        .iter()
        .filter(|one| fits(one.status) && filter.as_ref().is_none_or(|filter| filter.is_match(&one.name)));
    let shown: Vec<&Summary> = shown.collect();
    if !args.fancy && args.fancy_format.is_none() {
        let separator = if args.line { "\n" } else { " " };
        let names: Vec<&str> = shown.iter().map(|one| &*one.name).collect();
        if !names.is_empty() {
            output::line(names.join(separator))?;
        }
        return Ok(0);
    }
    let format = args.fancy_format.as_deref().unwrap_or("NAME,STATE,AUTOSTART,GROUPS,IPV4,IPV6,UNPRIVILEGED");
    let columns: Vec<String> = format.split(',').map(|column| column.trim().to_uppercase()).collect();
    let mut lines = vec![columns.clone()];
    for one in shown {
        lines.push(columns.iter().map(|column| fancy(engine, one, column)).collect::<Result<_>>()?);
    }
    lines.iter_mut().for_each(|line| line.push(String::new()));
    output::text(&list::align_in(&lines, 0, 1))?;
    Ok(0)
}

/// A cell of the table. An empty cell has a hyphen.
fn fancy(engine: &Engine, one: &Summary, column: &str) -> Result<String> {
    let text = match column {
        "NAME" => one.name.clone(),
        "STATE" => instances::state(one).to_uppercase(),
        "PID" => one.init().map(|pid| pid.to_string()).unwrap_or_default(),
        "RAM" => usage(engine, one)?.map(|usage| bytes(usage.memory_stats.usage)).unwrap_or_default(),
        "AUTOSTART" => u8::from(one.instance().flag("boot.autostart")).to_string(),
        // hull has no groups of containers that start together.
        "GROUPS" => String::new(),
        "INTERFACE" => one.addresses().map(|(name, _)| name).collect::<Vec<_>>().join(", "),
        "IPV4" | "IPV6" => {
            let family = one.addresses().filter(|(_, ip)| ip.is_ipv6() == (column == "IPV6"));
            family.map(|(_, ip)| ip.to_string()).collect::<Vec<_>>().join(", ")
        }
        "UNPRIVILEGED" => engine.record(&one.id)?.id_maps.is_some().to_string(),
        other => bail!("invalid column {other:?} for --fancy-format"),
    };
    Ok(if text.is_empty() { "-".to_owned() } else { text })
}
