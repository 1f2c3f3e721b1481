//! The verbs: a file for each, or for several similar ones. A command parses, calls the engine once, and prints.
//!
//! ```text
//! lifecycle  start, stop, kill, restart, pause, rename, rm, wait     scripts  completion, man pages
//! daemon     the settings of docker's daemon.json                    filter   --filter of listings
//! draft      a text that the user changes with an editor
//! ```

mod attach;
mod book;
mod boot;
mod build;
mod build_cache;
mod build_call;
mod build_shell;
mod builder;
mod comeback;
mod commit;
mod compose;
mod config;
mod console;
mod context;
mod copy;
mod create;
mod daemon;
mod device;
mod df;
mod dial_stdio;
mod doctor;
mod draft;
mod events;
mod exec;
mod exists;
mod file;
mod filter;
mod healthcheck;
mod history;
mod image_aliases;
mod image_export;
mod image_import;
mod image_properties;
mod images;
mod info;
mod inspect;
mod instance_flags;
mod instances;
mod launch;
mod lifecycle;
mod login;
mod logs;
pub mod lxc;
mod mount;
mod network;
mod network_settings;
mod notify;
mod own_process;
mod podman;
mod port;
mod profile;
mod prune;
mod ps;
mod publish;
mod pull;
mod push;
mod registry;
mod remote_image;
mod remotes;
mod run;
mod scripts;
mod search;
mod selection;
mod serve;
mod settings;
mod snapshot;
mod stats;
mod storage;
mod system;
mod systemd;
mod top;
mod trace;
mod transfer;
mod update;
mod usage;
mod volume;

use std::process::ExitCode;

use anyhow::{Context, Result};
use hull_engine::{Engine, EventReporter, Settings};
use hull_image::left_out::Reporter;
use hull_storage::paths::Paths;
use hull_sys::reexec;

use crate::cli::compose::Verb;
use crate::cli::generate::Generate;
use crate::cli::{Cli, Command, Global, container, image};
use crate::environment;
use crate::persona::Persona;
use crate::ui::errors;
use crate::ui::hints::Code;

/// Other words for `build` and `serve`, which the program's entry does not look for.
const ALIASES: [&str; 5] = ["b", "bud", "build-using-dockerfile", "dial-stdio", "service"];

/// Executes this program again from a file that containers cannot write to, if the verb enters a container. This comes
/// first, because everything before it is done twice. A word that only looks like the verb costs half a millisecond.
/// For an unprivileged user it comes later, when there is a user namespace to do it in: see [`open`].
pub fn protect() -> Result<(), ExitCode> {
    if !is_entering() || !hull_engine::rootless::is_root() {
        return Ok(());
    }
    let protected = hull_sys::self_exe::protect().context("cannot protect hull's own program");
    protected.map_err(|error| ExitCode::from(errors::report(&error, Code::Run)))
}

fn is_entering() -> bool {
    reexec::is_needed(&reexec::HULL)
        || reexec::is_needed(&ALIASES)
        || Persona::is_compose()
        || Persona::is_lxc()
}

/// Runs the verb of the command line, and reports its errors.
pub fn run(cli: &Cli) -> ExitCode {
    let code = match dispatch(&cli.global, &cli.command) {
        Ok(code) => code,
        Err(error) => errors::report(&error, failure(&cli.command)),
    };
    comeback::start_pending();
    ExitCode::from(code)
}

fn failure(command: &Command) -> Code {
    if let Command::Compose(args) = command {
        return match args.verb {
            Some(Verb::Exec(_) | Verb::Run(_)) => Code::Exec,
            _ => Code::Plain,
        };
    }
    match container_verb(command) {
        Some(container::Verb::Run(_)) => Code::Run,
        Some(container::Verb::Exec(_)) => Code::Exec,
        _ => Code::Plain,
    }
}

/// The verb of a container, which may be given with its group or without.
fn container_verb(command: &Command) -> Option<&container::Verb> {
    match command {
        Command::Verb(verb) => Some(verb),
        Command::Container(group) => match &**group {
            container::Group::Verb(verb) => Some(verb),
            _ => None,
        },
        _ => None,
    }
}

fn dispatch(global: &Global, command: &Command) -> Result<u8> {
    match command {
        Command::Verb(verb) => container(global, verb),
        Command::Container(group) => container_group(global, group),
        Command::SnapshotVerb(verb) => snapshot::verb(&open(global)?, verb),
        Command::Snapshots(group) => snapshot::run(global, group),
        Command::Backup(group) => transfer::run(&open(global)?, group),
        Command::ImageVerb(verb) => image_verb(&open(global)?, verb),
        Command::Image(group) => image_group(&open(global)?, group),
        Command::Build(args) => build::build(&open(global)?, args),
        Command::Builder(group) | Command::Buildx(group) => builder::builder(&open(global)?, group),
        Command::Compose(args) => compose::run(global, args),
        Command::File(verb) => file::run(&open(global)?, verb),
        Command::Healthcheck(verb) => healthcheck::run(&open(global)?, verb),
        Command::Device(verb) => device::run(&open(global)?, verb),
        Command::Network(verb) => network::run(&open(global)?, verb),
        Command::Profile(verb) => profile::run(&open(global)?, verb),
        Command::Remote(verb) => remotes::run(&open(global)?, verb),
        Command::Volume(verb) => volume::run(&open(global)?, verb),
        Command::Storage(verb) => storage::run(&open(global)?, verb),
        Command::Generate(verb) => match &**verb {
            Generate::Systemd(args) => systemd::generate::systemd(&open(global)?, global, args),
        },
        Command::Boot(verb) => boot::run(global, verb),
        Command::System(verb) => system::run(global, verb),
        Command::Events(args) => events::events(&open(global)?, args),
        Command::Serve(args) => serve::serve(global, args),
        Command::Context(verb) => context::run(global, verb),
        Command::Info(args) => info::info(&open(global)?, args),
        Command::Version(args) => info::version(args),
        Command::Doctor(args) => doctor::doctor(global, args),
        Command::Book(args) => book::book(args),
        Command::Help(args) => scripts::help(args),
        Command::Completion(args) => scripts::completion(args),
        Command::Man(args) => scripts::man(args),
    }
}

fn container_group(global: &Global, group: &container::Group) -> Result<u8> {
    use container::{Group, Verb};
    match group {
        Group::Verb(Verb::Inspect(args)) => inspect::inspect(&open(global)?, args, Some("container")),
        Group::Verb(verb) => container(global, verb),
        Group::Config(verb) => config::run(&open(global)?, verb),
        Group::Exists(args) => exists::container(&open(global)?, &args.name),
        Group::Prune(args) => lifecycle::prune_containers(&open(global)?, args),
    }
}

fn container(global: &Global, verb: &container::Verb) -> Result<u8> {
    use container::Verb;
    let engine = &open(global)?;
    match verb {
        Verb::Run(args) => run::run(engine, args),
        Verb::Create(args) => create::create(engine, args),
        Verb::Launch(args) => launch::launch(engine, args),
        Verb::Start(args) => lifecycle::start(engine, args),
        Verb::Stop(args) => lifecycle::stop(engine, args),
        Verb::Restart(args) => lifecycle::restart(engine, args),
        Verb::Kill(args) => lifecycle::kill(engine, args),
        Verb::Rm(args) => lifecycle::rm(engine, args),
        Verb::Wait(args) => lifecycle::wait(engine, args),
        Verb::Pause(args) => lifecycle::pause(engine, args),
        Verb::Unpause(args) => lifecycle::unpause(engine, args),
        Verb::Rename(args) => lifecycle::rename(engine, args),
        Verb::Mount(args) => mount::mount(engine, args),
        Verb::Unmount(args) => mount::unmount(engine, args),
        Verb::Port(args) => port::port(engine, args),
        Verb::Ps(args) => ps::ps(engine, args),
        Verb::Exec(args) => exec::exec(engine, args),
        Verb::Logs(args) => logs::logs(engine, args),
        Verb::Inspect(args) => inspect::inspect(engine, args, None),
        Verb::Console(args) => console::console(engine, args),
        Verb::Attach(args) => attach::attach(engine, args),
        Verb::Commit(args) => commit::commit(engine, args),
        Verb::Publish(args) => publish::publish(engine, args),
        Verb::Diff(args) => commit::diff(engine, args),
        Verb::Export(args) => commit::export(engine, args),
        Verb::Cp(args) => copy::copy(engine, args),
        Verb::Top(args) => top::top(engine, args),
        Verb::Stats(args) => stats::stats(engine, args),
        Verb::Update(args) => update::update(engine, args),
    }
}

fn image_verb(engine: &Engine, verb: &image::Verb) -> Result<u8> {
    match verb {
        image::Verb::Images(args) => images::list(engine, args),
        image::Verb::Pull(args) => pull::pull(engine, args),
        image::Verb::Push(args) => push::push(engine, args),
        image::Verb::Login(args) => login::login(args),
        image::Verb::Logout(args) => login::logout(args),
        image::Verb::Search(args) => search::search(args),
        image::Verb::Import(args) => image_import::import(engine, args),
        image::Verb::Load(args) => images::load(engine, args),
        image::Verb::Save(args) => images::save(engine, args),
        image::Verb::History(args) => history::history(engine, args),
        image::Verb::Tag(args) => images::tag(engine, args),
        image::Verb::Untag(args) => images::untag(engine, args),
        image::Verb::Rmi(args) => images::remove(engine, args),
    }
}

fn image_group(engine: &Engine, verb: &image::Group) -> Result<u8> {
    match verb {
        image::Group::Alias(verb) => image_aliases::run(engine, verb),
        image::Group::Copy(args) => remotes::copy(engine, args),
        image::Group::Refresh(args) => remotes::refresh(engine, &args.names),
        image::Group::Export(args) => image_export::export(engine, args),
        image::Group::Info(args) => image_properties::info(engine, &args.name),
        image::Group::Show(args) => image_properties::show(engine, &args.name),
        image::Group::Edit(args) => image_properties::edit(engine, &args.name),
        image::Group::GetProperty(args) => image_properties::get(engine, args),
        image::Group::SetProperty(args) => image_properties::set(engine, args),
        image::Group::UnsetProperty(args) => image_properties::unset(engine, args),
        image::Group::Build(args) => build::build(engine, args),
        image::Group::Ls(args) => images::list(engine, args),
        image::Group::Pull(args) => pull::pull(engine, args),
        image::Group::Push(args) => push::push(engine, args),
        image::Group::Inspect(args) => inspect::images(engine, args),
        image::Group::Import(args) => image_import::import(engine, args),
        image::Group::Load(args) => images::load(engine, args),
        image::Group::Save(args) => images::save(engine, args),
        image::Group::Search(args) => search::search(args),
        image::Group::History(args) => history::history(engine, args),
        image::Group::Diff(args) => history::diff(engine, args),
        image::Group::Dockerfile(args) => history::dockerfile(engine, args),
        image::Group::Layers(args) => history::layers(engine, args),
        image::Group::Tree(args) => history::tree(engine, args),
        image::Group::Tag(args) => images::tag(engine, args),
        image::Group::Untag(args) => images::untag(engine, args),
        image::Group::Tags(args) => search::tags(args),
        image::Group::Rm(args) => images::remove(engine, args),
        image::Group::Exists(args) => exists::image(engine, &args.name),
        image::Group::Prune(args) => images::prune_images(engine, args),
    }
}

fn open(global: &Global) -> Result<Engine> {
    let Paths { data, run, ignored } =
        Paths::choose(global.root.clone(), global.runroot.clone(), environment::paths());
    let programs = environment::search_path();
    hull_engine::rootless::enter(&run, &programs).map_err(hull_engine::Error::from)?;
    if hull_engine::rootless::has_entered() && is_entering() {
        // The first time this re-executes the program and does not return, so warnings are printed only after it.
        hull_sys::self_exe::protect_in_user_namespace(&run.join("program"))
            .context("cannot protect hull's own program")?;
    }
    for text in ignored {
        errors::warn(
            &text,
            "it has to be a directory of your own that nobody else can write to; or use --runroot",
        );
    }
    let cgroup_parent = global.cgroup_parent.clone();
    let cgroup_parent = cgroup_parent.or_else(|| daemon::read().ok()?.cgroup_parent.clone());
    let settings = Settings { data, run, cgroup_parent, programs };
    let reporter = Reporter::new(errors::say_what_is_left_out);
    let engine = Engine::open(settings)?.with_image_reporter(reporter);
    let engine = daemon::prepare(engine.with_event_reporter(EventReporter::new(errors::say_event_is_lost)));
    comeback::remember(&engine);
    Ok(engine)
}

/// Warns about what is listed as damaged. `remove` is the command that removes it, without the name.
fn say_what_is_damaged<'a>(listed: impl Iterator<Item = (&'a str, Option<&'a str>)>, remove: &str) {
    for (name, damage) in listed {
        if let Some(damage) = damage {
            errors::warn(&format!("{name} is damaged: {damage}"), &format!("{remove} {name} removes it"));
        }
    }
}

/// Reports what pruning could not remove. Returns the exit code.
fn report_unpruned(errors: hull_engine::Errors) -> u8 {
    let errors = errors.into_vec().into_iter().map(anyhow::Error::from);
    errors.map(|error| errors::report(&error, Code::Plain)).max().unwrap_or(0)
}

/// Calls `action` for each name. Prints the results, reports the errors, and continues after an error.
fn each(names: &[String], mut action: impl FnMut(&str) -> Result<Option<String>>) -> Result<u8> {
    let mut outcome = Outcome::default();
    for name in names {
        match action(name) {
            Ok(shown) => shown.iter().for_each(|shown| outcome.note(shown, Ok(()))),
            Err(error) => outcome.note(name, Err(error)),
        }
    }
    Ok(outcome.code)
}

/// The outcome for several names: each success is printed, and each error is reported.
#[derive(Default)]
struct Outcome {
    code: u8,
}

impl Outcome {
    fn note(&mut self, name: &str, done: Result<()>) {
        if let Err(error) = done.and_then(|()| crate::ui::output::line(name)) {
            self.code = errors::report(&error, Code::Plain).max(self.code);
        }
    }
}
