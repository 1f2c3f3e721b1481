//! The value of a scalar, by the core schema of YAML 1.2 (its specification, §10.3), with one exception: whole numbers that
//! begin with 0 are octal, as in YAML 1.1, because that is what the YAML library of docker and podman reads in them, and a
//! mode such as 0660 must not mean something else here.

use serde_json::{Number, Value};

/// `tag` is the part of a core tag behind `!!`.
pub(crate) fn value(text: &str, is_plain: bool, tag: Option<&str>) -> Result<Value, String> {
    let Some(tag) = tag else {
        return if is_plain { plain(text) } else { Ok(Value::from(text)) };
    };
    let found = match tag {
        "str" => return Ok(Value::from(text)),
        "null" | "bool" | "int" | "float" => plain(text)?,
        other => return Err(format!("the tag !!{} is not one of a scalar", shown(other))),
    };
    let fits = match tag {
        "null" => found.is_null(),
        "bool" => found.is_boolean(),
        "int" => found.is_i64() || found.is_u64(),
        _ => found.is_number(),
    };
    if fits { Ok(found) } else { Err(format!("{:?} is not of the type of its tag !!{tag}", shown(text))) }
}

fn plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" => return Err(no_number(text)),
        _ => {}
    }
    if let ".nan" | ".NaN" | ".NAN" = text {
        return Err(no_number(text));
    }
    if let Some((digits, radix)) = whole(text, unsigned) {
        let signed = if text.starts_with('-') { format!("-{digits}") } else { digits.to_owned() };
        let small = i64::from_str_radix(&signed, radix).map(Number::from);
        let number = small.or_else(|_| u64::from_str_radix(&signed, radix).map(Number::from));
        return number.map(Value::Number).map_err(|_| no_number(text));
    }
    if is_decimal(unsigned) {
        let number = text.parse().ok().and_then(Number::from_f64);
        return number.map(Value::Number).ok_or_else(|| no_number(text));
    }
    Ok(Value::from(text))
}

/// The digits of a whole number, and their base. Only decimal numbers have a sign, as in the schema.
fn whole<'a>(text: &'a str, unsigned: &'a str) -> Option<(&'a str, u32)> {
    let has_only =
        |digits: &str, radix| !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    let prefixed = |prefix, radix| {
        text.strip_prefix(prefix).filter(|digits| has_only(digits, radix)).map(|digits| (digits, radix))
    };
    if let Some(found) = prefixed("0o", 8).or_else(|| prefixed("0x", 16)) {
        return Some(found);
    }
    let is_octal = unsigned.len() > 1 && unsigned.starts_with('0') && has_only(unsigned, 8);
    has_only(unsigned, 10).then_some((unsigned, if is_octal { 8 } else { 10 }))
}

/// Digits with a point, an exponent, or both.
pub(crate) fn is_decimal(unsigned: &str) -> bool {
    let has_only_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.map(|text| text.strip_prefix(['-', '+']).unwrap_or(text));
    has_only_digits(before)
        && has_only_digits(after)
        && !(before.is_empty() && after.is_empty())
        && exponent.is_none_or(|text| !text.is_empty() && has_only_digits(text))
}

fn no_number(text: &str) -> String {
    format!("JSON has no number {}", shown(text))
}

/// As much of a text as a message needs.
pub(crate) fn shown(text: &str) -> &str {
    text.char_indices().nth(64).map_or(text, |(end, _)| &text[..end])
}
