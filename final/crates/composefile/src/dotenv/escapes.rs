//! Escape sequences of a value in double quotes.

/// The value with its escape sequences replaced. `\$` becomes `$$`, because variables are replaced afterwards. A sequence
/// that Compose does not know stays.
pub(super) fn expand(value: &str) -> String {
    let mut result = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('\\') {
        result.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let simple = match after.as_bytes().first() {
            Some(b'a') => Some("\u{7}"),
            Some(b'b') => Some("\u{8}"),
            Some(b'f') => Some("\u{c}"),
            Some(b'n') => Some("\n"),
            Some(b'r') => Some("\r"),
            Some(b't') => Some("\t"),
            Some(b'v') => Some("\u{b}"),
            Some(b'$') => Some("$$"),
            Some(b'"') => Some("\""),
            Some(b'\\') => Some("\\"),
            _ => None,
        };
        if let Some(simple) = simple {
            result.push_str(simple);
            rest = &after[1..];
        } else if let Some(digits) = after.strip_prefix('0') {
            rest = octal(digits, &mut result);
        } else {
            result.push('\\');
            rest = after;
        }
    }
    result.push_str(rest);
    result
}

/// `\0` has three octal digits after it. With others or fewer, only the zero goes away.
fn octal<'a>(digits: &'a str, result: &mut String) -> &'a str {
    let length = digits.bytes().take(3).take_while(u8::is_ascii_digit).count();
    let (number, rest) = digits.split_at(length);
    match u8::from_str_radix(number, 8) {
        Ok(code) if length == 3 => result.push(char::from(code)),
        _ => {
            result.push('\\');
            result.push_str(number);
        }
    }
    rest
}
