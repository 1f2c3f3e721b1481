//! Instructions of stages, each in the environment that the instructions before it and the base image make.

use std::collections::BTreeSet;

use hull_image::platform::Platform;

use super::expand::{self, Variables};
use super::needed::{self, Names};
use super::stages::Global;
use super::{Linter, Stage, rules};
use crate::dockerfile::{Argument, Command, Instruction, Kind, Transfer};
use crate::lint::Options;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a stage inherits and changes.
#[derive(Debug, Clone, Default)]
struct Environment {
    variables: Variables,
    /// A base image that is not known may set any variable.
    open: bool,
    workdir: bool,
    shell: bool,
}

/// The last CMD, ENTRYPOINT and HEALTHCHECK of a stage. They are not inherited.
#[derive(Debug, Default)]
struct Once<'a> {
    command: Option<&'a Instruction>,
    entrypoint: Option<&'a Instruction>,
    healthcheck: Option<&'a Instruction>,
}

pub(super) fn check(stages: &[Stage<'_>], global: &Global, options: &Options<'_>, linter: &mut Linter<'_>) {
    let names = Names::of(stages);
    let needed = match (options.all_stages, options.target) {
        (true, None) => vec![true; stages.len()],
        (_, target) => needed::stages(stages, target, &names),
    };
    let mut done: Vec<Environment> = Vec::with_capacity(stages.len());
    for (number, stage) in stages.iter().enumerate() {
        if !needed[number] {
            done.push(Environment { open: true, ..Environment::default() });
            continue;
        }
        let base = names.before(&stage.from.image, number);
        let environment = match base {
            Some(base) => done[base].clone(),
            None => of_image(stage, &global.bases[number], options, linter),
        };
        let mut checker = Checker { global, options, linter, environment };
        let triggers: Vec<_> = base.map(|base| triggers(&stages[base], stage)).unwrap_or_default();
        let mut once = Once::default();
        for instruction in triggers.iter().chain(stage.steps) {
            checker.instruction(instruction, &mut once);
        }
        done.push(checker.environment);
    }
}

/// The ONBUILD instructions of the stage below. Their warnings have the lines of FROM.
fn triggers(base: &Stage<'_>, stage: &Stage<'_>) -> Vec<Instruction> {
    let of_step = |step: &Instruction| match &step.kind {
        Kind::OnBuild(_, inner) => Some(Instruction { span: stage.instruction.span, ..(**inner).clone() }),
        _ => None,
    };
    base.steps.iter().filter_map(of_step).collect()
}

fn of_image(
    stage: &Stage<'_>,
    (image, platform): &(String, Option<Platform>),
    options: &Options<'_>,
    linter: &mut Linter<'_>,
) -> Environment {
    let mut environment = Environment::default();
    let platform = platform.as_ref().unwrap_or(&options.platform);
    let config = match image.as_str() {
        "scratch" => None,
        name => {
            let config = (options.base)(name, platform);
            environment.open = config.is_none();
            config
        }
    };
    if let Some(config) = config {
        let actual = config.platform();
        if (&actual.os, &actual.architecture) != (&platform.os, &platform.architecture) {
            let written = &stage.from.image;
            let message = format!(
                "Base image {written} was pulled with platform \"{actual}\", expected \"{platform}\" for current build"
            );
            linter.warn(&rules::INVALID_BASE_IMAGE_PLATFORM, stage.instruction, message);
        }
        let config = config.config.unwrap_or_default();
        for pair in config.env.iter().flatten() {
            let (name, value) = pair.split_once('=').unwrap_or((pair.as_str(), ""));
            environment.variables.set(name, value);
        }
        environment.shell = config.shell.is_some_and(|shell| !shell.is_empty());
    }
    if environment.variables.get("PATH").is_none() {
        environment.variables.set("PATH", DEFAULT_PATH);
    }
    environment
}

struct Checker<'a, 'b> {
    global: &'a Global,
    options: &'a Options<'a>,
    linter: &'a mut Linter<'b>,
    environment: Environment,
}

impl Checker<'_, '_> {
    fn instruction<'s>(&mut self, instruction: &'s Instruction, once: &mut Once<'s>) {
        match &instruction.kind {
            Kind::Env(pairs) => self.env(pairs, instruction),
            Kind::Label(pairs) => {
                pairs.iter().for_each(|(name, value)| {
                    self.expand(name, instruction);
                    self.expand(value, instruction);
                });
                self.legacy(instruction);
            }
            Kind::Arg(arguments) => self.arg(arguments, instruction),
            Kind::Copy(transfer) => self.transfer(transfer, "Copy", instruction),
            Kind::Add(transfer) => self.transfer(transfer, "Add", instruction),
            Kind::Run(run) => run.mounts.iter().for_each(|mount| {
                self.expand(mount, instruction);
            }),
            Kind::Workdir(path) => self.workdir(path, instruction),
            Kind::User(word) | Kind::StopSignal(word) => {
                self.expand(word, instruction);
            }
            Kind::Volume(paths) => paths.iter().for_each(|path| {
                self.expand(path, instruction);
            }),
            Kind::Expose(ports) => self.expose(ports, instruction),
            Kind::Shell(_) => self.environment.shell = true,
            Kind::Cmd(command) => {
                self.only_once(&mut once.command, instruction);
                self.json(command, instruction);
            }
            Kind::Entrypoint(command) => {
                self.only_once(&mut once.entrypoint, instruction);
                self.json(command, instruction);
            }
            Kind::Healthcheck(_) => self.only_once(&mut once.healthcheck, instruction),
            Kind::From(_) | Kind::Maintainer(_) | Kind::OnBuild(..) => {}
        }
    }

    /// Expands a word and reports the variables that nothing defines.
    fn expand(&mut self, text: &str, instruction: &Instruction) -> String {
        let expanded = expand::word(text, self.linter.file.escape, &self.environment.variables);
        self.undefined(&expanded.unset, instruction);
        expanded.text
    }

    fn undefined(&mut self, names: &BTreeSet<String>, instruction: &Instruction) {
        let Environment { variables, open, .. } = &self.environment;
        if *open || variables.is_full() {
            return;
        }
        for name in names.iter().filter(|name| !variables.has(name)) {
            // A file with so many mistakes needs no hints, which take time.
            let known = if self.linter.warnings.len() < 1000 { variables.names() } else { vec![] };
            let near = expand::nearest(name, known.into_iter());
            let hint = near.map(|near| format!(" (did you mean ${near}?)")).unwrap_or_default();
            let message = format!("Usage of undefined variable '${name}'{hint}");
            self.linter.warn(&rules::UNDEFINED_VAR, instruction, message);
        }
    }

    /// All pairs see the variables from before the instruction.
    fn env(&mut self, pairs: &[(String, String)], instruction: &Instruction) {
        let expanded: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (self.expand(name, instruction), self.expand(value, instruction)))
            .collect();
        self.legacy(instruction);
        for (name, value) in expanded {
            self.secret("ENV", &name, instruction);
            self.environment.variables.set(&name, &value);
        }
    }

    fn arg(&mut self, arguments: &[Argument], instruction: &Instruction) {
        for Argument { name, default } in arguments {
            self.secret("ARG", name, instruction);
            let value = match (self.options.args.get(name), default) {
                (Some(Some(value)), _) => Some(value.clone()),
                (_, Some(default)) => Some(self.expand(default, instruction)),
                _ => self.global.variables.get(name).map(str::to_owned),
            };
            match value {
                Some(value) => self.environment.variables.set(name, &value),
                None => self.environment.variables.declare(name),
            }
        }
    }

    fn secret(&mut self, kind: &str, name: &str, instruction: &Instruction) {
        if is_secret(name) {
            let message = format!("Do not use ARG or ENV instructions for sensitive data ({kind} {name:?})");
            self.linter.warn(&rules::SECRETS_USED, instruction, message);
        }
    }

    fn legacy(&mut self, instruction: &Instruction) {
        if instruction.legacy {
            let name = &instruction.keyword;
            let message =
                format!("\"{name} key=value\" should be used instead of legacy \"{name} key value\" format");
            self.linter.warn(&rules::LEGACY_KEY_VALUE_FORMAT, instruction, message);
        }
    }

    fn workdir(&mut self, path: &str, instruction: &Instruction) {
        let path = self.expand(path, instruction);
        if !self.environment.workdir && !path.starts_with('/') {
            let message =
                format!("Relative workdir {path:?} can have unexpected results if the base image changes");
            self.linter.warn(&rules::WORKDIR_RELATIVE_PATH, instruction, message);
        }
        self.environment.workdir = true;
    }

    /// The warning has the lines of the earlier instruction: that one has no effect.
    fn only_once<'s>(&mut self, last: &mut Option<&'s Instruction>, instruction: &'s Instruction) {
        if let Some(earlier) = last.replace(instruction) {
            let name = &instruction.keyword;
            let message = format!(
                "Multiple {name} instructions should not be used in the same stage because only the last one will be used"
            );
            self.linter.warn(&rules::MULTIPLE_INSTRUCTIONS, earlier, message);
        }
    }

    fn json(&mut self, command: &Command, instruction: &Instruction) {
        if matches!(command, Command::Shell(_)) && !self.environment.shell {
            let name = &instruction.keyword;
            let message = format!(
                "JSON arguments recommended for {name} to prevent unintended behavior related to OS signals"
            );
            self.linter.warn(&rules::JSON_ARGS_RECOMMENDED, instruction, message);
        }
    }

    /// Variables of EXPOSE that nothing defines are not reported: they expand to no port.
    fn expose(&mut self, ports: &[String], instruction: &Instruction) {
        for port in ports {
            let expanded = expand::word(port, self.linter.file.escape, &self.environment.variables);
            for port in &expanded.words {
                let (address, host, container) = port_parts(port);
                let protocol = container.split_once('/').map_or("", |(_, protocol)| protocol);
                if protocol != protocol.to_lowercase() {
                    let message =
                        format!("Defined protocol '{port}' in EXPOSE instruction should be lowercase");
                    self.linter.warn(&rules::EXPOSE_PROTO_CASING, instruction, message);
                }
                if !address.is_empty() || !host.is_empty() {
                    let message = format!(
                        "EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
                    );
                    self.linter.warn(&rules::EXPOSE_INVALID_FORMAT, instruction, message);
                }
            }
        }
    }

    fn transfer(&mut self, transfer: &Transfer, verb: &str, instruction: &Instruction) {
        for option in [&transfer.chown, &transfer.chmod, &transfer.checksum].into_iter().flatten() {
            self.expand(option, instruction);
        }
        let sources: Vec<_> =
            transfer.sources.iter().map(|source| self.expand(source, instruction)).collect();
        self.expand(&transfer.destination, instruction);
        for heredoc in transfer.heredocs.iter().filter(|heredoc| heredoc.expands) {
            let expanded = expand::heredoc(&heredoc.content, &self.environment.variables);
            self.undefined(&expanded.unset, instruction);
        }
        if transfer.from.is_none() {
            sources.iter().for_each(|source| self.ignored(source, verb, instruction));
        }
    }

    fn ignored(&mut self, source: &str, verb: &str, instruction: &Instruction) {
        let remote = ["http://", "https://", "git://", "git@", "ssh://"];
        let Some(ignore) = self.options.ignore else { return };
        if remote.iter().any(|scheme| source.starts_with(scheme)) {
            return;
        }
        let path: std::path::PathBuf = std::path::Path::new(source)
            .components()
            .filter(|part| matches!(part, std::path::Component::Normal(_)))
            .collect();
        // A file beneath an excluded directory may be included again.
        if path.as_os_str().is_empty() || ignore.may_include_beneath(&path) || !ignore.excludes(&path) {
            return;
        }
        let message =
            format!("Attempting to {verb} file \"{}\" that is excluded by .dockerignore", path.display());
        self.linter.warn(&rules::COPY_IGNORED_FILE, instruction, message);
    }
}

/// A part between `_` that says so, unless another part says that it is no secret.
fn is_secret(name: &str) -> bool {
    let secrets = [
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "passwd",
        "secret",
        "token",
    ];
    let harmless = ["public", "file", "version"];
    let has = |words: &[&str]| name.split('_').any(|part| words.contains(&&*part.to_ascii_lowercase()));
    has(&secrets) && !has(&harmless)
}

/// `[ADDRESS:][HOST PORT:]CONTAINER PORT`
fn port_parts(port: &str) -> (&str, &str, &str) {
    let Some((rest, container)) = port.rsplit_once(':') else { return ("", "", port) };
    match rest.rsplit_once(':') {
        Some((address, host)) => (address, host, container),
        None => ("", rest, container),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_whole_words() {
        for name in ["API_KEY", "token", "GIT_AUTH_X", "AWS_SECRET_ACCESS_KEY"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["MONKEY", "KEYS", "PUBLIC_KEY", "mytoken", "PASSWORD_FILE", "KEY_VERSION"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn ports_have_up_to_three_parts() {
        assert_eq!(port_parts("80"), ("", "", "80"));
        assert_eq!(port_parts("80:81/tcp"), ("", "80", "81/tcp"));
        assert_eq!(port_parts("[::1]:8080:80"), ("[::1]", "8080", "80"));
    }
}
