//! `snapshots.pattern`: the names of scheduled snapshots. LXD accepts templates of pongo2. hull knows only
//! `{{ creation_date }}` and its filter `date`, which takes a layout of Go's.

/// A date and time on a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    pub day: u64,
    pub hour: u64,
    pub minute: u64,
    pub second: u64,
}

type Field = (&'static str, fn(&Moment) -> String);

/// The fields of a layout of Go's (time.Layout), each by the text that stands for it.
const FIELDS: [Field; 7] = [
    ("2006", |at| format!("{:04}", at.year)),
    ("01", |at| format!("{:02}", at.month)),
    ("02", |at| format!("{:02}", at.day)),
    ("15", |at| format!("{:02}", at.hour)),
    ("04", |at| format!("{:02}", at.minute)),
    ("05", |at| format!("{:02}", at.second)),
    ("06", |at| format!("{:02}", at.year % 100)),
];

/// The name that a pattern gives. `%d` becomes the number after the highest one that the `taken` names have in its place.
pub fn name(pattern: &str, at: &Moment, taken: &[String]) -> Result<String, String> {
    let text = expand(pattern, at)?;
    let Some((before, after)) = text.split_once("%d") else { return Ok(text) };
    let number = |name: &String| name.strip_prefix(before)?.strip_suffix(after)?.parse::<u64>().ok();
    let highest = taken.iter().filter_map(number).max();
    Ok(format!("{before}{}{after}", highest.map_or(0, |highest| highest.saturating_add(1))))
}

fn expand(pattern: &str, at: &Moment) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("{{") {
        let (expression, after) =
            after.split_once("}}").ok_or_else(|| format!("{pattern:?} has a {{{{ without a }}}}"))?;
        text.push_str(before);
        text.push_str(&evaluate(expression.trim(), at)?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

fn evaluate(expression: &str, at: &Moment) -> Result<String, String> {
    let (variable, filter) = match expression.split_once('|') {
        Some((variable, filter)) => (variable.trim(), Some(filter.trim())),
        None => (expression, None),
    };
    if variable != "creation_date" {
        return Err(format!("{variable:?} is not known: a pattern has creation_date only"));
    }
    let Some(filter) = filter else { return Ok(date("2006-01-02_15-04-05", at)) };
    let layout = filter.strip_prefix("date:").map(str::trim).and_then(|quoted| {
        let quote = quoted.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        quoted.strip_prefix(quote)?.strip_suffix(quote)
    });
    match layout {
        Some(layout) => Ok(date(layout, at)),
        None => Err(format!("the filter {filter:?} is not known: it is date:'2006-01-02'")),
    }
}

fn date(layout: &str, at: &Moment) -> String {
    let mut text = String::new();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        let field = FIELDS.iter().find(|(name, _)| rest.starts_with(name));
        match field {
            Some((name, value)) => {
                text.push_str(&value(at));
                rest = &rest[name.len()..];
            }
            None => {
                text.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Moment = Moment { year: 2026, month: 11, day: 30, hour: 1, minute: 39, second: 7 };

    #[test]
    fn patterns_have_dates_and_numbers() {
        let named = |pattern: &str, taken: &[&str]| {
            name(pattern, &AT, &taken.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(named("snap%d", &["snap3", "snap10", "other11"]).as_deref(), Ok("snap11"));
        assert_eq!(named("%d-auto", &[]).as_deref(), Ok("0-auto"));
        let dated = named("a-{{ creation_date|date:'2006-01-02_15-04-05' }}-%d", &[]);
        assert_eq!(dated.as_deref(), Ok("a-2026-11-30_01-39-07-0"));
        assert_eq!(named("{{creation_date | date:\"06\"}}é", &[]).as_deref(), Ok("26é"));
        for wrong in
            ["{{ creation_date", "{{ name }}", "{{ creation_date|upper }}", "{{ creation_date|date:2006 }}"]
        {
            assert!(named(wrong, &[]).is_err(), "{wrong:?}");
        }
    }
}
