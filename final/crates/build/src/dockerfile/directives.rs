//! `# syntax=…`, `# escape=…` and `# check=…` in the first lines of a file.

/// Reads directives, until the first line that is none.
pub(super) struct Directives {
    pub escape: char,
    pub found: Vec<(String, String, u32)>,
    is_over: bool,
    /// BuildKit looks for `syntax` and `check` behind a first line with `#!`, but no longer for `escape`.
    has_interpreter: bool,
}

impl Directives {
    pub fn new(text: &[u8]) -> Self {
        Self { escape: '\\', found: vec![], is_over: false, has_interpreter: text.starts_with(b"#!") }
    }

    /// Reads a line without blanks before it and without its end. Whether it is a directive.
    pub fn read(&mut self, line: &[u8], number: u32) -> Result<bool, String> {
        if self.is_over || number == 1 && self.has_interpreter {
            return Ok(false);
        }
        let Some((name, value)) = std::str::from_utf8(line).ok().and_then(directive) else {
            self.is_over = true;
            return Ok(false);
        };
        let name = name.to_ascii_lowercase();
        if !["syntax", "escape", "check"].contains(&&*name) {
            self.is_over = true;
            return Ok(false);
        }
        if self.found.iter().any(|(known, ..)| *known == name) {
            // Behind an interpreter's line, the first one counts.
            if self.has_interpreter {
                return Ok(true);
            }
            return Err(format!("only one {name} parser directive can be used"));
        }
        if name == "escape" {
            if self.has_interpreter {
                return Ok(false);
            }
            self.escape = match value {
                "\\" => '\\',
                "`" => '`',
                _ => return Err(format!("invalid escape token '{value}' does not match ` or \\")),
            };
        }
        self.found.push((name, value.into(), number));
        Ok(true)
    }
}

/// `# name = value`
fn directive(line: &str) -> Option<(&str, &str)> {
    // A regular expression of Go finds them, whose blanks are these.
    let is_blank = |char: char| matches!(char, ' ' | '\t' | '\n' | '\u{c}' | '\r');
    let (name, value) = line.strip_prefix('#')?.split_once('=')?;
    let name = name.trim_matches(is_blank);
    let is_name = name.starts_with(|char: char| char.is_ascii_alphabetic())
        && name.chars().all(|char| char.is_ascii_alphanumeric());
    let trimmed = value.trim_matches(is_blank);
    // It takes a blank for the value if there is nothing else.
    let value = if trimmed.is_empty() { value.get(value.len().checked_sub(1)?..)? } else { trimmed };
    is_name.then_some((name, value))
}
