//! Variables in one text: `$NAME`, `${NAME}`, and `${NAME` with an operator (`:-`, `-`, `:+`, `+`, `:?`, `?`) and a word.
//!
//! The rules are those of the compose specification (Interpolation), and in corners that it leaves open those of Compose:
//!
//! - `$$` is a dollar, and a dollar before anything else that is no name stays;
//! - a word may contain variables and braces, and ends at the brace that closes it in the same line;
//! - the variables of a word are looked up even when the word is not needed, so `${A:-${B:?}}` fails without `B`.

use std::ops::Range;

/// How deep words may contain each other.
const DEPTH: usize = 64;

/// How long a text may become. Without a limit, forty lines of an env file could fill the memory, each with the variable of
/// the line before it twice.
pub const LENGTH: usize = 8 << 20;

/// Where the values come from, and the names that had none.
pub trait Lookup {
    fn get(&mut self, name: &str) -> Option<String>;
    /// A variable has no value, and no operator says what to do then.
    fn unset(&mut self, name: &str);
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// `${` without a name, an operator that does not exist, or a brace that is not closed.
    Invalid { template: String },
    /// `:?` or `?`.
    Required { name: String, reason: String },
    /// Words contain each other too deep.
    Deep,
    /// The text has more than `LENGTH` bytes with its variables replaced.
    Long,
}

/// What follows a dollar.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Dollar,
    Name(&'a str),
    /// `${NAME}` or `${NAME` with an operator and a word.
    Braced {
        name: &'a str,
        operator: Option<(Operator, &'a str)>,
    },
    Invalid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) sign: char,
    /// With a colon an empty value counts as none.
    pub(super) colon: bool,
}

/// The text with all variables replaced.
pub fn substitute(template: &str, lookup: &mut dyn Lookup) -> Result<String, TemplateError> {
    substitute_at(template, lookup, 0)
}

fn substitute_at(template: &str, lookup: &mut dyn Lookup, depth: usize) -> Result<String, TemplateError> {
    if depth > DEPTH {
        return Err(TemplateError::Deep);
    }
    let mut result = String::with_capacity(template.len());
    let mut done = 0;
    while let Some((range, kind)) = next(template, done) {
        result.push_str(&template[done..range.start]);
        done = range.end;
        match kind {
            Kind::Dollar => result.push('$'),
            Kind::Name(name) | Kind::Braced { name, operator: None } => match lookup.get(name) {
                Some(value) => result.push_str(&value),
                None => lookup.unset(name),
            },
            Kind::Braced { name, operator: Some((operator, word)) } => {
                let word = substitute_at(word, lookup, depth + 1)?;
                result.push_str(&operator.apply(name, word, lookup)?);
            }
            Kind::Invalid => return Err(TemplateError::Invalid { template: template.to_owned() }),
        }
        if result.len() > LENGTH {
            return Err(TemplateError::Long);
        }
    }
    result.push_str(&template[done..]);
    Ok(result)
}

impl Operator {
    fn apply(self, name: &str, word: String, lookup: &mut dyn Lookup) -> Result<String, TemplateError> {
        let value = lookup.get(name);
        let counts = value.as_deref().is_some_and(|value| !self.colon || !value.is_empty());
        match (self.sign, counts) {
            ('-', false) | ('+', true) => Ok(word),
            ('?', false) => Err(TemplateError::Required { name: name.to_owned(), reason: word }),
            _ => Ok(value.unwrap_or_default()),
        }
    }
}

/// The first dollar at or after `from` that means something, and how far it reaches.
pub(super) fn next(text: &str, from: usize) -> Option<(Range<usize>, Kind<'_>)> {
    let mut from = from;
    loop {
        let start = from + text[from..].find('$')?;
        let after = &text[start + 1..];
        let kind = if after.starts_with('$') {
            Some((2, Kind::Dollar))
        } else if after.starts_with('{') {
            Some(braced(&text[start..]))
        } else {
            let name = name_of(after);
            (!name.is_empty()).then(|| (1 + name.len(), Kind::Name(name)))
        };
        if let Some((length, kind)) = kind {
            return Some((start..start + length, kind));
        }
        from = start + 1;
    }
}

/// What begins with `${`, and its length.
fn braced(text: &str) -> (usize, Kind<'_>) {
    const INVALID: (usize, Kind<'static>) = (2, Kind::Invalid);
    let name = name_of(&text[2..]);
    let after = &text[2 + name.len()..];
    if name.is_empty() {
        return INVALID;
    }
    if after.starts_with('}') {
        return (3 + name.len(), Kind::Braced { name, operator: None });
    }
    let Some((operator, length)) = operator_of(after) else { return INVALID };
    // A word does not go on in the next line, and some brace must end it.
    let line = &text[..text.find('\n').unwrap_or(text.len())];
    let word = 2 + name.len() + length;
    let Some(last) = line.rfind('}').filter(|last| *last >= word) else { return INVALID };
    // With an opening brace too many, the word goes on to the last closing one.
    let end = closing_brace(&line[..=last]).unwrap_or(last);
    (end + 1, Kind::Braced { name, operator: Some((operator, &text[word..end])) })
}

fn operator_of(text: &str) -> Option<(Operator, usize)> {
    let colon = text.starts_with(':');
    let sign = text[usize::from(colon)..].chars().next().filter(|sign| "-+?".contains(*sign))?;
    Some((Operator { sign, colon }, 1 + usize::from(colon)))
}

/// The name of a variable at the beginning of a text, or nothing.
fn name_of(text: &str) -> &str {
    let is_name = |(index, byte): &(usize, u8)| {
        *byte == b'_' || byte.is_ascii_alphabetic() || *index > 0 && byte.is_ascii_digit()
    };
    let length = text.bytes().enumerate().take_while(is_name).count();
    &text[..length]
}

/// The brace that closes the first one. Compose does not look at the character after an opening brace.
pub(super) fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    let mut bytes = text.bytes().enumerate();
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'}' if open == 1 => return Some(index),
            b'}' => open = open.saturating_sub(1),
            b'{' => {
                open += 1;
                bytes.next();
            }
            _ => {}
        }
    }
    None
}
