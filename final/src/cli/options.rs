//! The flags of `run` and `create`, and the engine's options they become.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand};
use hull_engine::options::{
    CreateOptions, DeviceOption, LogDriver, LogOptions, NamespaceMode, ResourceOptions, RestartPolicy,
    SeccompOption, Ulimit,
};

use super::network::NetworkArgs;
use super::{mounts, values};

/// `--init`, and whether it was given at all: `--init=false` counts where docker's daemon.json sets it.
#[derive(Debug)]
pub struct InitFlag(pub Option<bool>);

impl Args for InitFlag {
    fn augment_args(command: Command) -> Command {
        let help = "PID 1 is hull's own init, which reaps and forwards signals";
        let flag = Arg::new("init").long("init").help(help).help_heading("Process");
        command.arg(flag.action(ArgAction::SetTrue))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for InitFlag {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let is_given = matches.value_source("init") == Some(ValueSource::CommandLine);
        Ok(Self(is_given.then(|| matches.get_flag("init"))))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        Self::from_arg_matches(matches).map(|flag| *self = flag)
    }
}

#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Give the container a name
    #[arg(long)]
    pub name: Option<String>,
    /// Write the container's id to a file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<PathBuf>,
    /// Remove the container when it exits
    #[arg(long)]
    pub rm: bool,
    /// Keep stdin open
    #[arg(short, long)]
    pub interactive: bool,
    /// With a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Print no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Fetch the image first: always, missing or never
    #[arg(long, value_name = "WHEN", default_value = "missing", value_parser = ["always", "missing", "never"])]
    pub pull: String,
    /// OS/ARCH the image must have
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,

    /// Set a variable: KEY=VALUE, or KEY from here
    #[arg(short, long, value_name = "ENV", help_heading = "Process")]
    pub env: Vec<String>,
    /// Read variables from a file
    #[arg(long, value_name = "FILE", help_heading = "Process")]
    pub env_file: Vec<PathBuf>,
    /// The working directory
    #[arg(short, long, value_name = "DIR", help_heading = "Process")]
    pub workdir: Option<String>,
    /// NAME|UID[:GROUP|GID]
    #[arg(short, long, value_name = "USER", help_heading = "Process")]
    pub user: Option<String>,
    /// One more group
    #[arg(long, value_name = "GROUP", help_heading = "Process")]
    pub group_add: Vec<String>,
    /// Run this instead of the image's entrypoint
    #[arg(long, value_name = "COMMAND", help_heading = "Process")]
    pub entrypoint: Option<String>,
    #[command(flatten)]
    pub init: InitFlag,
    /// NAME=SOFT[:HARD]
    #[arg(long, value_name = "LIMIT", value_parser = values::ulimit, help_heading = "Process")]
    pub ulimit: Vec<Ulimit>,
    /// The signal that `stop` sends
    #[arg(long, value_name = "SIGNAL", help_heading = "Process")]
    pub stop_signal: Option<String>,
    /// Seconds that `stop` waits before killing
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, value_parser = values::stop_timeout, help_heading = "Process")]
    pub stop_timeout: Option<u32>,
    /// no, always, unless-stopped or on-failure[:COUNT]
    #[arg(long, value_name = "POLICY", default_value = "no", hide_default_value = true, value_parser = values::restart_policy, help_heading = "Process")]
    pub restart: RestartPolicy,
    /// How willingly the kernel kills it when memory is short: -1000 to 1000
    #[arg(long, value_name = "SCORE", allow_hyphen_values = true, value_parser = clap::value_parser!(i32).range(-1000..=1000), help_heading = "Process")]
    pub oom_score_adj: Option<i32>,

    /// [SOURCE:]TARGET[:OPTIONS], a directory or a named volume
    #[arg(short, long, value_name = "VOLUME", help_heading = "Files")]
    pub volume: Vec<String>,
    /// type=bind|volume|tmpfs,source=…,target=…
    #[arg(long, value_name = "MOUNT", help_heading = "Files")]
    pub mount: Vec<String>,
    /// TARGET[:OPTIONS]
    #[arg(long, value_name = "TMPFS", help_heading = "Files")]
    pub tmpfs: Vec<String>,
    /// The volumes of another container
    #[arg(long, value_name = "CONTAINER[:ro]", help_heading = "Files")]
    pub volumes_from: Vec<String>,
    /// The root file system cannot be written
    #[arg(long, help_heading = "Files")]
    pub read_only: bool,
    /// Size of /dev/shm
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = values::size, help_heading = "Files")]
    pub shm_size: Option<u64>,
    /// HOST[:CONTAINER[:rwm]]
    #[arg(long, value_name = "DEVICE", value_parser = values::device, help_heading = "Files")]
    pub device: Vec<DeviceOption>,
    /// TYPE MAJOR:MINOR ACCESS
    #[arg(long, value_name = "RULE", help_heading = "Files")]
    pub device_cgroup_rule: Vec<String>,

    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub isolation: IsolationArgs,

    /// KEY=VALUE
    #[arg(short, long, value_name = "LABEL", help_heading = "Metadata")]
    pub label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE", help_heading = "Metadata")]
    pub label_file: Vec<PathBuf>,
    /// KEY=VALUE, for the OCI runtime
    #[arg(long, value_name = "ANNOTATION", help_heading = "Metadata")]
    pub annotation: Vec<String>,
    /// json-file or none [default: json-file]
    #[arg(long, value_name = "DRIVER", value_parser = ["json-file", "none"], help_heading = "Metadata")]
    pub log_driver: Option<String>,
    /// max-size=SIZE, max-file=COUNT
    #[arg(long, value_name = "OPTION", help_heading = "Metadata")]
    pub log_opt: Vec<String>,

    // `-h` is the host name, so help has its long form only.
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    pub help: Option<bool>,

    #[command(subcommand)]
    pub rest: Option<Rest>,
}

// The first word that is no flag, and all that follows it. What looks like a flag there belongs to the container's
// command; clap stops looking only at what it takes for a subcommand, and would print a doc comment here as help.
#[derive(Debug, Subcommand)]
pub enum Rest {
    #[command(external_subcommand)]
    Words(Vec<String>),
}

impl Rest {
    /// Splits off the first word.
    pub fn split(rest: Option<&Self>) -> Option<(&str, &[String])> {
        let Self::Words(words) = rest?;
        let (first, others) = words.split_first()?;
        (!first.is_empty()).then_some((first, others))
    }
}

// What becomes cgroup files. No doc comment: clap would print it as the help of the verb it is flattened into.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Memory
    #[arg(short, long, value_name = "SIZE", allow_hyphen_values = true, value_parser = values::size)]
    pub memory: Option<u64>,
    /// Memory and swap together; -1 is without limit
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = values::size_or_none)]
    pub memory_swap: Option<i64>,
    /// Memory below which nothing is taken away
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = values::size)]
    pub memory_reservation: Option<u64>,
    /// 0 to 100
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u64).range(..=100))]
    pub memory_swappiness: Option<u64>,
    /// Wait for memory instead of being killed (cgroup v1)
    #[arg(long)]
    pub oom_kill_disable: bool,
    /// CPUs: 1.5 is one and a half
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true, value_parser = values::nano_cpus)]
    pub cpus: Option<u64>,
    /// Weight among others; 1024 is one share
    #[arg(short, long, value_name = "WEIGHT")]
    pub cpu_shares: Option<u64>,
    /// Microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_period: Option<u64>,
    /// Microseconds of CPU in each period
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    pub cpu_quota: Option<i64>,
    /// The CPUs it may run on: 0-2,4
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// The memory nodes it may use
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,
    /// Processes and threads; -1 is without limit
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true)]
    pub pids_limit: Option<i64>,
}

// Namespaces and privileges.
#[derive(Debug, Args)]
#[command(next_help_heading = "Isolation")]
pub struct IsolationArgs {
    /// The container's host name
    #[arg(short = 'h', long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// The container's domain name
    #[arg(long, value_name = "NAME")]
    pub domainname: Option<String>,
    /// host or container:NAME
    #[arg(long, value_name = "NAMESPACE", value_parser = values::namespace)]
    pub pid: Option<NamespaceMode>,
    /// private, host or container:NAME
    #[arg(long, value_name = "NAMESPACE", value_parser = values::namespace)]
    pub ipc: Option<NamespaceMode>,
    /// host
    #[arg(long, value_name = "NAMESPACE", value_parser = values::namespace)]
    pub uts: Option<NamespaceMode>,
    /// private or host
    #[arg(long, value_name = "NAMESPACE", value_parser = values::namespace)]
    pub cgroupns: Option<NamespaceMode>,
    /// One more capability, or ALL
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// One capability less, or ALL
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    /// All capabilities and devices, nothing masked, no filter
    #[arg(long)]
    pub privileged: bool,
    /// no-new-privileges, seccomp=unconfined, seccomp=FILE
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// A kernel parameter of a namespace: KEY=VALUE
    #[arg(long, value_name = "SYSCTL")]
    pub sysctl: Vec<String>,
}

impl CreateArgs {
    /// What the engine is asked to make. Files named on the command line are read here.
    pub fn to_options(&self, detach: bool) -> Result<CreateOptions> {
        let isolation = &self.isolation;
        let (image, command) = Rest::split(self.rest.as_ref()).context("the image is missing")?;
        let mut options = CreateOptions {
            image: image.to_owned(),
            command: command.to_vec(),
            entrypoint: self.entrypoint.as_ref().map(|entrypoint| match entrypoint.as_str() {
                "" => vec![],
                program => vec![program.to_owned()],
            }),
            name: self.name.clone(),
            hostname: isolation.hostname.clone(),
            domainname: isolation.domainname.clone(),
            env: environment(&self.env_file, &self.env)?,
            labels: labels(&self.label_file, &self.label)?,
            annotations: pairs("annotation", &self.annotation)?,
            working_dir: self.workdir.clone(),
            user: self.user.clone(),
            group_add: self.group_add.clone(),
            tty: self.tty,
            interactive: self.interactive,
            detach,
            auto_remove: self.rm,
            init: self.init.0.unwrap_or(false),
            mounts: mounts::all(&self.volume, &self.mount, &self.tmpfs)?,
            volumes_from: self.volumes_from.clone(),
            read_only: self.read_only,
            shm_size: self.shm_size,
            devices: self.device.clone(),
            device_cgroup_rules: self.device_cgroup_rule.clone(),
            resources: self.limits.to_options(),
            ulimits: self.ulimit.clone(),
            oom_score_adj: self.oom_score_adj,
            sysctls: pairs("sysctl", &isolation.sysctl)?,
            restart: self.restart.clone(),
            stop_signal: self.stop_signal.clone(),
            stop_timeout: self.stop_timeout,
            log: log_options(self.log_driver.as_deref().unwrap_or("json-file"), &self.log_opt)?,
            platform: self.platform.clone(),
            ..CreateOptions::default()
        };
        self.network.apply(&mut options)?;
        isolation.apply(&mut options)?;
        Ok(options)
    }
}

impl LimitArgs {
    fn to_options(&self) -> ResourceOptions {
        let signed = |size: Option<u64>| size.map(|size| i64::try_from(size).unwrap_or(i64::MAX));
        ResourceOptions {
            memory: signed(self.memory),
            memory_swap: self.memory_swap,
            memory_reservation: signed(self.memory_reservation),
            memory_swappiness: self.memory_swappiness,
            oom_kill_disable: self.oom_kill_disable,
            nano_cpus: self.cpus,
            cpu_shares: self.cpu_shares,
            cpu_period: self.cpu_period,
            cpu_quota: self.cpu_quota,
            cpuset_cpus: self.cpuset_cpus.clone(),
            cpuset_mems: self.cpuset_mems.clone(),
            pids_limit: self.pids_limit,
        }
    }
}

impl IsolationArgs {
    fn apply(&self, options: &mut CreateOptions) -> Result<()> {
        options.pid = self.pid.clone().unwrap_or_default();
        options.ipc = self.ipc.clone().unwrap_or_default();
        options.uts = self.uts.clone().unwrap_or_default();
        options.cgroupns = self.cgroupns.clone().unwrap_or_default();
        options.cap_add = self.cap_add.clone();
        options.cap_drop = self.cap_drop.clone();
        options.privileged = self.privileged;
        for option in &self.security_opt {
            security_option(option, options)?;
        }
        Ok(())
    }
}

fn security_option(text: &str, options: &mut CreateOptions) -> Result<()> {
    let (key, value) = text.split_once(['=', ':']).unwrap_or((text, "true"));
    match (key, value) {
        ("no-new-privileges", "true") => options.no_new_privileges = true,
        ("no-new-privileges", "false") => options.no_new_privileges = false,
        ("seccomp", "unconfined") => options.seccomp = SeccompOption::Unconfined,
        ("seccomp", "builtin") => options.seccomp = SeccompOption::Default,
        ("seccomp", file) => {
            let policy =
                std::fs::read_to_string(file).with_context(|| format!("opening seccomp profile {file}"))?;
            options.seccomp = SeccompOption::Policy(policy);
        }
        // What hull does not confine, it need not be told to leave alone.
        ("apparmor", "unconfined") | ("label", "disable") => {}
        ("apparmor" | "label", _) => bail!(
            "--security-opt {text}: AppArmor and SELinux policies are not applied; use seccomp, capabilities or --read-only"
        ),
        _ => bail!("--security-opt {text}: expected no-new-privileges, seccomp=unconfined or seccomp=FILE"),
    }
    Ok(())
}

pub fn log_options(driver: &str, options: &[String]) -> Result<LogOptions> {
    let driver = if driver == "none" { LogDriver::None } else { LogDriver::JsonFile };
    let mut log = LogOptions { driver, ..LogOptions::default() };
    for option in options {
        let invalid = || format!("--log-opt {option}");
        match option.split_once('=') {
            Some(("max-size", size)) => {
                log.max_size = Some(values::size(size).map_err(anyhow::Error::msg).with_context(invalid)?);
            }
            Some(("max-file", count)) => match count.parse() {
                Ok(count) if count >= 1 => log.max_file = Some(count),
                _ => bail!("--log-opt {option}: expected a number of at least 1"),
            },
            _ => bail!("--log-opt {option}: expected max-size=SIZE or max-file=COUNT"),
        }
    }
    if log.max_file.is_some_and(|count| count > 1) && log.max_size.is_none() {
        bail!("--log-opt max-file needs max-size: without it the log is never rotated");
    }
    Ok(log)
}

/// `--env-file` first, then `-e`. A name alone takes its value from here, and is left out where it has none.
pub fn environment(files: &[PathBuf], given: &[String]) -> Result<Vec<String>> {
    let mut entries = Vec::new();
    for file in files {
        for (number, line) in lines(file)? {
            let name = line.split_once('=').map_or(line.as_str(), |(name, _)| name);
            if name.is_empty() || name.contains(char::is_whitespace) {
                bail!("{}:{number}: {name:?} is not the name of a variable", file.display());
            }
            entries.push(line);
        }
    }
    for entry in given {
        if entry.is_empty() || entry.starts_with('=') {
            bail!("invalid environment variable: {entry:?}");
        }
        entries.push(entry.clone());
    }
    let from_here = |entry: String| match entry.contains('=') {
        true => Some(entry),
        false => std::env::var(&entry).ok().map(|value| format!("{entry}={value}")),
    };
    Ok(entries.into_iter().filter_map(from_here).collect())
}

fn labels(files: &[PathBuf], given: &[String]) -> Result<BTreeMap<String, String>> {
    let mut entries = Vec::new();
    for file in files {
        entries.extend(lines(file)?.into_iter().map(|(_, line)| line));
    }
    entries.extend_from_slice(given);
    entries.iter().map(|entry| label(entry)).collect()
}

/// A label may be without a value.
pub fn label(entry: &str) -> Result<(String, String)> {
    let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
    if key.is_empty() {
        bail!("invalid label {entry:?}: it has no name");
    }
    Ok((key.to_owned(), value.to_owned()))
}

pub fn pairs(what: &str, given: &[String]) -> Result<BTreeMap<String, String>> {
    let pair = |entry: &String| match entry.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => bail!("invalid {what} {entry:?}: expected KEY=VALUE"),
    };
    given.iter().map(pair).collect()
}

/// Lines with their numbers, but for empty ones and comments.
fn lines(file: &Path) -> Result<Vec<(usize, String)>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let numbered = text.trim_start_matches('\u{feff}').lines().zip(1..);
    let kept = numbered.map(|(line, number)| (number, line.trim_start().to_owned()));
    Ok(kept.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_without_value_comes_from_here() {
        let entries = environment(&[], &["A=1".into(), "PATH".into(), "HULL_NOT_SET".into()]).unwrap();
        assert_eq!(entries.len(), 2);
        assert!(entries[1].starts_with("PATH="));
        assert!(environment(&[], &["=x".into()]).is_err());
    }

    #[test]
    fn log_options_are_checked() {
        let options = |list: &[&str]| {
            log_options("json-file", &list.iter().map(|option| option.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(options(&["max-size=10k", "max-file=3"]).unwrap().max_size, Some(10 << 10));
        for wrong in [&["max-size=x"][..], &["max-file=0"], &["max-file=2"], &["colour=blue"]] {
            assert!(options(wrong).is_err(), "{wrong:?}");
        }
    }
}
