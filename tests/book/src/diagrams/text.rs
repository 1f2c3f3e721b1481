//! How wide a text is. The reader's fonts are not known here, so the widths are those of a wide font.

/// Of a letter, and of a letter of code, in pixels.
pub const SIZE: f64 = 14.0;
pub const CODE_SIZE: f64 = 13.0;

/// From one line to the next.
pub const LINE: f64 = 20.0;

/// A run of letters in one font.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub text: String,
    pub is_code: bool,
    pub is_bold: bool,
}

/// What is between asterisks is bold, what is between backticks is code.
pub fn spans(line: &str) -> Vec<Span> {
    let mut spans = vec![Span { text: String::new(), is_code: false, is_bold: false }];
    for letter in line.chars() {
        let Some(last) = spans.last_mut() else { break };
        let (is_code, is_bold) = (last.is_code ^ (letter == '`'), last.is_bold ^ (letter == '*'));
        match letter {
            '`' | '*' => spans.push(Span { text: String::new(), is_code, is_bold }),
            _ => last.text.push(letter),
        }
    }
    spans.retain(|span| !span.text.is_empty());
    spans
}

/// Of a line, in pixels.
pub fn width(line: &str) -> f64 {
    spans(line).iter().map(span_width).sum()
}

fn span_width(span: &Span) -> f64 {
    match span.is_code {
        true => span.text.chars().count() as f64 * CODE_SIZE * 0.605,
        false => {
            let width: f64 = span.text.chars().map(letter_width).sum();
            width * SIZE * if span.is_bold { 1.13 } else { 1.0 }
        }
    }
}

/// Of one letter, as a share of the font's size.
fn letter_width(letter: char) -> f64 {
    match letter {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.29,
        'f' | 't' | 'r' | ' ' | '(' | ')' | '-' | '/' => 0.40,
        'm' | 'w' | 'M' | 'W' | '→' | '←' | '…' | '≤' => 0.94,
        'A'..='Z' => 0.68,
        _ => 0.59,
    }
}
