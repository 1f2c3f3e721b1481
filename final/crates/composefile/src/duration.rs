//! Compose's durations: Go's units, and days and weeks.

const UNITS: [(&str, i64); 10] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
];

/// Nanoseconds.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0_i64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let (_, nanoseconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let fraction: f64 = format!("0.{fraction}0").parse().ok()?;
        let part = whole.checked_mul(*nanoseconds)?.checked_add((fraction * *nanoseconds as f64) as i64)?;
        sum = sum.checked_add(part)?;
        rest = next;
    }
    Some(if negative { -sum } else { sum })
}

/// As Go prints it: `1m30s`.
pub(crate) fn print(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let duration = std::time::Duration::from_nanos(nanoseconds.unsigned_abs());
    format!("{sign}{}", hull_docker::time::print_duration(duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_composes() {
        for (text, printed) in [
            ("0", "0s"),
            ("1m30s", "1m30s"),
            ("90s", "1m30s"),
            ("1.5s", "1.5s"),
            ("2d", "48h0m0s"),
            ("1w", "168h0m0s"),
            ("100us", "100µs"),
            ("-1s", "-1s"),
            (".5h", "30m0s"),
        ] {
            assert_eq!(parse(text).map(print).as_deref(), Some(printed), "{text}");
        }
        for wrong in ["", "-", "10", "10x", "1.2.3s", "s", "1 s", "99999999999999h"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
