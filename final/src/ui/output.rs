//! Results, on stdout. `println!` would panic where the reader has gone; this returns an error.

use std::io::Write;

use anyhow::Result;
use serde_json::Value;

use super::template::Template;

/// One line.
pub fn line(text: impl std::fmt::Display) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

/// Text as it is.
pub fn text(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// What `inspect` found: an indented array, or each through a template.
pub fn inspected(found: &[Value], format: Option<&str>) -> Result<()> {
    match format {
        None | Some("") => line(serde_json::to_string_pretty(found)?),
        Some("json") => line(serde_json::to_string(found)?),
        Some(format) => {
            let template = Template::parse(format)?;
            found.iter().try_for_each(|value| line(template.render(value)?))
        }
    }
}

/// One object, for people as `shown`, or in a format.
pub fn object(value: &Value, format: Option<&str>, shown: impl FnOnce() -> String) -> Result<()> {
    match format {
        None | Some("") => text(&shown()),
        Some("json") => line(value),
        Some(format) => line(Template::parse(format)?.render(value)?),
    }
}

/// Asks before something cannot be undone. Without a terminal there is nobody to ask, and the answer is no.
pub fn confirm(question: &str) -> Result<bool> {
    text(&format!("{question}\nAre you sure you want to continue? [y/N] "))?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
