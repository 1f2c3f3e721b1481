//! The pictures of the book: `book/diagrams/NAME.picture`, drawn as SVG in the colours of the page.
//!
//! ```text
//! source     the text of a picture, read into a tree of items
//! layout     where each item goes; a wide page and a narrow page get a layout of their own
//!   lifelines  the messages between two processes
//! text       how wide a text is
//! svg        the SVG elements of a layout
//! start      the time line of a start, which is measured
//! ```
//!
//! The first lines of a source are comments that say in words what the picture shows, for readers who cannot see it.

mod layout;
mod lifelines;
mod source;
mod start;
pub(crate) mod svg;
mod text;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::book;
use layout::Drawing;
use source::{LAST_STEP, Picture, Shape, View};

/// The widest drawing for a narrow page: what a page of 390 pixels leaves between its margins.
const NARROW: f64 = 340.0;

/// The widest drawing for a wide page. A page switches at 640 pixels (`book/theme/book.css`), where a drawing of this
/// width is scaled down, and its text is still 11 pixels high.
const WIDE: f64 = 740.0;

/// The picture of the README, below `generated/`. No chapter shows it.
pub const README: &str = "diagrams/readme.svg";

/// The text of `generated/diagrams/NAME.svg`: a figure with a drawing for wide pages and one for narrow pages.
pub fn draw(path: &Path) -> Result<String> {
    let name = path.file_stem().and_then(|name| name.to_str()).context("a picture has a name")?;
    if Path::new(README).file_stem() == path.file_stem() {
        return readme();
    }
    let (wide, words) = drawing(name, Shape::Wide)?;
    let (narrow, _) = drawing(name, Shape::Narrow)?;
    ensure!(wide.width <= WIDE, "{name} is {:.0} wide on a wide page, more than {WIDE}", wide.width);
    ensure!(
        narrow.width <= NARROW,
        "{name} is {:.0} wide on a narrow page, more than {NARROW}",
        narrow.width
    );
    // One drawing is enough for both where they do not differ.
    let drawings = match svg::inline(&wide, &words, "") == svg::inline(&narrow, &words, "") {
        true => svg::inline(&wide, &words, ""),
        false => svg::inline(&wide, &words, "wide") + &svg::inline(&narrow, &words, "narrow"),
    };
    // Markdown would end the element at a blank line.
    Ok(format!("<figure class=\"diagram\">\n{drawings}</figure>\n"))
}

/// The picture of the README: the whole container, with its colours inside, because no style sheet reaches it there.
fn readme() -> Result<String> {
    let (wide, words) = drawing("whole", Shape::Wide)?;
    let style = book().join("theme/pictures.css");
    let style = fs::read_to_string(&style).with_context(|| format!("reading {}", style.display()))?;
    Ok(svg::alone(&wide, &words, &style))
}

/// The drawing of that name and what it shows in words.
fn drawing(name: &str, shape: Shape) -> Result<(Drawing, String)> {
    if name == "start" {
        return start::drawing(shape);
    }
    // One source holds the picture that grows.
    let (file, step) = match name {
        "before" => ("steps", 0),
        "whole" => ("steps", LAST_STEP + 1),
        _ => match name.strip_prefix("step-").and_then(|step| step.parse().ok()) {
            Some(step) => ("steps", step),
            None => (name, 0),
        },
    };
    let path = book().join("diagrams").join(file).with_extension("picture");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let picture =
        Picture::read(&text, View { step, shape }).with_context(|| format!("in {}", path.display()))?;
    Ok((layout::lay_out(&picture.root, shape), picture.words))
}
