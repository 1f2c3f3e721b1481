//! What was probably meant.

/// The error, and the name that differs from the one typed by at most two letters.
pub(super) fn with_suggestion(error: String, typed: &str, names: &[&str]) -> String {
    // The distance costs the product of the lengths, and no name is this long.
    if typed.len() > 40 {
        return error;
    }
    let typed = typed.to_ascii_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&name.to_ascii_lowercase(), &typed);
    let near =
        names.iter().map(|name| (distance(name), *name)).filter(|(far, _)| (1..=2).contains(far)).min();
    match near {
        Some((_, name)) => format!("{error} (did you mean {name}?)"),
        None => error,
    }
}
