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
            return Err(format!("only one {name} parser directive can be used"));
        }
        if name == "escape" && !self.has_interpreter {
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
    let (name, value) = line.strip_prefix('#')?.trim_start().split_once('=')?;
    let name = name.trim_end();
    let is_name = name.starts_with(|char: char| char.is_ascii_alphabetic())
        && name.chars().all(|char| char.is_ascii_alphanumeric());
    let value = value.trim();
    (is_name && !value.is_empty()).then_some((name, value))
}
