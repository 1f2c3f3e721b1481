//! Which of BuildKit's checks run: `# check=skip=StageNameCasing,JSONArgsRecommended;error=true;experimental=all`.

use std::collections::{BTreeMap, BTreeSet};

use super::{CHECK_ARGUMENT, Rule};
use crate::dockerfile::Dockerfile;
use crate::{Error, Result};

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    pub skip: BTreeSet<String>,
    pub skip_all: bool,
    /// Experimental rules run only if they are named here.
    pub experimental: BTreeSet<String>,
    pub experimental_all: bool,
    /// A warning makes the build fail.
    pub error: bool,
}

impl Settings {
    /// The build argument if it is given, else the directive, else the defaults.
    pub fn of(file: &Dockerfile, args: &BTreeMap<String, Option<String>>) -> Result<Self> {
        if let Some(Some(text)) = args.get(CHECK_ARGUMENT) {
            return Self::parse(text);
        }
        let directive = file.directives.iter().find(|(name, ..)| name.eq_ignore_ascii_case("check"));
        directive.map_or_else(|| Ok(Self::default()), |(_, value, _)| Self::parse(first_word(value)))
    }

    /// The settings of one instruction: a comment `# check=…` directly above it.
    pub(super) fn with_comments(&self, comments: &[String]) -> Self {
        let mut all = self.clone();
        let own = comments.iter().find_map(|comment| {
            let (name, value) = comment.split_once('=')?;
            name.trim().eq_ignore_ascii_case("check").then(|| first_word(value.trim_start()))
        });
        if let Some(own) = own.and_then(|own| Self::parse(own).ok()) {
            all.skip.extend(own.skip);
            all.skip_all |= own.skip_all;
            all.experimental.extend(own.experimental);
            all.experimental_all |= own.experimental_all;
        }
        all
    }

    pub fn parse(text: &str) -> Result<Self> {
        let mut settings = Self::default();
        let text = text.trim();
        if text.is_empty() {
            return Ok(settings);
        }
        for option in text.splitn(3, ';') {
            let invalid =
                || Error::Syntax(format!("failed to parse check options: invalid check option {option:?}"));
            let (name, value) = option.split_once('=').ok_or_else(invalid)?;
            let names = || value.split(',').map(|name| name.trim().to_owned()).collect();
            match name.trim() {
                "skip" if value.trim() == "all" => settings.skip_all = true,
                "skip" => settings.skip = names(),
                "experimental" if value.trim() == "all" => settings.experimental_all = true,
                "experimental" => settings.experimental = names(),
                "error" => settings.error = hull_docker::bools::parse(value.trim()).map_err(|_| invalid())?,
                other => {
                    let why = format!("failed to parse check options: invalid check option {other:?}");
                    return Err(Error::Syntax(why));
                }
            }
        }
        Ok(settings)
    }

    pub(super) fn runs(&self, rule: &Rule) -> bool {
        if rule.experimental {
            return self.experimental_all || self.experimental.contains(rule.id);
        }
        !self.skip_all && !self.skip.contains(rule.id)
    }
}

/// BuildKit ends the value of a directive at the first blank.
fn first_word(value: &str) -> &str {
    value.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn the_three_options_are_taken_in_any_order() {
        let settings = Settings::parse("error=true;skip=A, B;experimental=all").unwrap();
        assert!(settings.error && settings.experimental_all && !settings.skip_all);
        assert_eq!(settings.skip.iter().collect::<Vec<_>>(), ["A", "B"]);
        assert!(Settings::parse("skip=all").unwrap().skip_all);
        assert_eq!(Settings::parse(" ").unwrap(), Settings::default());
    }

    #[test]
    fn other_options_are_errors() {
        for text in ["foo", "foo=bar", "error=maybe", "skip=A;;error=true"] {
            assert!(Settings::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_comment_above_an_instruction_adds_to_the_settings() {
        let settings = Settings::parse("skip=A").unwrap();
        let own = settings.with_comments(&["check=skip=B".into()]);
        assert!(own.skip.contains("A") && own.skip.contains("B"));
        assert_eq!(settings.with_comments(&["nothing".into()]), settings);
    }
}
