//! Functions in a source file: where they are, what stands in them, and the same file with another body.
//!
//! A blank is named by file and function. The file is split into words and brackets, so that a brace in a string or in
//! a comment is not mistaken for the end of a function.

use std::ops::Range;

/// A function in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// From the first line of its documentation to the closing brace, in whole lines.
    pub whole: Range<usize>,
    /// From `pub` or `fn` up to the opening brace.
    pub signature: Range<usize>,
    /// What stands between its braces.
    pub body: Range<usize>,
    /// How far the function is indented.
    pub indent: usize,
}

/// Finds the one function with this name: `name`, or `Type::name` for a method. The error says what is wrong.
pub fn find(text: &str, item: &str) -> Result<Function, String> {
    let (owner, name) = item.split_once("::").map_or((None, item), |(owner, name)| (Some(owner), name));
    let tokens = tokens(text);
    let word = |at: usize| tokens.get(at).map_or("", |token: &Range<usize>| &text[token.clone()]);
    let (mut depth, mut found, mut inside) = (0_usize, Vec::new(), false);
    for at in 0..tokens.len() {
        match word(at) {
            "impl" if depth == 0 => {
                let header = (at..tokens.len()).map(word).take_while(|word| *word != "{");
                inside = owner.is_some_and(|owner| header.into_iter().any(|word| word == owner));
            }
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            "fn" if word(at + 1) == name => {
                let is_here = if owner.is_some() { depth == 1 && inside } else { depth == 0 };
                if is_here {
                    found.push(at);
                }
            }
            _ => {}
        }
    }
    match found[..] {
        [] => Err(format!("there is no function `{item}`")),
        [at] => function(text, &tokens, at).ok_or_else(|| format!("the function `{item}` has no body")),
        _ => Err(format!("there are {} functions `{item}`", found.len())),
    }
}

/// The function with the word `fn` at this token.
fn function(text: &str, tokens: &[Range<usize>], at: usize) -> Option<Function> {
    let word = |at: usize| &text[tokens[at].clone()];
    let mut nested = 0_i32;
    let open = (at..tokens.len()).find(|at| {
        match word(*at) {
            "(" | "[" => nested += 1,
            ")" | "]" => nested -= 1,
            _ => {}
        }
        word(*at) == "{" && nested == 0
    })?;
    let mut depth = 0_i32;
    let close = (open..tokens.len()).find(|at| {
        match word(*at) {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        depth == 0
    })?;
    let line = |at: usize| text[..at].rfind('\n').map_or(0, |end| end + 1);
    let first = line(tokens[at].start);
    let indent = text[first..].len() - text[first..].trim_start_matches(' ').len();
    let mut start = first;
    while start > 0 {
        let above = line(start - 1);
        let trimmed = text[above..start].trim();
        if !trimmed.starts_with("///") && !trimmed.starts_with("#[") {
            break;
        }
        start = above;
    }
    let end =
        text[tokens[close].end..].find('\n').map_or(text.len(), |length| tokens[close].end + length + 1);
    Some(Function {
        whole: start..end,
        signature: first + indent..tokens[open].start,
        body: tokens[open].end..tokens[close].start,
        indent,
    })
}

/// The words and the single characters of a text, without comments, strings, characters and lifetimes.
fn tokens(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let rest = &text[at..];
        let byte = bytes[at];
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            at += block_comment(rest);
        } else if let Some(length) = raw_string(rest) {
            at += length;
        } else if byte == b'"' {
            at += string(rest);
        } else if byte == b'\'' {
            at += character(rest);
        } else if is_word(byte) {
            let length = bytes[at..].iter().take_while(|byte| is_word(**byte)).count();
            // The prefix of a string such as b"…" or c"…" is a word of its own, which does no harm.
            found.push(at..at + length);
            at += length;
        } else {
            if !byte.is_ascii_whitespace() {
                found.push(at..at + 1);
            }
            at += 1;
        }
    }
    found
}

/// The length of a block comment, which can have others in it.
fn block_comment(text: &str) -> usize {
    let (bytes, mut depth, mut at) = (text.as_bytes(), 0_usize, 0);
    while at < bytes.len() {
        match &bytes[at..(at + 2).min(bytes.len())] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a raw string such as `r#"…"#`, if the text begins with one.
fn raw_string(text: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| {
        let rest = text.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.trim_start_matches('#').starts_with('"'))
    })?;
    let marks = text[prefix.len()..].len() - text[prefix.len()..].trim_start_matches('#').len();
    let from = prefix.len() + marks + 1;
    let end = format!("\"{}", "#".repeat(marks));
    Some(text[from..].find(&end).map_or(text.len(), |length| from + length + end.len()))
}

/// The length of a string with escapes.
fn string(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    });
    end.map_or(text.len(), |length| length + 2)
}

/// The length of a character such as `'{'`, or of the mark that begins a lifetime.
fn character(text: &str) -> usize {
    let mut characters = text.chars().skip(1);
    match (characters.next(), characters.next()) {
        (Some('\\'), Some(escaped)) => {
            let from = 2 + escaped.len_utf8();
            text[from..].find('\'').map_or(text.len(), |length| from + length + 1)
        }
        (Some(first), Some('\'')) => first.len_utf8() + 2,
        _ => 1,
    }
}

/// The text with another body for this function. `body` is what stands between the braces, with its line ends.
pub fn with_body(text: &str, function: &Function, body: &str) -> String {
    let Range { start, end } = function.body;
    [&text[..start], body, &text[end..]].concat()
}

/// How many lines of code stand in a function: neither empty ones nor comments.
pub fn lines_of_code(text: &str, function: &Function) -> usize {
    let lines = text[function.body.clone()].lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r##"
use a::b; // fn c() {}

/// Says "fn d() {".
#[allow(x)]
pub fn c<'a>(x: &'a [u8; 2], y: impl Fn(&str) -> char) -> R {
    let brace = '}'; let quote = '\''; let text = "} \" }"; /* } /* } */ } */
    let raw = r#"}"}"#;
    if x { y } // }
}

impl<T: Read> Read for Hashed<T> {
    fn read(&mut self) -> u8 {
        1
    }
}

impl Other {
    fn read(&self) {}
}
"##;

    #[test]
    fn a_function_is_found_whatever_stands_in_it() {
        let c = find(TEXT, "c").unwrap();
        assert!(TEXT[c.whole.clone()].starts_with("/// Says"), "{}", &TEXT[c.whole]);
        assert!(TEXT[c.whole.clone()].ends_with("// }\n}\n"), "{}", &TEXT[c.whole]);
        assert!(
            TEXT[c.signature.clone()].starts_with("pub fn c<'a>(") && TEXT[c.signature].ends_with("-> R ")
        );
        assert_eq!(lines_of_code(TEXT, &find(TEXT, "c").unwrap()), 3);
        let read = find(TEXT, "Hashed::read").unwrap();
        assert_eq!((TEXT[read.body.clone()].trim(), read.indent), ("1", 4));
        assert_eq!(&TEXT[find(TEXT, "Other::read").unwrap().body], "");
    }

    #[test]
    fn no_text_is_too_broken_to_be_looked_at() {
        // What a reader has saved in the middle of a line, or in another alphabet.
        let broken = [
            "'",
            "'\\",
            "'\\é",
            "'é",
            "\"",
            "\"\\",
            "r#\"",
            "br##\"é",
            "/*",
            "/*/",
            "/**",
            "//",
            "fn",
            "fn a",
            "fn a(",
            "fn a() {",
            "}}}fn a() {}",
            "impl",
            "impl a",
            "fn a() -> [u8; { 1 }] {",
            "'a'b'c",
            "é'é'é",
        ];
        for one in broken {
            for other in broken {
                let text = format!("{one}{other}");
                let _ = (find(&text, "a"), find(&text, "a::a"));
                let text = format!("fn a() {{ {one} {other}");
                let _ = find(&text, "a").map(|function| with_body(&text, &function, ""));
            }
        }
        let text = "pub fn a() {\r\n    /* { /* } */ { */ r##\"}\"#}\"##; ['\\'', '}', '\\u{7d}']\r\n}\r\nfn b() {}\r\n";
        let a = find(text, "a").unwrap();
        assert!(text[a.whole].ends_with("'\\u{7d}']\r\n}\r\n"));
    }

    #[test]
    fn what_is_not_there_is_said() {
        assert_eq!(find(TEXT, "d").unwrap_err(), "there is no function `d`");
        assert_eq!(find(TEXT, "read").unwrap_err(), "there is no function `read`");
        assert_eq!(find("fn a() {} fn a() {}", "a").unwrap_err(), "there are 2 functions `a`");
    }
}
