//! Dates and times in the formats of yaml.v3, and as Go prints them (`time.RFC3339Nano`).

/// `2001-12-14t21:59:43.10-05:00` becomes `2001-12-14T21:59:43.1-05:00`; a text of another format is none.
pub(super) fn normal(text: &str) -> Option<String> {
    // The formats begin with a year of four digits.
    if text.bytes().position(|byte| !byte.is_ascii_digit()) != Some(4) {
        return None;
    }
    let (year, rest) = number(text, 4)?;
    let (month, rest) = number(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = number(rest.strip_prefix('-')?, 2)?;
    if day == 0 || day > days(year, month)? {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if rest.is_empty() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let needs_zone = !rest.starts_with(' ');
    // Go takes any number of spaces for one.
    let time = if needs_zone { rest.strip_prefix(['T', 't'])? } else { rest.trim_start_matches(' ') };
    let (hour, rest) = number(time, 2)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = number(rest.strip_prefix(':')?, 2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, rest) = fraction(rest);
    let zone = match needs_zone {
        true => zone(rest)?,
        false if rest.is_empty() => "Z".to_owned(),
        false => return None,
    };
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"))
}

/// At least one digit, and at most `most`.
fn number(text: &str, most: usize) -> Option<(u32, &str)> {
    let end = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    Some((text[..end].parse().ok()?, &text[end..]))
}

fn days(year: u32, month: u32) -> Option<u32> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => Some(if is_leap { 29 } else { 28 }),
        4 | 6 | 9 | 11 => Some(30),
        1..=12 => Some(31),
        _ => None,
    }
}

/// With its point and without the zeros at its end. Go takes a comma as well, and no more than nine digits.
fn fraction(text: &str) -> (String, &str) {
    let Some(digits) = text.strip_prefix(['.', ',']) else { return (String::new(), text) };
    let end = digits.bytes().take_while(u8::is_ascii_digit).count();
    if end == 0 {
        return (String::new(), text);
    }
    let kept = digits[..end.min(9)].trim_end_matches('0');
    let shown = if kept.is_empty() { String::new() } else { format!(".{kept}") };
    (shown, &digits[end..])
}

/// `Z`, or a sign, two digits, a colon and two digits.
fn zone(text: &str) -> Option<String> {
    if text == "Z" {
        return Some("Z".into());
    }
    let [b'+' | b'-', h1, h2, b':', m1, m2] = text.as_bytes() else { return None };
    if ![h1, h2, m1, m2].iter().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (u32, u32) = (text[1..3].parse().ok()?, text[4..].parse().ok()?);
    match (hours, minutes) {
        (0, 0) => Some("Z".into()),
        (0..=23, 0..=59) => Some(text.to_owned()),
        _ => None,
    }
}
