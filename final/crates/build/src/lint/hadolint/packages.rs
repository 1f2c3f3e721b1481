//! Package managers of distributions: apt, apk, yum, dnf, zypper.

use std::collections::HashSet;

use super::commands::{self, CommandRule};
use super::shell::{Command, Script};
use super::{Findings, Line, images, rules};
use crate::dockerfile::{Kind, Run};
use crate::lint::Rule;

const DNF: [&str; 2] = ["dnf", "microdnf"];

static RULES: &[CommandRule] = &[
    (&rules::DL3008, |command| {
        command.has("apt-get", &["install"]) && {
            let packages = command.plain(&["t", "target-release"]);
            let fixed =
                |package: &str| package.contains('=') || package.contains('/') || package.ends_with(".deb");
            packages.iter().any(|package| *package != "install" && !fixed(package))
        }
    }),
    (&rules::DL3014, |command| {
        let yes = ["y", "yes", "q", "assume-yes"];
        command.has("apt-get", &["install"]) && !command.has_flag(&yes)
    }),
    (&rules::DL3015, |command| {
        command.has("apt-get", &["install"])
            && !command.has_flag(&["no-install-recommends"])
            && !command.has_argument(&["APT::Install-Recommends=false"])
    }),
    (&rules::DL3018, |command| {
        command.has("apk", &["add"]) && {
            let packages = command.plain(&["t", "virtual", "repository", "X"]);
            let fixed = |package: &str| package.contains(['=', '~']) || package.ends_with(".apk");
            packages.iter().any(|package| *package != "add" && !fixed(package))
        }
    }),
    (&rules::DL3030, |command| {
        command.has("yum", &["install", "groupinstall", "localinstall"])
            && !command.has_flag(&["y", "assumeyes"])
    }),
    (&rules::DL3033, |command| {
        let module = command.has_argument(&["module"]);
        command.has("yum", &["install"])
            && command.plain(&[]).iter().any(|package| match *package {
                "install" | "module" => false,
                package if module => !package.contains(':'),
                package => !package.contains('-'),
            })
    }),
    (&rules::DL3034, |command| {
        command.has("zypper", &["install", "in", "remove", "rm", "source-install", "si", "patch"])
            && !command.has_flag(&["n", "non-interactive", "no-confirm", "y"])
    }),
    (&rules::DL3035, |command| command.has("zypper", &["dist-upgrade", "dup"])),
    (&rules::DL3037, |command| {
        let fixed = |package: &str| package.contains(['=', '<', '>']) || package.ends_with(".rpm");
        command.has("zypper", &["install", "in"])
            && command
                .plain(&[])
                .iter()
                .any(|package| !matches!(*package, "install" | "in") && !fixed(package))
    }),
    (&rules::DL3038, |command| {
        is_dnf(command)
            && command.has_argument(&["install", "groupinstall", "localinstall"])
            && !command.has_flag(&["y", "assumeyes"])
    }),
    (&rules::DL3041, |command| {
        is_dnf(command) && command.has_argument(&["install"]) && !dnf_is_fixed(command)
    }),
];

pub(super) fn check(lines: &[Line<'_>], findings: &mut Findings) {
    commands::each(lines, RULES, findings);
    for line in lines {
        let Some((run, script)) = line.run() else { continue };
        let apk = |command: &Command| command.has("apk", &["add"]) && !command.has_flag(&["no-cache"]);
        if script.any(apk) && !is_outside(run, "/var/cache/apk") {
            findings.add(&rules::DL3019, line);
        }
        let yum = |command: &Command| command.has("yum", &["install"]);
        let yum_clean = |command: &Command| {
            command.has("yum", &["clean", "all"]) || command.has("rm", &["-rf", "/var/cache/yum/*"])
        };
        if lacks_cleaning(script, yum, yum_clean) {
            findings.add(&rules::DL3032, line);
        }
        let zypper = |command: &Command| command.has("zypper", &["install", "in"]);
        let zypper_clean = |command: &Command| command.has("zypper", &["clean", "cc"]);
        if lacks_cleaning(script, zypper, zypper_clean) && !is_outside(run, "/var/cache/zypp") {
            findings.add(&rules::DL3036, line);
        }
        let lacks_dnf = |name: &&str| {
            let installs = ["install", "in", "reinstall", "upgrade", "upgrade-minimal", "up-min"];
            let cleans = |command: &Command| {
                command.has(name, &["clean", "all"])
                    || command.has("rm", &["-rf", "/var/cache/yum/*", "/var/cache/libdnf5*"])
            };
            lacks_cleaning(script, |command| command.has(name, &installs), cleans)
        };
        if DNF.iter().any(lacks_dnf)
            && !is_outside(run, "/var/cache/libdnf5")
            && !is_outside(run, ".cache/libdnf5")
        {
            findings.add(&rules::DL3040, line);
        }
    }
    apt_lists(lines, findings);
}

/// Whether something is installed and nothing is cleaned after it.
fn lacks_cleaning(
    script: &Script,
    installs: impl Fn(&Command) -> bool,
    cleans: impl Fn(&Command) -> bool,
) -> bool {
    let installed = script.commands.iter().position(installs);
    let cleaned = script.commands.iter().position(cleans);
    installed.is_some_and(|installed| cleaned.is_none_or(|cleaned| cleaned < installed))
}

fn is_dnf(command: &Command) -> bool {
    DNF.contains(&command.name.as_str())
}

fn dnf_is_fixed(command: &Command) -> bool {
    let module = command.has_argument(&["module"]);
    let group = command.has_argument(&["group"]);
    command.plain(&[]).iter().all(|package| match *package {
        "install" | "module" => true,
        package if module => package.contains(':'),
        _ if group => true,
        package => is_versioned(package),
    })
}

/// Parts after the first `-` that look like a version.
fn is_versioned(package: &str) -> bool {
    let Some((_, version)) = package.split_once('-') else { return false };
    let is_version_letter = |letter: char| letter.is_ascii_alphanumeric() || ".~^_:+-".contains(letter);
    package.ends_with(".rpm")
        || (version.chars().all(is_version_letter)
            && version.split('-').any(|part| part.starts_with(|letter: char| letter.is_ascii_digit())))
}

/// `apt-get update` whose lists stay.
fn apt_lists(lines: &[Line<'_>], findings: &mut Findings) {
    left_behind(lines, findings, &rules::DL3009, |run, script| {
        let updates = script
            .any(|command| ["apt-get", "apt", "aptitude"].iter().any(|name| command.has(name, &["update"])));
        let cleans = script.any(|command| command.has("rm", &["-rf", "/var/lib/apt/lists/*"]));
        updates && !cleans && !keeps_lists_out(run)
    });
}

/// Reports RUN that leaves something in the last stage, or in one that another is built on.
pub(super) fn left_behind(
    lines: &[Line<'_>],
    findings: &mut Findings,
    rule: &Rule,
    leaves: impl Fn(&Run, &Script) -> bool,
) {
    let mut left: Vec<(&Line<'_>, usize)> = vec![];
    let mut stages: Vec<(Option<String>, String)> = vec![];
    for line in lines {
        if let Kind::From(from) = &line.instruction.kind {
            let base = images::Image::parse(&from.image).name.to_owned();
            stages.push((images::name_as_written(line), base));
        }
        if line.run().is_some_and(|(run, script)| leaves(run, script)) {
            left.push((line, stages.len()));
        }
    }
    let bases: HashSet<&String> = stages.iter().map(|(_, base)| base).collect();
    for (line, stage) in left {
        let name = stage.checked_sub(1).and_then(|stage| stages[stage].0.as_ref());
        let is_base = name.is_some_and(|name| bases.contains(name));
        if line.in_onbuild || stage == stages.len() || is_base {
            findings.add(rule, line);
        }
    }
}

/// The lists are on mounts.
fn keeps_lists_out(run: &Run) -> bool {
    is_outside(run, "/var/lib/apt/lists")
        || (is_outside(run, "/var/lib/apt") && is_outside(run, "/var/cache/apt"))
}

/// Whether a path like this is on a cache mount or a tmpfs, and so not in the image.
pub(super) fn is_outside(run: &Run, path: &str) -> bool {
    run.mounts.iter().any(|mount| {
        let options: Vec<_> = mount.split(',').filter_map(|option| option.split_once('=')).collect();
        let outside = options.iter().any(|option| matches!(option, ("type", "cache" | "tmpfs")));
        let target = options.iter().find(|(name, _)| matches!(*name, "target" | "dst" | "destination"));
        outside && target.is_some_and(|(_, target)| target.contains(path))
    })
}
