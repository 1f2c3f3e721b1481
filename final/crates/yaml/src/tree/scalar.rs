//! The value of a scalar, as yaml.v3 resolves it for Docker Compose: the core schema of YAML 1.2 with the numbers of Go and of
//! YAML 1.1.

use super::{TIMESTAMP, UNSIGNED, Value, timestamp};
use crate::scalar::{is_decimal, shown};

/// The value, and the tag that its node keeps. `tag` begins with `!!` if it is of the core schema.
pub(super) fn resolve<'a>(
    text: &str,
    is_plain: bool,
    tag: Option<&'a str>,
) -> Result<(Value, Option<&'a str>), String> {
    let string = || Value::String(text.to_owned());
    match tag {
        None if is_plain => {}
        None | Some("!!str") => return Ok((string(), None)),
        Some("!!binary") => return Ok((Value::String(binary(text)?), None)),
        Some("!!null" | "!!bool" | "!!int" | "!!float" | "!!timestamp") => {}
        // A tag that yaml.v3 does not know leaves the text as it is.
        Some(tag) if tag.starts_with("!!") => return Ok((string(), None)),
        Some(tag) => return Ok((string(), Some(tag))),
    }
    let found = plain(text, matches!(tag, None | Some("!!timestamp")));
    let fits = match (tag, &found) {
        (None, _)
        | (Some("!!null"), Plain::Value(Value::Null))
        | (Some("!!bool"), Plain::Value(Value::Bool(_)))
        | (Some("!!int"), Plain::Value(Value::Integer(_)) | Plain::Unsigned(_))
        | (Some("!!float"), Plain::Value(Value::Float(_)))
        | (Some("!!timestamp"), Plain::Timestamp(_)) => true,
        (Some("!!float"), Plain::Value(Value::Integer(number))) => {
            #[expect(clippy::cast_precision_loss, reason = "Go converts it the same way")]
            return Ok((Value::Float(*number as f64), None));
        }
        _ => false,
    };
    match found {
        _ if !fits => Err(format!("cannot decode {:?} as a {}", shown(text), tag.unwrap_or_default())),
        Plain::Value(value) => Ok((value, None)),
        Plain::Unsigned(number) => Ok((Value::String(number.to_string()), Some(UNSIGNED))),
        Plain::Timestamp(text) => Ok((Value::String(text), Some(TIMESTAMP))),
    }
}

/// Whether yaml.v3 writes a string without quotes: no reader, also of YAML 1.1, takes it for something else.
pub fn is_plain_string(text: &str) -> bool {
    let old_booleans = ["y", "yes", "on", "n", "no", "off"];
    let is_old_boolean = || {
        let lower = text.to_ascii_lowercase();
        let has_its_case = text == lower || text == text.to_ascii_uppercase() || {
            let rest = text.get(1..).unwrap_or_default();
            rest == rest.to_ascii_lowercase()
        };
        has_its_case && old_booleans.contains(&lower.as_str())
    };
    matches!(plain(text, true), Plain::Value(Value::String(_))) && !is_old_boolean() && !is_sexagesimal(text)
}

/// `-1:30:00.5`: a number with base 60.
fn is_sexagesimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut parts = whole.split(':');
    let is_first = |part: &str| {
        part.starts_with(|digit: char| digit.is_ascii_digit())
            && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
    };
    let is_other = |part: &str| match part.as_bytes() {
        [digit] => digit.is_ascii_digit(),
        [b'0'..=b'5', digit] => digit.is_ascii_digit(),
        _ => false,
    };
    whole.contains(':')
        && parts.next().is_some_and(is_first)
        && parts.all(is_other)
        && fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
}

enum Plain {
    Value(Value),
    Unsigned(u64),
    Timestamp(String),
}

fn plain(text: &str, may_be_timestamp: bool) -> Plain {
    let value = match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Value::Float(f64::NEG_INFINITY),
        _ => {
            return number(text, may_be_timestamp)
                .unwrap_or_else(|| Plain::Value(Value::String(text.into())));
        }
    };
    Plain::Value(value)
}

fn number(text: &str, may_be_timestamp: bool) -> Option<Plain> {
    match text.as_bytes()[0] {
        // Go's `ParseFloat` wants a digit on both sides of an underscore.
        b'.' => {
            let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
            let bytes = text.as_bytes();
            let stands_well = |at: usize| is_digit(bytes.get(at - 1)) && is_digit(bytes.get(at + 1));
            let fits = text.match_indices('_').all(|(at, _)| stands_well(at));
            return if fits { float(&text.replace('_', "")) } else { None };
        }
        b'+' | b'-' | b'0'..=b'9' => {}
        _ => return None,
    }
    if may_be_timestamp && let Some(text) = timestamp::normal(text) {
        return Some(Plain::Timestamp(text));
    }
    let digits = text.replace('_', "");
    whole(&digits).or_else(|| float(&digits))
}

/// Go's `ParseInt` with base 0: `0x`, `0o`, `0b` in both cases, and `0` alone for octal, each with a sign.
fn whole(text: &str) -> Option<Plain> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (digits, radix) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&unsigned[2..], 16),
        [b'0', b'o' | b'O', ..] => (&unsigned[2..], 8),
        [b'0', b'b' | b'B', ..] => (&unsigned[2..], 2),
        [b'0', _, ..] => (&unsigned[1..], 8),
        _ => (unsigned, 10),
    };
    // Rust's parser takes a second sign.
    if digits.starts_with(['-', '+']) {
        return None;
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    if let Ok(number) = i64::from_str_radix(&format!("{sign}{digits}"), radix) {
        return Some(Plain::Value(Value::Integer(number)));
    }
    // ParseUint takes no sign.
    if text.starts_with(['-', '+']) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok().map(Plain::Unsigned)
}

/// One that is too large for a float is a string.
fn float(text: &str) -> Option<Plain> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let number: f64 = text.parse().ok().filter(|_| is_decimal(unsigned))?;
    number.is_finite().then_some(Plain::Value(Value::Float(number)))
}

/// Base64, of which only UTF-8 can be a string here.
fn binary(text: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let (mut bits, mut held, mut padding, mut length) = (0u32, 0, 0, 0usize);
    for byte in text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')) {
        length += 1;
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if padding < 2 => {
                padding += 1;
                continue;
            }
            _ => return Err("!!binary value contains invalid base64 data".into()),
        };
        if padding > 0 {
            return Err("!!binary value contains invalid base64 data".into());
        }
        (bits, held) = (bits << 6 | u32::from(value), held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    if length % 4 != 0 {
        return Err("!!binary value contains invalid base64 data".into());
    }
    String::from_utf8(bytes).map_err(|_| "!!binary value is not UTF-8".into())
}
