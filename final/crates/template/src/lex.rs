//! Divides a template into text and the tokens between `{{` and `}}`.

use serde_json::Value;

use super::{Fault, Span, literal};

/// The white space that Go knows in templates, and that `{{-` and `-}}` trim.
const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Text(String),
    /// `{{`
    Open,
    /// `}}`
    Close,
    Dot,
    /// `.Name`, without the dot.
    Field(String),
    /// `$name` with the dollar, so that `$` alone is a name like the others.
    Variable(String),
    /// A keyword or the name of a function.
    Word(String),
    Literal(Value),
    Pipe,
    OpenParen,
    CloseParen,
    Comma,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    End,
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
    /// White space in front: `.A .B` is two operands and `.A.B` is one.
    pub(super) spaced: bool,
}

pub(super) fn lex(text: &str) -> Result<Vec<Token>, Fault> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new() };
    let mut trim_start = false;
    loop {
        let start = lexer.at;
        let Some(found) = lexer.rest().find("{{") else {
            lexer.at = text.len();
            lexer.text_token(start, text.len(), trim_start, false);
            lexer.push(Kind::End, text.len(), false);
            return Ok(lexer.tokens);
        };
        lexer.at = start + found + 2;
        // `{{-3}}` is a number; only a dash with a blank after it trims.
        let trim_end = lexer.rest().strip_prefix('-').is_some_and(|rest| rest.starts_with(BLANK));
        lexer.text_token(start, start + found, trim_start, trim_end);
        lexer.at += usize::from(trim_end);
        trim_start = lexer.action(start + found)?;
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    tokens: Vec<Token>,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Adds a token that extends from `start` to the lexer's position.
    fn push(&mut self, kind: Kind, start: usize, spaced: bool) {
        self.tokens.push(Token { kind, span: Span { start, end: self.at }, spaced });
    }

    fn text_token(&mut self, start: usize, end: usize, trim_start: bool, trim_end: bool) {
        let mut part = &self.text[start..end];
        if trim_start {
            part = part.trim_start_matches(BLANK);
        }
        if trim_end {
            part = part.trim_end_matches(BLANK);
        }
        if !part.is_empty() {
            let span = Span { start, end };
            self.tokens.push(Token { kind: Kind::Text(part.to_owned()), span, spaced: false });
        }
    }

    /// Reads the tokens between `{{` and `}}`, and the latter too. Returns whether the text that follows is to be
    /// trimmed.
    fn action(&mut self, open: usize) -> Result<bool, Fault> {
        let blanks = self.rest().len() - self.rest().trim_start_matches(BLANK).len();
        // Go takes a comment only directly behind `{{` or `{{- `; blanks in front of one do no harm.
        if self.rest()[blanks..].starts_with("/*") {
            self.at += blanks;
            return self.comment(open);
        }
        self.push(Kind::Open, open, false);
        loop {
            let (spaced, trims) = self.skip_blanks();
            let start = self.at;
            if self.rest().starts_with("}}") {
                self.at += 2;
                self.push(Kind::Close, start, spaced);
                return Ok(trims);
            }
            let Some(first) = self.rest().chars().next() else {
                return Err(Fault::new(Span { start: open, end: open + 2 }, "\"{{\" is not closed"));
            };
            let kind = self.token(first)?;
            self.push(kind, start, spaced);
        }
    }

    /// Returns whether there were blanks, and whether they end in the `-` of `-}}`, which is skipped too.
    fn skip_blanks(&mut self) -> (bool, bool) {
        let rest = self.rest().trim_start_matches(BLANK);
        let spaced = rest.len() < self.rest().len();
        let trims = spaced && rest.starts_with("-}}");
        self.at = self.text.len() - rest.len() + usize::from(trims);
        (spaced, trims)
    }

    fn comment(&mut self, open: usize) -> Result<bool, Fault> {
        let start = Span { start: open, end: self.at + 2 };
        let Some(end) = self.rest().find("*/") else {
            return Err(Fault::new(start, format!("comment {:?} is not closed", start.of(self.text))));
        };
        self.at += end + 2;
        let (_, trims) = self.skip_blanks();
        if !self.rest().starts_with("}}") {
            return Err(Fault::new(start, "\"}}\" has to follow the \"*/\" of a comment"));
        }
        self.at += 2;
        Ok(trims)
    }

    /// Reads one token that begins with `first`.
    fn token(&mut self, first: char) -> Result<Kind, Fault> {
        let second = self.rest()[first.len_utf8()..].chars().next();
        let simple = match first {
            '|' => Some(Kind::Pipe),
            '(' => Some(Kind::OpenParen),
            ')' => Some(Kind::CloseParen),
            ',' => Some(Kind::Comma),
            '=' => Some(Kind::Assign),
            ':' if second == Some('=') => {
                self.at += 1;
                Some(Kind::Declare)
            }
            _ => None,
        };
        if let Some(kind) = simple {
            self.at += 1;
            return Ok(kind);
        }
        match first {
            '"' | '`' | '\'' => self.quoted(first),
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => self.number(),
            '+' | '-' if second.is_some_and(|c| c.is_ascii_digit() || c == '.') => self.number(),
            '0'..='9' => self.number(),
            '.' | '$' => {
                self.at += 1;
                let name = self.name();
                match (first, name.is_empty()) {
                    ('$', _) => Ok(Kind::Variable(format!("${name}"))),
                    (_, true) => Ok(Kind::Dot),
                    (_, false) => Ok(Kind::Field(name.to_owned())),
                }
            }
            c if is_name(c) => Ok(Kind::Word(self.name().to_owned())),
            c => Err(self.unexpected(c)),
        }
    }

    fn unexpected(&self, c: char) -> Fault {
        let span = Span { start: self.at, end: self.at + c.len_utf8() };
        let mut message = format!("unexpected {c:?}");
        // The usual cause is a label: `.Config.Labels.com-example`.
        if let Some(Token { kind: Kind::Field(_), span: field, .. }) = self.tokens.last()
            && field.end == self.at
        {
            let field = field.of(self.text);
            message += &format!(
                " after {field:?}; a key that is not one word is reached with index: (index . \"a-key\")"
            );
        }
        Fault::new(span, message)
    }

    fn name(&mut self) -> &'t str {
        let rest = self.rest();
        let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        self.at += name.len();
        name
    }

    fn number(&mut self) -> Result<Kind, Fault> {
        let start = self.at;
        let mut previous = ' ';
        let hexadecimal = self.rest().trim_start_matches(['+', '-']).to_ascii_lowercase().starts_with("0x");
        for c in self.rest().chars() {
            let sign = matches!(c, '+' | '-')
                && (self.at == start || (!hexadecimal && matches!(previous, 'e' | 'E')));
            if !sign && !is_name(c) && c != '.' {
                break;
            }
            previous = c;
            self.at += c.len_utf8();
        }
        let span = Span { start, end: self.at };
        literal::number(span.of(self.text)).map(Kind::Literal).map_err(|message| Fault::new(span, message))
    }

    fn quoted(&mut self, quote: char) -> Result<Kind, Fault> {
        let start = self.at;
        self.at += 1;
        let mut escaped = false;
        let end = self.rest().char_indices().find_map(|(i, c)| match c {
            '\n' if quote != '`' => Some(None),
            _ if std::mem::take(&mut escaped) => None,
            '\\' if quote != '`' => {
                escaped = true;
                None
            }
            c => (c == quote).then_some(Some(i)),
        });
        let Some(end) = end.flatten() else {
            let span = Span { start, end: start + 1 };
            return Err(Fault::new(span, format!("the quote {quote} is not closed")));
        };
        let body = &self.rest()[..end];
        self.at += end + 1;
        let span = Span { start, end: self.at };
        let value = match quote {
            '`' => Ok(Value::from(body.replace('\r', ""))),
            '"' => literal::string(body).map(Value::from),
            _ => literal::character(body).map(Value::from),
        };
        value.map(Kind::Literal).map_err(|why| Fault::new(span, format!("{}: {why}", span.of(self.text))))
    }
}

fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}
