//! `# hadolint ignore=DL3006,DL3008` for the line below it, and `# hadolint global ignore=…` for the file.

use std::collections::BTreeMap;

use super::{Findings, rules};
use crate::dockerfile::{Dockerfile, Span};
use crate::lint::Warning;

#[derive(Debug, Default)]
pub(super) struct Pragmas {
    /// The line of the comment and the rules.
    lines: BTreeMap<u32, Vec<String>>,
    everywhere: Vec<String>,
}

impl Pragmas {
    pub(super) fn of(file: &Dockerfile) -> Self {
        let mut pragmas = Self::default();
        for (number, line) in (1..).zip(file.text.lines()) {
            let Some(comment) = line.trim_start().strip_prefix('#') else { continue };
            match parse(comment) {
                Some((true, rules)) => pragmas.everywhere.extend(rules),
                Some((false, rules)) => {
                    pragmas.lines.insert(number, rules);
                }
                None => {}
            }
        }
        pragmas
    }

    /// DL1001: a pragma is itself something to look at.
    pub(super) fn check(&self, findings: &mut Findings) {
        for line in self.lines.keys() {
            findings.add_at(&rules::DL1001, Span { first: *line, last: *line });
        }
    }

    pub(super) fn ignore(&self, warning: &Warning) -> bool {
        let above = warning.span.first.checked_sub(1).and_then(|line| self.lines.get(&line));
        self.everywhere.contains(&warning.rule) || above.is_some_and(|rules| rules.contains(&warning.rule))
    }
}

/// Whether it is for the whole file, and the rules. A comment may follow.
fn parse(comment: &str) -> Option<(bool, Vec<String>)> {
    let blank = [' ', '\t'];
    let rest = comment.trim_matches(blank).strip_prefix("hadolint")?.strip_prefix(blank)?;
    let rest = rest.trim_start_matches(blank);
    let (everywhere, rest) = match rest.strip_prefix("global").and_then(|rest| rest.strip_prefix(blank)) {
        Some(rest) => (true, rest.trim_start_matches(blank)),
        None => (false, rest),
    };
    let list = rest.strip_prefix("ignore")?.trim_start_matches(blank).strip_prefix('=')?;
    let list = list.split('#').next().unwrap_or_default();
    let rules: Vec<String> = list.split(',').map(|rule| rule.trim_matches(blank).to_owned()).collect();
    let is_rule = |rule: &String| {
        !rule.is_empty() && rule.bytes().all(|letter| b"DLSC".contains(&letter) || letter.is_ascii_digit())
    };
    rules.iter().all(is_rule).then_some((everywhere, rules))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn lists_of_rules_may_have_blanks_and_a_comment() {
        let rules = vec!["DL3006".to_owned(), "SC2046".to_owned()];
        assert_eq!(parse(" hadolint ignore=DL3006,SC2046"), Some((false, rules.clone())));
        assert_eq!(parse("hadolint  ignore = DL3006 , SC2046 # why"), Some((false, rules.clone())));
        assert_eq!(parse(" hadolint global ignore=DL3006,SC2046"), Some((true, rules)));
        assert_eq!(parse(" hadolint ignore=foo"), None);
        assert_eq!(parse(" hadolintignore=DL3006"), None);
    }
}
