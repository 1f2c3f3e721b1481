//! Package managers of languages: pip, npm, gem, go, yarn.

use super::commands::{self, CommandRule};
use super::shell::Command;
use super::{Findings, Line, images, packages, rules};
use crate::dockerfile::Kind;

static RULES: &[CommandRule] = &[
    (&rules::DL3013, |command| is_pip_install(command) && !pip_is_fixed(command)),
    (&rules::DL3016, |command| {
        let plain = command.plain(&["loglevel", "prefix"]);
        command.name == "npm"
            && plain.first() == Some(&"install")
            && !plain[1..].iter().skip_while(|word| **word == "install").all(|package| npm_is_fixed(package))
    }),
    (&rules::DL3028, |command| {
        command.has("gem", &["install", "i"])
            && !command.has_argument(&["-v", "--version"])
            && !command.arguments.iter().any(|argument| argument.starts_with("--version="))
            && command
                .plain(&[])
                .iter()
                .any(|gem| !matches!(*gem, "install" | "i" | "--") && !gem.contains(':'))
    }),
    (&rules::DL3062, |command| {
        let plain = command.plain(&[]);
        command.name == "go"
            && matches!(plain.first(), Some(&("install" | "get" | "run")))
            && plain[1..].iter().any(|package| !go_is_fixed(package))
    }),
];

pub(super) fn check(lines: &[Line<'_>], findings: &mut Findings) {
    commands::each(lines, RULES, findings);
    packages::left_behind(lines, findings, &rules::DL3060, |run, script| {
        script.any(|command| command.has("yarn", &["install"]))
            && !packages::is_outside(run, ".cache/yarn")
            && !script.any(|command| command.has("yarn", &["cache", "clean"]))
    });
    pip_cache(lines, findings);
}

fn follow(arguments: &[String], words: &[&str]) -> bool {
    arguments.windows(words.len()).any(|window| window.iter().zip(words).all(|(own, word)| own == word))
}

fn is_pip_install(command: &Command) -> bool {
    (command.name.starts_with("pip") && command.has_argument(&["install"]))
        || (command.name.starts_with("python") && follow(&command.arguments, &["-m", "pip", "install"]))
}

/// Flags of `pip install` that have a value.
const PIP_FLAGS: [&str; 25] = [
    "abi",
    "b",
    "build",
    "e",
    "editable",
    "extra-index-url",
    "f",
    "find-links",
    "i",
    "index-url",
    "implementation",
    "no-binary",
    "only-binary",
    "platform",
    "prefix",
    "progress-bar",
    "proxy",
    "python-version",
    "root",
    "root-user-action",
    "src",
    "t",
    "target",
    "trusted-host",
    "upgrade-strategy",
];

const VERSION_CONTROL: [&str; 4] = ["git", "hg+", "svn", "bzr+"];

fn pip_is_fixed(command: &Command) -> bool {
    if command.has_argument(&["--requirement", "-r", "."]) || command.has_flag(&["constraint", "c"]) {
        return true;
    }
    let plain = command.plain(&PIP_FLAGS);
    let packages = plain.iter().skip_while(|word| **word != "install").skip_while(|word| **word == "install");
    packages.into_iter().all(|package| {
        let controlled = VERSION_CONTROL.iter().any(|scheme| package.starts_with(scheme));
        ["==", ">=", "<=", ">", "<", "!=", "~="].iter().any(|sign| package.contains(sign))
            || (controlled && package.contains('@'))
            || package.ends_with(".whl")
            || package.ends_with(".tar.gz")
            || (!controlled && package.contains('/'))
    })
}

fn npm_is_fixed(package: &str) -> bool {
    let starts = |any: &[&str]| any.iter().any(|prefix| package.starts_with(prefix));
    if starts(&["git://", "git+ssh://", "git+http://", "git+https://"]) {
        return package.contains('#');
    }
    if starts(&["/", "./", "../", "~/"])
        || [".tar", ".tar.gz", ".tgz"].iter().any(|end| package.ends_with(end))
    {
        return true;
    }
    // The first `@` of a scoped package is that of its scope.
    package.strip_prefix('@').unwrap_or(package).contains('@')
}

fn go_is_fixed(package: &str) -> bool {
    let pinned = package.split_once('@').is_some_and(|(_, version)| version != "latest");
    pinned || package.starts_with(['.', '/'])
}

const YES: [&str; 10] = ["1", "true", "True", "TRUE", "on", "On", "ON", "yes", "Yes", "YES"];

/// `pip install` that keeps its cache in the image. PIP_NO_CACHE_DIR holds in stages that are built on the stage too.
fn pip_cache(lines: &[Line<'_>], findings: &mut Findings) {
    let mut stages = images::Inherited::default();
    for line in lines {
        match &line.instruction.kind {
            Kind::From(from) if !line.in_onbuild => stages.begin(line, from),
            Kind::Env(pairs) if !line.in_onbuild => {
                let turns_off = |(name, value): &(String, String)| {
                    name == "PIP_NO_CACHE_DIR" && YES.contains(&value.trim_matches(['"', '\'']))
                };
                if pairs.iter().any(turns_off) {
                    stages.set();
                }
            }
            _ => {}
        }
        let Some((run, script)) = line.run() else { continue };
        let off = !line.in_onbuild && stages.is_set();
        let off_here = script.text.split("PIP_NO_CACHE_DIR=").nth(1);
        let off_here = off_here.is_some_and(|value| YES.iter().any(|yes| value.starts_with(yes)));
        if !off && !off_here && script.any(keeps_pip_cache) && !packages::is_outside(run, ".cache/pip") {
            findings.add(&rules::DL3042, line);
        }
    }
}

fn keeps_pip_cache(command: &Command) -> bool {
    let wrapper = ["pipx", "pipenv"].iter().any(|name| {
        command.name.contains(name)
            || (command.name.starts_with("python") && follow(&command.arguments, &["-m", name]))
    });
    is_pip_install(command) && !command.has_argument(&["--no-cache-dir"]) && !wrapper
}
