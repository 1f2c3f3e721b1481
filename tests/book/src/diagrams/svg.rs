//! The SVG elements of a drawing. The colours are variables, which the style sheet of the page sets; a picture that stands
//! alone has a style of its own.

use std::fmt::Write;

use super::layout::{Anchor, Area, Drawing, Mark};
use super::text::{SIZE, spans};

/// Of an arrow's head.
const HEAD: (f64, f64) = (9.0, 4.5);

/// For a page of the book, with the words for readers who cannot see it, and the class of the pages that show it.
pub fn inline(drawing: &Drawing, words: &str, class: &str) -> String {
    let class = format!("picture {class}");
    let class = class.trim_end();
    let Drawing { width, height, .. } = drawing;
    format!(
        "<svg class=\"{class}\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" font-size=\"{SIZE}\">\n{}</svg>\n",
        escape(words),
        elements(drawing)
    )
}

/// For a page of which the style sheet does not know the pictures.
pub fn alone(drawing: &Drawing, words: &str, style: &str) -> String {
    let style = style.to_owned() + include_str!("alone.css");
    let Drawing { width, height, .. } = drawing;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture\" role=\"img\" aria-label=\"{}\" viewBox=\"-10 -10 {:.0} {:.0}\" font-size=\"{SIZE}\">\n<style>\n{style}</style>\n<rect class=\"paper\" x=\"-10\" y=\"-10\" width=\"{:.0}\" height=\"{:.0}\" rx=\"8\"/>\n{}</svg>\n",
        escape(words),
        width + 20.0,
        height + 20.0,
        width + 20.0,
        height + 20.0,
        elements(drawing)
    )
}

fn elements(drawing: &Drawing) -> String {
    drawing.marks.iter().fold(String::new(), |mut svg, mark| {
        let _ = writeln!(svg, "{}", element(mark));
        svg
    })
}

fn element(mark: &Mark) -> String {
    match mark {
        Mark::Rect { area: Area { x, y, width, height }, class } => {
            // Round corners are the container's, also on paper without colours.
            let is_container = class.contains("container") && !class.contains("bar");
            let round = if is_container { 10 } else { 2 };
            format!(
                "<rect{} x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round}\"/>",
                attribute(class)
            )
        }
        Mark::Line { points, class } => {
            let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            format!("<polyline{} points=\"{}\"/>", attribute(class), points.join(" "))
        }
        Mark::Head { tip: (x, y), towards: (to_x, to_y) } => {
            let (back_x, back_y) = (x - HEAD.0 * to_x, y - HEAD.0 * to_y);
            let (side_x, side_y) = (HEAD.1 * to_y, HEAD.1 * to_x);
            format!(
                "<polygon points=\"{x:.1},{y:.1} {:.1},{:.1} {:.1},{:.1}\"/>",
                back_x + side_x,
                back_y + side_y,
                back_x - side_x,
                back_y - side_y
            )
        }
        Mark::Text { x, y, anchor, line } => {
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            let spans: String = spans(line).iter().map(span).collect();
            format!("<text x=\"{x:.1}\" y=\"{:.1}\"{anchor}>{spans}</text>", y + 15.0)
        }
    }
}

fn span(span: &super::text::Span) -> String {
    let text = escape(&span.text);
    // Columns of code keep their spaces.
    let text = if span.is_code { text.replace(' ', "\u{a0}") } else { text };
    match (span.is_code, span.is_bold) {
        (false, false) => text,
        (true, false) => format!("<tspan class=\"code\">{text}</tspan>"),
        (false, true) => format!("<tspan class=\"bold\">{text}</tspan>"),
        (true, true) => format!("<tspan class=\"code bold\">{text}</tspan>"),
    }
}

fn attribute(class: &str) -> String {
    if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") }
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
