//! The words of a line.

/// The blanks that separate words. Line ends and Unicode's blanks do not.
pub(super) fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\u{b}' | '\u{c}' | '\r')
}

/// The words between blanks.
pub(super) fn at_blanks(text: &str) -> Vec<String> {
    text.split(is_blank).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The words between blanks that are neither quoted nor escaped. Quotes and escape characters stay: expansion removes
/// them.
pub(super) fn quoted(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if quote.is_none() && char.is_whitespace() {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        if char == escape && quote != Some('\'') {
            // An escape character at the end is dropped.
            let Some(escaped) = chars.next() else { break };
            word.extend([char, escaped]);
            continue;
        }
        match quote {
            Some(open) if open == char => quote = None,
            None if matches!(char, '"' | '\'') => quote = Some(char),
            _ => {}
        }
        word.push(char);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Names and values in turn, and whether they are in the old form, `NAME VALUE`.
pub(super) fn pairs(text: &str, keyword: &str, escape: char) -> Result<(Vec<String>, bool), String> {
    let words = quoted(text, escape);
    let Some(first) = words.first() else { return Ok((vec![], false)) };
    if !first.contains('=') {
        let (name, value) =
            text.split_once(is_blank).ok_or_else(|| format!("{keyword} must have two arguments"))?;
        return Ok((vec![name.into(), value.trim_start_matches(is_blank).into()], true));
    }
    let mut pairs = Vec::with_capacity(2 * words.len());
    for word in words {
        let (name, value) = word.split_once('=').ok_or_else(|| {
            format!("Syntax error - can't find = in {word:?}. Must be of the form: name=value")
        })?;
        pairs.extend([name.into(), value.into()]);
    }
    Ok((pairs, false))
}

/// The strings of a JSON list. `None` if the text is no JSON list: then it is for the shell.
pub(super) fn json(text: &str) -> Result<Option<Vec<String>>, String> {
    let text = text.trim_start();
    if !text.starts_with('[') {
        return Ok(None);
    }
    let Ok(list) = serde_json::from_str::<Vec<serde_json::Value>>(text) else { return Ok(None) };
    let strings = list.into_iter().map(|element| match element {
        serde_json::Value::String(string) => Ok(string),
        _ => Err("when using JSON array syntax, arrays must be comprised of strings only".into()),
    });
    strings.collect::<Result<_, String>>().map(Some)
}
