//! The terminal session of the README, as a picture: `generated/session/light.svg` and `dark.svg`.
//!
//! `book/session.md` holds the session. The tests type it again, as they do with the chapters.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::book;
use crate::diagrams::svg::escape;
use crate::pages::Page;
use crate::transcripts::{Typed, parse};

/// The two pictures, below `generated/`.
pub const PICTURES: [&str; 2] = ["session/light.svg", "session/dark.svg"];

/// What stands for `<id>`: a picture cannot have a hole. Every id looks like this one.
const ID: &str = "3f2a9c1b7d04e85f60c2a41d9b37f8e05c16d2b94a7e3f08615bc9d72e4a0f83";

/// Pixels.
const SIZE: f64 = 13.0;
const COLUMN: f64 = 7.8;
const LINE: f64 = 18.0;
const MARGIN: f64 = 16.0;

/// Colours of the paper, its border, the text, and the prompts.
struct Theme {
    paper: &'static str,
    border: &'static str,
    text: &'static str,
    prompt: &'static str,
}

const LIGHT: Theme = Theme { paper: "#f6f8fa", border: "#d1d9e0", text: "#1f2328", prompt: "#0a5fc2" };
const DARK: Theme = Theme { paper: "#151b23", border: "#3d444d", text: "#f0f6fc", prompt: "#74b6f3" };

/// The file with the session, as a page whose transcript can be typed.
pub fn page() -> Result<Page> {
    let path = book().join("session.md");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(Page { path: PathBuf::from("session.md"), text })
}

/// The content of a file below `generated/session/`.
pub fn draw(path: &Path) -> Result<String> {
    let theme = match path.file_stem().and_then(|name| name.to_str()) {
        Some("light") => LIGHT,
        Some("dark") => DARK,
        _ => bail!("a session has no theme {}", path.display()),
    };
    let session = parse(&page()?.text)?;
    svg(&session.iter().flat_map(lines).collect::<Vec<_>>(), &theme)
}

/// A line of the terminal: the prompt, if there is one, and the text after it.
type Line = (Option<String>, String);

fn lines(typed: &Typed) -> Vec<Line> {
    let command = typed.command.lines().enumerate().map(|(n, line)| {
        let prompt = if n == 0 { typed.prompt.sign() } else { '>' };
        (Some(format!("{prompt} ")), line.to_owned())
    });
    command.chain(typed.expected.iter().map(|line| (None, line.replace("<id>", ID)))).collect()
}

fn svg(lines: &[Line], theme: &Theme) -> Result<String> {
    let columns = lines
        .iter()
        .map(|(prompt, text)| prompt.as_ref().map_or(0, |prompt| prompt.len()) + text.chars().count());
    let width = columns.max().unwrap_or_default() as f64 * COLUMN + 2.0 * MARGIN;
    let height = lines.len() as f64 * LINE + 2.0 * MARGIN;
    let spoken: Vec<_> =
        lines.iter().map(|(prompt, text)| prompt.clone().unwrap_or_default() + text).collect();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\">\n\
         <title>{}</title>\n\
         <rect x=\"0.5\" y=\"0.5\" width=\"{:.0}\" height=\"{:.0}\" rx=\"8\" fill=\"{}\" stroke=\"{}\"/>\n\
         <g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" \
         font-size=\"{SIZE}\" fill=\"{}\">\n",
        escape(&spoken.join("\n")),
        width - 1.0,
        height - 1.0,
        theme.paper,
        theme.border,
        theme.text,
    );
    for (n, (prompt, text)) in lines.iter().enumerate() {
        let y = MARGIN + (n as f64 + 0.75) * LINE;
        let mut x = MARGIN;
        if let Some(prompt) = prompt {
            piece(&mut svg, (x, y), prompt, &format!(" fill=\"{}\"", theme.prompt))?;
            x += prompt.len() as f64 * COLUMN;
        }
        piece(&mut svg, (x, y), text, if prompt.is_some() { " font-weight=\"bold\"" } else { "" })?;
    }
    svg.push_str("</g>\n</svg>\n");
    Ok(svg)
}

/// Text at that place, as wide as its columns whatever font the reader has.
fn piece(svg: &mut String, (x, y): (f64, f64), text: &str, style: &str) -> Result<()> {
    // A length of nothing would be an error, and spaces at the end are not seen.
    let text = text.trim_end();
    let spaces = text.chars().take_while(|c| *c == ' ').count();
    let (text, x) = (text.trim_start(), x + spaces as f64 * COLUMN);
    if text.is_empty() {
        return Ok(());
    }
    let length = text.chars().count() as f64 * COLUMN;
    // A renderer may join several spaces into one.
    let text = escape(text).replace(' ', "\u{a0}");
    writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\"{style}>{text}</text>"
    )?;
    Ok(())
}

#[test]
fn a_session_is_drawn_line_by_line() {
    let session = parse("```console\n# echo '<b>' \\\n>     two\n<id>\n```\n").unwrap();
    let all: Vec<_> = session.iter().flat_map(lines).collect();
    assert_eq!(all[1], (Some("> ".into()), "    two".into()));
    assert_eq!(all[2], (None, ID.into()));
    let svg = svg(&all, &LIGHT).unwrap();
    assert!(svg.contains("font-weight=\"bold\">echo\u{a0}'&lt;b&gt;'\u{a0}\\</text>"), "{svg}");
    assert_eq!(svg.matches("<text ").count(), 5, "{svg}");
}
