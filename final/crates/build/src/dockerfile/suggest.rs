//! What was probably meant.

/// The error, and the name that differs from the one typed by at most two letters.
pub(super) fn with_suggestion(error: String, typed: &str, names: &[&str]) -> String {
    match nearest(typed, names.iter().copied()) {
        Some(name) => format!("{error} (did you mean {name}?)"),
        None => error,
    }
}

/// The name that differs from the one typed by one or two letters, and not only in upper and lower case.
pub(crate) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // The distance costs the product of the lengths, and no name is this long.
    if typed.len() > 40 {
        return None;
    }
    let typed = typed.to_ascii_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&name.to_ascii_lowercase(), &typed);
    let short = names.filter(|name| name.len() <= 42);
    let near = short.map(|name| (distance(name), name)).filter(|(far, _)| (1..=2).contains(far)).min();
    near.map(|(_, name)| name)
}
