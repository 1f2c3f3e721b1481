//! `book/diagrams/NAME.pikchr`, drawn as SVG that takes its colours from the page.
//!
//! The first line of a source is a comment that says in words what the picture shows: the text for who cannot see it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use pikchr::{Pikchr, PikchrFlags};

use crate::book;

/// What `generated/diagrams/NAME.svg` stands for.
pub fn draw(path: &Path) -> Result<String> {
    let name = path.file_stem().and_then(|name| name.to_str()).context("a diagram has a name")?;
    let source = book().join("diagrams").join(name).with_extension("pikchr");
    let text = fs::read_to_string(&source).with_context(|| format!("reading {}", source.display()))?;
    let described = text.lines().take_while(|line| line.starts_with('#'));
    let described: Vec<_> = described.map(|line| line.trim_start_matches('#').trim()).collect();
    ensure!(!described.is_empty(), "{} does not begin with a description", source.display());
    let drawn = Pikchr::render(&text, Some("diagram"), PikchrFlags::default())
        .map_err(|error| anyhow!("{}: {error}", source.display()))?;
    Ok(figure(&drawn, &described.join(" ")))
}

/// Inline, so that the page's style reaches it. Without blank lines, at which Markdown would take it for over.
fn figure(svg: &str, description: &str) -> String {
    let escaped = description.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let view = svg.split("viewBox=\"").nth(1).and_then(|view| view.split('"').next()).unwrap_or_default();
    // As large as it is drawn; without this it would be as wide as the page.
    let width = view.split(' ').nth(2).unwrap_or("100%");
    let svg =
        svg.replacen("<svg", &format!("<svg role=\"img\" aria-label=\"{escaped}\" width=\"{width}\""), 1);
    let svg = svg.replace("rgb(0,0,0)", "currentColor");
    let lines: Vec<_> = svg.lines().filter(|line| !line.trim().is_empty()).collect();
    format!("<figure class=\"diagram\">\n{}\n</figure>\n", lines.join("\n"))
}
