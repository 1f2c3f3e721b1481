//! The verbs of LXD's client, for hull started as `lxc`: LXD's words, output and exit codes over hull's containers.
//!
//! ```text
//! names      local: before names                               lifecycle  start, stop, restart, pause, delete, rename
//! exec       exec, shell                                       info       info, version
//! launch     launch, init                                      image      image
//! network    network                                           tables     lists with columns of their own
//! tools      LXC's programs, such as lxc-start                 watched    what a container uses at present
//! made       lxc-create, lxc-copy and lxc-snapshot             states     lxc-stop, lxc-wait and lxc-console
//! ```

mod exec;
mod image;
mod info;
mod launch;
mod lifecycle;
mod made;
mod names;
mod network;
mod states;
mod tables;
mod tools;
mod watched;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{CommandFactory, Parser};
use hull_engine::{BackupOptions, Engine};
use hull_image::PackedWith;

use super::instances::{self, Request};
use super::{
    comeback, config, console, device, file, open, profile, publish, remotes, snapshot, storage, transfer,
};
use crate::cli::lxc::config::Config;
use crate::cli::lxc::instance::{Export, List};
use crate::cli::lxc::{Client, Lxc, Verb};
use crate::cli::profile::Profile;
use crate::cli::remote::Remote;
use crate::cli::storage::Storage;
use crate::persona::{self, Persona};
use crate::ui::hints::Code;
use crate::ui::{errors, output};

/// Runs `lxc`, or one of LXC's programs.
pub fn main() -> ExitCode {
    if let Persona::LxcTool(_) = Persona::own() {
        return tools::main();
    }
    let lxc = match Lxc::try_parse_from(names::without_local(persona::words())) {
        Ok(lxc) => lxc,
        Err(error) => return errors::usage(&error, Lxc::command()),
    };
    let code = match dispatch(&lxc) {
        Ok(code) => code,
        Err(error) => errors::report(&error, Code::Exec),
    };
    comeback::start_pending();
    ExitCode::from(code)
}

fn dispatch(lxc: &Lxc) -> Result<u8> {
    check(&lxc.client)?;
    let quiet = lxc.client.quiet;
    if quiet {
        output::be_quiet();
    }
    let engine = || open(&lxc.global);
    match &lxc.verb {
        Verb::Config(verb) => match &**verb {
            Config::Device(verb) => device::run(&engine()?, verb),
            Config::Keys(verb) => config::run(&engine()?, verb),
        },
        Verb::Console(args) => console::console(&engine()?, args),
        Verb::Delete(args) => lifecycle::delete(&engine()?, args),
        Verb::Exec(args) => exec::exec(&engine()?, args),
        Verb::Export(args) => export(&engine()?, args),
        Verb::File(verb) => file::run(&engine()?, verb),
        Verb::Image(verb) => image::run(&engine()?, verb),
        Verb::Import(args) => transfer::import(&engine()?, args),
        Verb::Info(args) => info::info(&engine()?, args),
        Verb::Init(args) => launch::init(&engine()?, args, quiet),
        Verb::Launch(args) => launch::launch(&engine()?, args, quiet),
        Verb::List(args) => list(&engine()?, args),
        Verb::Network(verb) => network::run(&engine()?, verb),
        Verb::Pause(args) => lifecycle::pause(&engine()?, args),
        Verb::Profile(verb) => match &**verb {
            Profile::List(args) => tables::profiles(&engine()?, args.format.as_deref().unwrap_or("table")),
            verb => profile::run(&engine()?, verb),
        },
        Verb::Publish(args) => publish::publish(&engine()?, args),
        Verb::Remote(verb) => match &**verb {
            Remote::List(args) => tables::remotes(&engine()?, args.format.as_deref().unwrap_or("table")),
            verb => remotes::run(&engine()?, verb),
        },
        Verb::Rename(args) => lifecycle::rename(&engine()?, args),
        Verb::Restart(args) => lifecycle::restart(&engine()?, args),
        Verb::Shell(args) => exec::shell(&engine()?, &args.name),
        Verb::Snapshots(verb) => snapshot::verb(&engine()?, verb),
        Verb::Start(args) => lifecycle::start(&engine()?, args),
        Verb::Stop(args) => lifecycle::stop(&engine()?, args),
        Verb::Storage(verb) => match &**verb {
            Storage::List(args) => tables::pools(&engine()?, args.format.as_deref().unwrap_or("table")),
            verb => storage::run(&engine()?, verb),
        },
        Verb::Version(_) => info::version(),
        Verb::Help(args) => super::scripts::help_of(Lxc::command(), &args.words),
    }
}

/// As in LXD, the file is compressed with gzip and called backup.tar.gz, unless the user says otherwise.
fn export(engine: &Engine, args: &Export) -> Result<u8> {
    let packing = PackedWith::named(&args.compression);
    let options = BackupOptions { instance_only: args.instance_only, is_copy: false };
    let usual = || format!("backup.tar{}", packing.suffix()).into();
    let file = args.file.clone().unwrap_or_else(usual);
    transfer::written(Some(&file), Some(&args.compression), |to| {
        Ok(engine.export_backup(&args.name, options, to)?)
    })?;
    output::lxds("Backup exported successfully!")?;
    Ok(0)
}

fn list(engine: &Engine, args: &List) -> Result<u8> {
    if args.fast && args.columns.is_some() {
        bail!("--fast and --columns cannot be used together");
    }
    let request = Request {
        columns: args.columns.as_deref(),
        fast: args.fast,
        format: args.format.as_deref(),
        filters: &args.filters,
    };
    instances::list(engine, &request)
}

/// Refuses a project that does not exist. The other flags of the client ask for what hull does anyway.
fn check(client: &Client) -> Result<()> {
    match client.project.as_deref() {
        None | Some("default") => Ok(()),
        Some(other) => bail!(
            "there is no project {other:?}: hull has one, default, and another --root and --runroot keep containers and images apart"
        ),
    }
}
