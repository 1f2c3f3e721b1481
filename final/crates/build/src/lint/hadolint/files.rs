//! COPY and ADD.

use super::images::{self, Image};
use super::shell::Command;
use super::{Findings, Line, rules};
use crate::dockerfile::{Kind, Transfer};

/// The ends of names of archives that ADD extracts.
const ARCHIVES: [&str; 15] = [
    ".tar", ".Z", ".bz2", ".gz", ".lz", ".lzma", ".tZ", ".tb2", ".tbz", ".tbz2", ".tgz", ".tlz", ".tpz",
    ".txz", ".xz",
];

pub(super) fn check(lines: &[Line<'_>], findings: &mut Findings) {
    let lines: Vec<_> = lines.iter().filter(|line| !line.in_onbuild).collect();
    for line in &lines {
        match &line.instruction.kind {
            Kind::Add(transfer)
                if transfer.sources.iter().any(|source| !belongs_to_add(unquoted(source))) =>
            {
                findings.add(&rules::DL3020, line);
            }
            Kind::Copy(transfer) => {
                let sources = transfer.sources.len() + transfer.heredocs.len();
                if sources > 1 && !unquoted(&transfer.destination).ends_with('/') {
                    findings.add(&rules::DL3021, line);
                }
                let all = transfer.sources.iter().any(|source| unquoted(source) == "/");
                if transfer.from.is_some() && all && unquoted(&transfer.destination) == "/" {
                    findings.add(&rules::DL3067, line);
                }
            }
            _ => {}
        }
    }
    stages(&lines, findings);
    destinations(&lines, findings);
    extracted(&lines, findings);
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\''])
}

fn is_archive(name: &str) -> bool {
    ARCHIVES.iter().any(|end| name.ends_with(end))
}

fn belongs_to_add(source: &str) -> bool {
    is_archive(source) || ["https://", "http://"].iter().any(|scheme| source.starts_with(scheme))
}

/// `--from` names a stage before it, by name, by number or an image with a tag.
fn stages(lines: &[&Line<'_>], findings: &mut Findings) {
    let mut names: Vec<Option<String>> = vec![];
    for line in lines {
        match &line.instruction.kind {
            Kind::From(_) => names.push(images::name_as_written(line)),
            Kind::Copy(Transfer { from: Some(from), .. }) => {
                let own = names.last().and_then(Option::as_deref);
                let named = names.iter().flatten().any(|name| name == from);
                let numbered = from.parse::<usize>().is_ok_and(|number| number < names.len());
                if !named && !numbered && !from.contains(':') {
                    findings.add(&rules::DL3022, line);
                }
                if own == Some(from) {
                    findings.add(&rules::DL3023, line);
                }
            }
            _ => {}
        }
    }
}

/// A relative destination in a stage in which no WORKDIR was set.
fn destinations(lines: &[&Line<'_>], findings: &mut Findings) {
    let mut known: Vec<(String, bool)> = vec![];
    for line in lines {
        match &line.instruction.kind {
            Kind::From(from) => {
                let base = Image::parse(&from.image).name;
                let set = known.iter().rfind(|(name, _)| name == base).is_some_and(|(_, set)| *set);
                let name = images::name_as_written(line).unwrap_or_else(|| base.to_owned());
                known.push((name, set));
            }
            Kind::Workdir(_) => known.last_mut().into_iter().for_each(|stage| stage.1 = true),
            Kind::Copy(transfer) => {
                let to = unquoted(&transfer.destination);
                let drive = to.get(1..).is_some_and(|rest| rest.starts_with(":\\") || rest.starts_with(":/"));
                let set = known.last().is_some_and(|(_, set)| *set);
                if !set && !to.starts_with(['/', '$']) && !drive {
                    findings.add(&rules::DL3045, line);
                }
            }
            _ => {}
        }
    }
}

/// An archive that COPY brings and a RUN of the same stage extracts.
fn extracted(lines: &[&Line<'_>], findings: &mut Findings) {
    let mut archives: Vec<(&Line<'_>, String)> = vec![];
    let mut found: Vec<(&Line<'_>, String)> = vec![];
    for line in lines {
        match &line.instruction.kind {
            Kind::From(_) => archives.clear(),
            Kind::Copy(transfer) if transfer.from.is_none() => {
                let target = unquoted(&transfer.destination);
                let names: Vec<_> = match is_archive(target) {
                    true => vec![target],
                    false => transfer.sources.iter().map(|source| unquoted(source)).collect(),
                };
                let named = names.into_iter().filter(|name| is_archive(name));
                archives.extend(named.map(|name| (*line, base_name(name).to_owned())));
            }
            _ => {}
        }
        let Some((_, script)) = line.run() else { continue };
        for (copy, archive) in &archives {
            let extracts = |command: &Command| {
                is_extractor(command)
                    && command.plain(&[]).iter().any(|argument| base_name(argument) == archive)
            };
            let is_new = !found.iter().any(|(at, name)| at.span == copy.span && name == archive);
            if is_new && script.any(extracts) {
                found.push((copy, archive.clone()));
            }
        }
    }
    found.iter().for_each(|(line, _)| findings.add(&rules::DL3010, line));
}

fn base_name(path: &str) -> &str {
    let path = unquoted(path);
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn is_extractor(command: &Command) -> bool {
    const PROGRAMS: [&str; 9] =
        ["unzip", "gunzip", "bunzip2", "unlzma", "unxz", "zgz", "uncompress", "zcat", "gzcat"];
    let extracts = |argument: &String| {
        matches!(argument.as_str(), "--extract" | "--get")
            || (argument.starts_with('-') && argument.contains('x'))
    };
    PROGRAMS.contains(&command.name.as_str())
        || (command.name == "tar" && command.arguments.iter().any(extracts))
}
