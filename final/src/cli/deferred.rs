//! A verb's flags, and a group's verbs, defined only when the verb or the group is used.
//!
//! Defining all flags of all verbs touches more memory than the rest of a start together; clap defines a deferred
//! command only when it parses it or prints its help.

use std::any::TypeId;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand};

use hull_docker::bools;

/// Whether boolean flags accept a value: `--rm=false`.
static BOOLEANS_HAVE_VALUES: AtomicBool = AtomicBool::new(false);

/// Makes boolean flags accept values. They accept none at the first parse of a command line, nor in its help, which
/// shows such a flag without a value, as docker's does.
pub fn allow_values_of_booleans() {
    BOOLEANS_HAVE_VALUES.store(true, Ordering::Relaxed);
}

/// The flags of a verb, with docker's rules: the last of several counts.
fn define<T: Args>(command: Command) -> Command {
    let command = T::augment_args(command).args_override_self(true);
    match BOOLEANS_HAVE_VALUES.load(Ordering::Relaxed) {
        true => command.mut_args(with_value),
        false => command,
    }
}

fn with_value(flag: Arg) -> Arg {
    match flag.get_action() {
        ArgAction::SetTrue => flag
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_value("false")
            .default_missing_value("true")
            .hide_default_value(true)
            .value_parser(bools::parse),
        ArgAction::Set if flag.get_value_parser().type_id() == TypeId::of::<bool>() => {
            flag.value_parser(bools::parse)
        }
        _ => flag,
    }
}

#[derive(Debug)]
pub struct Deferred<T>(Box<T>);

impl<T> std::ops::Deref for Deferred<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Args> Args for Deferred<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(define::<T>)
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.defer(T::augment_args_for_update)
    }
}

impl<T: FromArgMatches> FromArgMatches for Deferred<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches(matches).map(|args| Self(Box::new(args)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// The verbs of a group.
#[derive(Debug)]
pub struct DeferredGroup<T>(Box<T>);

impl<T> std::ops::Deref for DeferredGroup<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// As clap's own `#[command(subcommand)]` does: what the group is about is said where it is used.
fn define_group<T: Subcommand>(command: Command) -> Command {
    let about = command.get_about().cloned();
    let command = T::augment_subcommands(command).subcommand_required(true).arg_required_else_help(true);
    command.long_about(None).about(about.unwrap_or_default())
}

impl<T: Subcommand> Args for DeferredGroup<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(define_group::<T>)
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.defer(T::augment_subcommands_for_update)
    }
}

impl<T: Subcommand> FromArgMatches for DeferredGroup<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches(matches).map(|group| Self(Box::new(group)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}
