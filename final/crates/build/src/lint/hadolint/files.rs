//! COPY and ADD.

use std::collections::{HashMap, HashSet};

use super::images::{self, Inherited};
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
    let mut names: HashSet<String> = HashSet::new();
    let (mut count, mut own) = (0, None);
    for line in lines {
        match &line.instruction.kind {
            Kind::From(_) => {
                own = images::name_as_written(line);
                names.extend(own.clone());
                count += 1;
            }
            Kind::Copy(Transfer { from: Some(from), .. }) => {
                let numbered = from.parse::<usize>().is_ok_and(|number| number < count);
                if !names.contains(from) && !numbered && !from.contains(':') {
                    findings.add(&rules::DL3022, line);
                }
                if own.as_ref() == Some(from) {
                    findings.add(&rules::DL3023, line);
                }
            }
            _ => {}
        }
    }
}

/// A relative destination in a stage in which no WORKDIR was set.
fn destinations(lines: &[&Line<'_>], findings: &mut Findings) {
    let mut stages = Inherited::default();
    for line in lines {
        match &line.instruction.kind {
            Kind::From(from) => stages.begin(line, from),
            Kind::Workdir(_) => stages.set(),
            Kind::Copy(transfer) => {
                let to = unquoted(&transfer.destination);
                let drive = to.get(1..).is_some_and(|rest| rest.starts_with(":\\") || rest.starts_with(":/"));
                if !stages.is_set() && !to.starts_with(['/', '$']) && !drive {
                    findings.add(&rules::DL3045, line);
                }
            }
            _ => {}
        }
    }
}

/// An archive that COPY brings and a RUN of the same stage extracts.
fn extracted(lines: &[&Line<'_>], findings: &mut Findings) {
    let mut archives: HashMap<&str, Vec<&Line<'_>>> = HashMap::new();
    for line in lines {
        match &line.instruction.kind {
            Kind::From(_) => archives.clear(),
            Kind::Copy(transfer) if transfer.from.is_none() => {
                let target = unquoted(&transfer.destination);
                let names: Vec<_> = match is_archive(target) {
                    true => vec![target],
                    false => transfer.sources.iter().map(|source| unquoted(source)).collect(),
                };
                for name in names.into_iter().filter(|name| is_archive(name)) {
                    archives.entry(base_name(name)).or_default().push(line);
                }
            }
            _ => {}
        }
        let Some((_, script)) = line.run() else { continue };
        for command in script.commands.iter().filter(|command| is_extractor(command)) {
            // Each is reported once.
            let found = command.plain(&[]).into_iter().filter_map(|path| archives.remove(base_name(path)));
            found.flatten().for_each(|copy| findings.add(&rules::DL3010, copy));
        }
    }
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
