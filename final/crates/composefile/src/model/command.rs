//! Commands: a list, or one line that is split as a shell would, but for its expansions.

use std::ops::Deref;

use super::object::{Decode, Print, serialize, wrong_kind};
use crate::path::Path;
use crate::print::{Form, Tree};
use crate::{Node, Result, Value};

/// `None` leaves the image's command, an empty list takes it away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShellCommand(pub Option<Vec<String>>);

impl Deref for ShellCommand {
    type Target = Option<Vec<String>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Print for ShellCommand {
    fn tree(&self, form: Form) -> Tree {
        self.0.tree(form)
    }

    // Go's JSON prints `null`.
    fn is_empty(&self, form: Form) -> bool {
        form == Form::Yaml && self.0.is_none()
    }
}

serialize!(ShellCommand);

impl Decode for ShellCommand {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        match &node.value {
            Value::String(line) => match split(line) {
                Some((words, _)) => Ok(Self(Some(words))),
                None => Err(path
                    .error(node, "a quote or a parenthesis of the command is not closed")
                    .hint("write the command as a list")),
            },
            Value::Sequence(_) => Vec::decode(node, path).map(|words| Self(Some(words))),
            _ => Err(wrong_kind(node, path, "a string or a list")),
        }
    }
}

/// The words of a line, and what follows the first `;`, `&`, `|`, `<` or `>` outside quotes: Compose runs no shell and
/// drops that. `None` where a quote, a backquote or a parenthesis is open at the end.
pub(crate) fn split(line: &str) -> Option<(Vec<String>, &str)> {
    let mut words = Vec::new();
    let (mut word, mut in_word) = (String::new(), false);
    let (mut escaped, mut single, mut double, mut back, mut dollar) = (false, false, false, false, false);
    let mut rest = "";
    for (at, c) in line.char_indices() {
        if escaped {
            word.push(c);
            (escaped, in_word) = (false, true);
            continue;
        }
        match c {
            '\\' if single => word.push(c),
            '\\' => escaped = true,
            ' ' | '\t' | '\r' | '\n' if single || double || back || dollar => word.push(c),
            ' ' | '\t' | '\r' | '\n' => {
                if std::mem::take(&mut in_word) {
                    words.push(std::mem::take(&mut word));
                }
            }
            '"' if !single && !dollar => {
                in_word |= double;
                double = !double;
            }
            '\'' if !double && !dollar => {
                in_word |= single;
                single = !single;
            }
            '(' if !single && !double && !back => {
                if dollar || !word.ends_with('$') {
                    return None;
                }
                dollar = true;
                word.push(c);
            }
            ';' | '&' | '|' | '<' | '>' if !single && !double && !back && !dollar => {
                // `2>` redirects: its number is no word.
                if c == '>' && word.starts_with(|c: char| c.is_ascii_digit()) {
                    in_word = false;
                }
                rest = &line[at..];
                break;
            }
            _ => {
                back ^= c == '`' && !single && !double && !dollar;
                dollar ^= c == ')' && !single && !double && !back;
                in_word = true;
                word.push(c);
            }
        }
    }
    if in_word {
        words.push(word);
    }
    let open = escaped || single || double || back || dollar;
    (!open).then_some((words, rest))
}

/// A string is for a shell, a list is as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthCheckTest(pub Vec<String>);

impl Deref for HealthCheckTest {
    type Target = Vec<String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Print for HealthCheckTest {
    fn tree(&self, form: Form) -> Tree {
        self.0.tree(form)
    }

    fn is_empty(&self, _: Form) -> bool {
        self.0.is_empty()
    }
}

serialize!(HealthCheckTest);

impl Decode for HealthCheckTest {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        match &node.value {
            Value::String(line) => Ok(Self(vec!["CMD-SHELL".into(), line.clone()])),
            _ => Vec::decode(node, path).map(Self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_compose_splits_it() {
        let words = |line| split(line).map(|(words, rest)| format!("{} {rest}", words.join("|")));
        for (line, split) in [
            ("a b", Some("a|b ")),
            ("", Some(" ")),
            (r#"a "b c" 'd e' f\ g"#, Some("a|b c|d e|f g ")),
            (r#"a '' "" b"#, Some("a|||b ")),
            (r#"a\tb "\n""#, Some("atb|n ")),
            ("a && b", Some("a && b")),
            ("a 2>&1", Some("a >&1")),
            ("a > b", Some("a > b")),
            ("echo $(date -u) x", Some("echo|$(date -u)|x ")),
            ("echo `date -u` x", Some("echo|`date -u`|x ")),
            ("sh -c 'a; b'", Some("sh|-c|a; b ")),
            ("echo (x)", None),
            ("echo 'x", None),
            ("echo \\", None),
        ] {
            assert_eq!(words(line).as_deref(), split, "{line}");
        }
    }
}
