//! Arguments: those before the first FROM, those of the command line, and those that docker predefines.

use std::collections::BTreeMap;

use hull_image::platform::Platform;

use crate::dockerfile::{Dockerfile, Kind};
use crate::variables;
use crate::{Error, Result};

/// docker's predefined arguments that RUN sees without an ARG, and that are in no history and no cache key.
pub const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The arguments that have an effect without an ARG. Of BuildKit's others, such as `BUILDKIT_SYNTAX`, the caller is told
/// that nothing has used them.
const SPECIAL: [&str; 3] = ["SOURCE_DATE_EPOCH", "BUILDKIT_INLINE_CACHE", "BUILDKIT_DOCKERFILE_CHECK"];

/// What the lines FROM can use, and what an ARG without a default takes its value from.
#[derive(Debug, Clone, Default)]
pub struct Globals {
    /// `--build-arg`
    given: BTreeMap<String, String>,
    /// Of ARG before the first FROM.
    declared: BTreeMap<String, String>,
    platform: BTreeMap<String, String>,
}

impl Globals {
    /// # Errors
    ///
    /// If the default of an argument cannot be expanded.
    pub fn new(
        file: &Dockerfile,
        given: &BTreeMap<String, Option<String>>,
        target: &Platform,
        stage_name: &str,
    ) -> Result<Self> {
        let last = file.instructions.iter().rev().find_map(|one| match &one.kind {
            Kind::From(from) => Some(from.name.clone().unwrap_or_default()),
            _ => None,
        });
        let stage_name = if stage_name.is_empty() { last.unwrap_or_default() } else { stage_name.into() };
        let given = given.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect();
        let mut globals =
            Self { given, declared: BTreeMap::new(), platform: platform_arguments(target, &stage_name) };
        let before_from = file.instructions.iter().take_while(|one| !matches!(one.kind, Kind::From(_)));
        for instruction in before_from {
            let Kind::Arg(arguments) = &instruction.kind else { continue };
            for argument in arguments {
                let default = argument.default.as_ref().map(|text| globals.expand(file, text)).transpose();
                let default = default.map_err(|error| error.at(&file.name, instruction.span))?;
                let value = globals.given.get(&argument.name).cloned().or(default);
                let value = value.or_else(|| globals.platform.get(&argument.name).cloned());
                value.map(|value| globals.declared.insert(argument.name.clone(), value));
            }
        }
        Ok(globals)
    }

    /// Expands a word of a line FROM.
    pub fn expand(&self, file: &Dockerfile, text: &str) -> Result<String> {
        variables::word(text, file.escape, &|name| {
            self.declared.get(name).or_else(|| self.platform_argument(name)).cloned()
        })
    }

    /// The value that an `ARG NAME` of a stage has without a default of its own.
    pub fn inherited(&self, name: &str) -> Option<&String> {
        self.given(name).or_else(|| self.declared.get(name)).or_else(|| self.platform.get(name))
    }

    pub fn given(&self, name: &str) -> Option<&String> {
        self.given.get(name)
    }

    fn platform_argument(&self, name: &str) -> Option<&String> {
        self.platform.get(name).map(|value| self.given.get(name).unwrap_or(value))
    }

    /// The values of `--build-arg` for docker's predefined proxies.
    pub fn proxies(&self) -> impl Iterator<Item = (&String, &String)> {
        self.given.iter().filter(|(name, _)| PROXIES.contains(&name.as_str()))
    }

    /// The arguments of the command line that no ARG declares.
    pub fn unused<'a>(&'a self, file: &'a Dockerfile) -> impl Iterator<Item = &'a String> {
        let declares = |name: &str| {
            file.instructions.iter().any(|one| match &one.kind {
                Kind::Arg(arguments) => arguments.iter().any(|argument| argument.name == name),
                _ => false,
            })
        };
        let is_special = |name: &str| SPECIAL.contains(&name) || PROXIES.contains(&name);
        let known =
            move |name: &String| is_special(name) || self.platform.contains_key(name) || declares(name);
        self.given.keys().filter(move |name| !known(name))
    }
}

/// Proxies by their names in capitals and in small letters, because programs look for one or the other. What is given in
/// both stays so.
pub fn in_both_cases<'a>(
    proxies: impl Iterator<Item = (&'a String, &'a String)>,
) -> BTreeMap<String, String> {
    let given: BTreeMap<String, String> =
        proxies.map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut both = given.clone();
    for (name, value) in given {
        for other in [name.to_ascii_uppercase(), name.to_ascii_lowercase()] {
            both.entry(other).or_insert_with(|| value.clone());
        }
    }
    both
}

/// `TARGETPLATFORM` and the others: <https://docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope>.
/// A stage without a name is called `default`.
pub(crate) fn platform_arguments(target: &Platform, stage_name: &str) -> BTreeMap<String, String> {
    let mut arguments = BTreeMap::new();
    for (prefix, platform) in [("TARGET", target), ("BUILD", &Platform::host())] {
        let mut add = |name: &str, value: String| arguments.insert(format!("{prefix}{name}"), value);
        add("PLATFORM", platform.to_string());
        add("OS", platform.os.clone());
        add("OSVERSION", String::new());
        add("ARCH", platform.architecture.clone());
        add("VARIANT", platform.variant.clone().unwrap_or_default());
    }
    let stage = if stage_name.is_empty() { "default" } else { stage_name };
    arguments.insert("TARGETSTAGE".into(), stage.into());
    arguments
}

/// Refuses a text that cannot be the name of an argument or a variable.
pub fn check_name(name: &str) -> Result<()> {
    match name.is_empty() || name.contains('=') {
        true => Err(Error::Invalid { what: format!("argument {name:?}"), why: "it has no name".into() }),
        false => Ok(()),
    }
}
