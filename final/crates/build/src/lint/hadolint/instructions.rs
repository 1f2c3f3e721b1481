//! Instructions other than FROM, RUN, COPY and ADD.

use std::collections::{HashMap, HashSet};

use super::images::{self, Image};
use super::{Findings, Line, rules};
use crate::dockerfile::{Command, Healthcheck, Kind};

pub(super) fn check(lines: &[Line<'_>], findings: &mut Findings) {
    for line in lines {
        if line.in_onbuild {
            in_onbuild(line, findings);
        } else {
            alone(line, findings);
        }
    }
    once_in_a_stage(lines, findings);
    last_user(lines, findings);
    healthchecks(lines, findings);
    references_in_env(lines, findings);
}

fn in_onbuild(line: &Line<'_>, findings: &mut Findings) {
    match &line.instruction.kind {
        Kind::OnBuild(..) | Kind::From(_) | Kind::Maintainer(_) => findings.add(&rules::DL3043, line),
        Kind::Arg(arguments) if arguments.iter().any(|argument| is_sensitive(&argument.name)) => {
            findings.add(&rules::DL3064, line);
        }
        Kind::Env(pairs) if pairs.iter().any(|(name, _)| is_sensitive(name)) => {
            findings.add(&rules::DL3064, line);
        }
        _ => {}
    }
}

fn alone(line: &Line<'_>, findings: &mut Findings) {
    match &line.instruction.kind {
        Kind::Workdir(path) if !is_absolute(unquoted(path)) => findings.add(&rules::DL3000, line),
        Kind::Expose(ports) if ports.iter().any(|port| is_impossible(port)) => {
            findings.add(&rules::DL3011, line);
        }
        Kind::Cmd(Command::Shell(_))
        | Kind::Entrypoint(Command::Shell(_))
        | Kind::Healthcheck(Healthcheck::Check { command: Command::Shell(_), .. }) => {
            findings.add(&rules::DL3025, line);
        }
        Kind::Label(pairs) if pairs.iter().any(|(key, _)| !is_label(unquoted(key))) => {
            findings.add(&rules::DL3048, line);
        }
        Kind::User(user) => {
            let name = user.split(':').next().unwrap_or_default();
            if !name.bytes().all(|letter| letter.is_ascii_digit()) {
                findings.add(&rules::DL3066, line);
            }
        }
        Kind::Maintainer(_) => findings.add(&rules::DL4000, line),
        _ => in_onbuild_or_alone(line, findings),
    }
}

fn in_onbuild_or_alone(line: &Line<'_>, findings: &mut Findings) {
    if matches!(line.instruction.kind, Kind::Arg(_) | Kind::Env(_)) {
        in_onbuild(line, findings);
    }
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\''])
}

fn is_absolute(path: &str) -> bool {
    let drive = path.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && path[1..].starts_with(':');
    path.starts_with(['/', '$']) || drive
}

fn is_impossible(port: &str) -> bool {
    let port = port.split('/').next().unwrap_or_default();
    port.split('-').any(|part| part.parse::<u64>().is_ok_and(|number| number > 65535))
}

fn is_label(key: &str) -> bool {
    let lower = |letter: char| letter.is_ascii_lowercase();
    let end = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let inner = |letter: char| end(letter) || matches!(letter, '.' | '-' | '_');
    let reserved = ["com.docker.", "io.docker.", "org.dockerproject."];
    key.starts_with(lower)
        && key.ends_with(end)
        && key.chars().all(inner)
        && !reserved.iter().any(|prefix| key.starts_with(prefix))
        && !key.contains("..")
        && !key.contains("--")
}

/// HEALTHCHECK, CMD and ENTRYPOINT: the second one of a stage and those after it.
fn once_in_a_stage(lines: &[Line<'_>], findings: &mut Findings) {
    let mut seen = [false; 3];
    for line in lines.iter().filter(|line| !line.in_onbuild) {
        let (index, rule) = match &line.instruction.kind {
            Kind::From(_) => {
                seen = [false; 3];
                continue;
            }
            Kind::Healthcheck(_) => (0, &rules::DL3012),
            Kind::Cmd(_) => (1, &rules::DL4003),
            Kind::Entrypoint(_) => (2, &rules::DL4004),
            _ => continue,
        };
        if std::mem::replace(&mut seen[index], true) {
            findings.add(rule, line);
        }
    }
}

/// The last USER of each stage, if it is root.
fn last_user(lines: &[Line<'_>], findings: &mut Findings) {
    let mut last: Option<&Line<'_>> = None;
    let from_on = lines.iter().skip_while(|line| !matches!(line.instruction.kind, Kind::From(_)));
    for line in from_on.filter(|line| !line.in_onbuild) {
        match &line.instruction.kind {
            Kind::From(_) => last.take().into_iter().for_each(|line| findings.add(&rules::DL3002, line)),
            Kind::User(user) => {
                let root = matches!(user.as_str(), "root" | "0")
                    || user.starts_with("root:")
                    || user.starts_with("0:");
                last = root.then_some(line);
            }
            _ => {}
        }
    }
    last.into_iter().for_each(|line| findings.add(&rules::DL3002, line));
}

/// Stages without a HEALTHCHECK of their own or of the stage below.
fn healthchecks(lines: &[Line<'_>], findings: &mut Findings) {
    let mut good: HashSet<String> = HashSet::new();
    // The last stage, if it has none so far.
    let mut open: Option<&Line<'_>> = None;
    let mut name = String::new();
    for line in lines.iter().filter(|line| !line.in_onbuild) {
        match &line.instruction.kind {
            Kind::From(from) => {
                open.into_iter().for_each(|line| findings.add(&rules::DL3057, line));
                let base = Image::parse(&from.image).name;
                name = images::name_as_written(line).unwrap_or_else(|| base.to_owned());
                let inherits = good.contains(base);
                good.extend(inherits.then(|| name.clone()));
                open = (!inherits).then_some(line);
            }
            Kind::Healthcheck(_) => {
                good.insert(name.clone());
                open = None;
            }
            _ => {}
        }
    }
    open.into_iter().for_each(|line| findings.add(&rules::DL3057, line));
}

/// A variable of ENV that another pair of the same ENV refers to, if no instruction before it has set it.
fn references_in_env(lines: &[Line<'_>], findings: &mut Findings) {
    let mut set: HashSet<&str> = HashSet::new();
    for line in lines.iter().filter(|line| !line.in_onbuild) {
        match &line.instruction.kind {
            Kind::Arg(arguments) => set.extend(arguments.iter().map(|argument| &*argument.name)),
            Kind::Env(pairs) => {
                // In which pairs a variable is: the first one and the last one tell whether it is in another pair.
                let mut places: HashMap<&str, (usize, usize)> = HashMap::new();
                for (index, (_, value)) in pairs.iter().enumerate() {
                    for name in references(value) {
                        places.entry(name).or_insert((index, index)).1 = index;
                    }
                }
                let elsewhere = |index: usize, name: &str| {
                    places.get(name).is_some_and(|(first, last)| *first != index || *last != index)
                };
                let mut names = pairs.iter().enumerate();
                if names.any(|(index, (name, _))| !set.contains(&**name) && elsewhere(index, name)) {
                    findings.add(&rules::DL3044, line);
                }
                set.extend(pairs.iter().map(|(name, _)| &**name));
            }
            _ => {}
        }
    }
}

/// The names in `$NAME` and `${NAME}`.
fn references(value: &str) -> impl Iterator<Item = &str> {
    value.split('$').skip(1).filter_map(|after| match after.strip_prefix('{') {
        Some(braced) => braced.split_once('}').map(|(name, _)| name),
        None => {
            let end = after.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            Some(&after[..end.unwrap_or(after.len())])
        }
    })
}

fn is_sensitive(name: &str) -> bool {
    const NAMES: [&str; 18] = [
        "APPLICATION_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "CI_DEPLOY_USER",
        "DOCKER_EMAIL",
        "FACEBOOK_APP_ID",
        "HEROKU_API_USER",
        "OKTA_AUTHN_GROUPID",
        "OKTA_CLIENT_ORGURL",
        "OKTA_OAUTH2_CLIENTID",
        "STRIPE_DEVICE_NAME",
        "TRAVIS_OS_NAME",
        "TRAVIS_SUDO",
        "VAULT_CLIENT_KEY",
        "APP_SECRET",
        "GH_TOKEN",
        "NPM_TOKEN",
        "TRAVIS_SECURE_ENV_VARS",
    ];
    const PARTS: [&str; 7] = ["api_key", "client_key", "password", "private", "secret", "token", "username"];
    let lower = name.to_lowercase();
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
        || PARTS.iter().any(|part| lower.contains(part))
}
