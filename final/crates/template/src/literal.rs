//! Numbers, strings and characters as Go writes them in source.

use serde_json::{Number, Value};

/// Reads an integer in any of Go's bases, or a decimal fraction.
pub(super) fn number(text: &str) -> Result<Value, String> {
    let bad = || format!("bad number {text:?}");
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') => ("", &text[1..]),
        _ => ("", text),
    };
    let lower = digits.to_ascii_lowercase().replace('_', "");
    let (radix, body) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        _ => (10, lower.as_str()),
    };
    if body.starts_with(['+', '-']) {
        return Err(bad());
    }
    if radix == 10 && body.contains(['.', 'e']) {
        // `parse` also takes "inf" and "nan", but those do not begin with a digit or a dot.
        let float: f64 = format!("{sign}{body}").parse().map_err(|_| bad())?;
        return Number::from_f64(float).map(Value::Number).ok_or_else(bad);
    }
    // A leading zero means octal, as in C.
    let radix = if radix == 10 && body.len() > 1 && body.starts_with('0') { 8 } else { radix };
    i64::from_str_radix(&format!("{sign}{body}"), radix).map(Value::from).map_err(|_| bad())
}

/// Resolves the escapes of the text between double quotes.
pub(super) fn string(body: &str) -> Result<String, String> {
    // Bytes, because `\xc3\xa9` is one character in two escapes.
    let mut bytes = Vec::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(unit) = unit(&mut chars, '"')? {
        match unit {
            Unit::Byte(byte) => bytes.push(byte),
            Unit::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    String::from_utf8(bytes).map_err(|_| "the escapes do not make UTF-8".to_owned())
}

/// Resolves a character literal to the number of its character, which is its value in Go.
pub(super) fn character(body: &str) -> Result<u32, String> {
    let mut chars = body.chars();
    let value = match unit(&mut chars, '\'')? {
        Some(Unit::Byte(byte)) => u32::from(byte),
        Some(Unit::Char(c)) => u32::from(c),
        None => return Err("no character between the quotes".to_owned()),
    };
    if chars.next().is_some() {
        return Err("more than one character; strings are in double quotes".to_owned());
    }
    Ok(value)
}

enum Unit {
    Byte(u8),
    Char(char),
}

/// Takes the next character or escape.
fn unit(chars: &mut std::str::Chars<'_>, quote: char) -> Result<Option<Unit>, String> {
    match chars.next() {
        None => return Ok(None),
        Some('\\') => {}
        Some(c) => return Ok(Some(Unit::Char(c))),
    }
    let c = chars.next().unwrap_or('\\');
    let simple = match c {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        c if c == quote => c,
        _ => return coded(c, chars).map(Some),
    };
    Ok(Some(Unit::Char(simple)))
}

/// An escape with the number of a byte or character.
fn coded(c: char, chars: &mut std::str::Chars<'_>) -> Result<Unit, String> {
    let (count, radix) = match c {
        'x' => (2, 16),
        'u' => (4, 16),
        'U' => (8, 16),
        '0'..='7' => (3, 8),
        _ => return Err(format!("unknown escape \\{c}")),
    };
    // An octal escape has no letter: its first digit follows the backslash.
    let mut digits = if radix == 8 { c.to_string() } else { String::new() };
    digits.extend(chars.take(count - digits.len()));
    let bad = || format!("bad escape \\{}{digits}", if radix == 8 { String::new() } else { c.to_string() });
    if digits.chars().count() != count || digits.starts_with('+') {
        return Err(bad());
    }
    let code = u32::from_str_radix(&digits, radix).map_err(|_| bad())?;
    match c {
        'u' | 'U' => char::from_u32(code).map(Unit::Char).ok_or_else(bad),
        _ => u8::try_from(code).map(Unit::Byte).map_err(|_| bad()),
    }
}
