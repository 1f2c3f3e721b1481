//! The order of a mapping's keys in YAML, where Go's library sorts numbers by their value: `a2` before `a10`.

use std::cmp::Ordering;

/// Stable, and without the demand that the order is total: it is not for numbers that overflow, at which the standard
/// library's sort may panic.
pub(super) fn sorted<T>(entries: Vec<(String, T)>) -> Vec<(String, T)> {
    if entries.len() < 2 {
        return entries;
    }
    let mut first = entries;
    let second = first.split_off(first.len() / 2);
    let (mut first, mut second) =
        (sorted(first).into_iter().peekable(), sorted(second).into_iter().peekable());
    let mut merged = Vec::with_capacity(first.len() + second.len());
    loop {
        let takes_second = match (first.peek(), second.peek()) {
            (Some(first), Some(second)) => natural(&second.0, &first.0) == Ordering::Less,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        match if takes_second { second.next() } else { first.next() } {
            Some(entry) => merged.push(entry),
            None => return merged,
        }
    }
}

/// At the first character that differs: letters by their code, a letter before other characters if it follows a digit and
/// after them otherwise, and digits by the number that they begin.
fn natural(one: &str, other: &str) -> Ordering {
    let mut follows_digit = false;
    for ((at, left), right) in one.char_indices().zip(other.chars()) {
        if left == right {
            follows_digit = left.is_ascii_digit();
            continue;
        }
        return match (left.is_alphabetic(), right.is_alphabetic()) {
            (true, true) => left.cmp(&right),
            (true, false) if follows_digit => Ordering::Less,
            (false, true) if !follows_digit => Ordering::Less,
            (true, false) | (false, true) => Ordering::Greater,
            (false, false) => {
                // A zero that follows other digits is a digit of their number, and none that leads.
                let is_inside = left == '0' || right == '0';
                let start = i64::from(is_inside && ends_in_number(&one[..at]));
                // Both texts are the same up to here, and so are their bytes.
                let (left_number, left_length) = number(&one[at..], start);
                let (right_number, right_length) = number(&other[at..], start);
                (left_number, left_length, left).cmp(&(right_number, right_length, right))
            }
        };
    }
    one.chars().count().cmp(&other.chars().count())
}

fn ends_in_number(text: &str) -> bool {
    text.bytes().rev().take_while(u8::is_ascii_digit).any(|digit| digit != b'0')
}

/// The value of the digits at the beginning, and how many they are.
fn number(text: &str, start: i64) -> (i64, usize) {
    text.bytes().take_while(u8::is_ascii_digit).fold((start, 0), |(number, length), digit| {
        (number.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')), length + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::sorted;

    #[test]
    fn keys_have_the_order_of_yaml_v3() {
        let names = |keys: &[&str]| {
            sorted(keys.iter().map(|key| ((*key).to_owned(), ())).collect())
                .into_iter()
                .map(|(key, ())| key)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&["a10", "a9", "b", "a1b", "a1-"]), ["a1b", "a1-", "a9", "a10", "b"]);
        // The order of the number is not defined when it overflows; only that sorting ends.
        let long: Vec<String> = (0..200).map(|number| format!("{number}99999999999999999999")).collect();
        assert_eq!(names(&long.iter().map(String::as_str).collect::<Vec<_>>()).len(), 200);
    }
}
