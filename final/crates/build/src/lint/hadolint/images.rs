//! FROM: tags, names of stages, platforms, registries.

use std::collections::{HashMap, HashSet};

use super::{Configuration, Findings, Line, rules};
use crate::dockerfile::{From, Kind};

/// The parts of an image's name as they are written.
pub(super) struct Image<'a> {
    pub(super) registry: Option<&'a str>,
    /// Without registry, tag and digest.
    pub(super) name: &'a str,
    tag: Option<&'a str>,
    digest: bool,
}

impl<'a> Image<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let (text, digest) = match text.split_once('@') {
            Some((name, _)) => (name, true),
            None => (text, false),
        };
        let is_registry = |first: &&str| first.contains(['.', ':']) || *first == "localhost";
        let (registry, rest) = match text.split_once('/').filter(|(first, _)| is_registry(first)) {
            Some((registry, rest)) => (Some(registry), rest),
            None => (None, text),
        };
        // A colon in `${NAME:-word}` begins no tag.
        let mut depth = 0;
        let colon = rest.find(|letter: char| {
            depth += i32::from(letter == '{') - i32::from(letter == '}');
            letter == ':' && depth == 0
        });
        let (name, tag) = match colon {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        Self { registry, name, tag, digest }
    }
}

pub(super) fn check(lines: &[Line<'_>], configuration: &Configuration, findings: &mut Findings) {
    let mut names: HashSet<String> = HashSet::new();
    let mut begun = false;
    for line in lines {
        let from = match &line.instruction.kind {
            Kind::From(from) if !line.in_onbuild => from,
            Kind::Arg(_) => continue,
            _ => {
                if !begun && !line.in_onbuild {
                    findings.add(&rules::DL3061, line);
                }
                continue;
            }
        };
        begun = true;
        let image = Image::parse(&from.image);
        let is_stage = names.contains(image.name);
        let untagged = image.tag.is_none() && !image.digest;
        if untagged && image.name != "scratch" && !image.name.starts_with('$') && !is_stage {
            findings.add(&rules::DL3006, line);
        }
        if image.tag == Some("latest") && !image.digest {
            findings.add(&rules::DL3007, line);
        }
        let allowed = image.name == "scratch"
            || image.name.starts_with('$')
            || configuration.allows(image.registry.unwrap_or("docker.io"));
        if !is_stage && !allowed {
            findings.add(&rules::DL3026, line);
        }
        match from.platform.as_deref() {
            Some("$TARGETPLATFORM" | "${TARGETPLATFORM}") => findings.add(&rules::DL3065, line),
            Some(platform) if !platform.is_empty() && !platform.contains("BUILDPLATFORM") => {
                findings.add(&rules::DL3029, line)
            }
            _ => {}
        }
        if let Some(name) = name_as_written(line) {
            if matches!(name.as_str(), "scratch" | "context") {
                findings.add(&rules::DL3063, line);
            }
            if !names.insert(name) {
                findings.add(&rules::DL3024, line);
            }
        }
    }
}

/// The name after AS: hadolint compares it as it is written.
pub(super) fn name_as_written(line: &Line<'_>) -> Option<String> {
    let mut words = line.instruction.original.split_ascii_whitespace().rev();
    let (name, keyword) = (words.next()?, words.next()?);
    keyword.eq_ignore_ascii_case("as").then(|| name.to_owned())
}

/// What an instruction sets for its stage and for those that are built on it.
#[derive(Default)]
pub(super) struct Inherited {
    known: HashMap<String, bool>,
    current: Option<String>,
}

impl Inherited {
    pub(super) fn begin(&mut self, line: &Line<'_>, from: &From) {
        let base = Image::parse(&from.image).name;
        let set = self.known.get(base).copied().unwrap_or_default();
        let name = name_as_written(line).unwrap_or_else(|| base.to_owned());
        self.known.insert(name.clone(), set);
        self.current = Some(name);
    }

    pub(super) fn set(&mut self) {
        if let Some(set) = self.current.as_ref().and_then(|name| self.known.get_mut(name)) {
            *set = true;
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.current.as_ref().and_then(|name| self.known.get(name)).copied().unwrap_or_default()
    }
}
