//! When a snapshot is taken, and when it expires.

use crate::size::digits;

/// The names of common schedules.
pub const ALIASES: [&str; 9] =
    ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@annually", "@yearly", "@startup", "@never"];

/// The fields of a cron expression: name, least and greatest value.
const FIELDS: [(&str, u64, u64); 5] = [
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 7),
];

/// The units of an expiry: seconds, minutes, hours, days, weeks, months and years. The length of a month or a year depends
/// on the date.
pub const UNITS: [char; 7] = ['S', 'M', 'H', 'd', 'w', 'm', 'y'];

/// Refuses a text that is neither the five fields of cron nor aliases with commas between them. An empty text is refused,
/// too.
pub fn check(text: &str) -> Result<(), String> {
    if text.split_whitespace().count() == FIELDS.len() {
        return cron(text);
    }
    for alias in text.split(',').map(str::trim) {
        if !ALIASES.contains(&alias) {
            return Err(format!(
                "{alias:?} is neither five fields of cron nor one of {}",
                ALIASES.join(", ")
            ));
        }
    }
    Ok(())
}

fn cron(text: &str) -> Result<(), String> {
    for (field, (name, least, greatest)) in text.split_whitespace().zip(FIELDS) {
        values(field, least, greatest).ok_or_else(|| format!("{field:?} is no {name} of cron"))?;
    }
    Ok(())
}

/// The values that a field of cron stands for: `*`, `5`, `1-5`, `*/15`, `1-30/2`, and lists of these.
pub fn values(field: &str, least: u64, greatest: u64) -> Option<Vec<u64>> {
    let mut values = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, digits(step).filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (first, last) = match range {
            "*" => (least, greatest),
            range => match range.split_once('-') {
                Some((first, last)) => (digits(first)?, digits(last)?),
                None if step > 1 => (digits(range)?, greatest),
                None => (digits(range)?, digits(range)?),
            },
        };
        if first < least || last > greatest || first > last {
            return None;
        }
        values.extend((first..=last).step_by(usize::try_from(step).ok()?));
    }
    values.sort_unstable();
    values.dedup();
    Some(values)
}

/// Reads numbers and their units, such as `1w 2d`. An empty text has none, which means no expiry.
pub fn expiry(text: &str) -> Result<Vec<(u64, char)>, String> {
    let part = |part: &str| {
        let unit = part.chars().last().filter(|unit| UNITS.contains(unit))?;
        let number = digits(&part[..part.len() - 1]).filter(|number| *number <= 1_000_000)?;
        Some((number, unit))
    };
    let parts = text.split_whitespace().map(part).collect::<Option<Vec<_>>>();
    parts.ok_or_else(|| "it is numbers with S, M, H, d, w, m or y, such as 1w 2d".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_crons_or_aliases() {
        for right in ["@daily", "@hourly, @weekly", "0 6 * * *", "*/15 1-5 1,15 * 0"] {
            assert_eq!(check(right), Ok(()), "{right:?}");
        }
        for wrong in ["", "daily", "60 6 * * *", "0 6 * *", "0 6 0 * *", "5-1 * * * *", "*/0 * * * *"] {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(values("*/20", 0, 59), Some(vec![0, 20, 40]));
        assert_eq!(values("50/5", 0, 59), Some(vec![50, 55]));
    }

    #[test]
    fn an_expiry_has_units() {
        assert_eq!(expiry("1w 2d"), Ok(vec![(1, 'w'), (2, 'd')]));
        assert_eq!(expiry(""), Ok(vec![]));
        for wrong in ["1", "d", "1é", "-1d"] {
            assert!(expiry(wrong).is_err(), "{wrong:?}");
        }
    }
}
