//! The functions of templates: Go's own, and the ones that docker adds.

use std::cmp::Ordering;

use serde_json::Value;

use super::MAX_OUTPUT;
use super::format::{self, MAX_WIDTH};
use super::json::{describe, integer};
use super::value::Item;

type Outcome<'d> = Result<Item<'d>, String>;

#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// The minimum number of arguments.
    least: usize,
    /// The maximum number of arguments.
    most: usize,
    pub(super) run: Run,
}

pub(super) enum Run {
    Call(for<'d> fn(Vec<Item<'d>>) -> Outcome<'d>),
    /// The first argument with this truth value is the result, and later arguments are not evaluated.
    UpTo(bool),
}

const ANY: usize = usize::MAX;

static FUNCTIONS: [Function; 23] = [
    Function { name: "and", least: 1, most: ANY, run: Run::UpTo(false) },
    Function { name: "eq", least: 2, most: ANY, run: Run::Call(eq) },
    Function { name: "ge", least: 2, most: 2, run: Run::Call(|v| order(&v, Ordering::is_ge)) },
    Function { name: "gt", least: 2, most: 2, run: Run::Call(|v| order(&v, Ordering::is_gt)) },
    Function { name: "index", least: 1, most: ANY, run: Run::Call(index) },
    Function { name: "join", least: 2, most: 2, run: Run::Call(join) },
    Function { name: "json", least: 1, most: 1, run: Run::Call(json) },
    Function { name: "le", least: 2, most: 2, run: Run::Call(|v| order(&v, Ordering::is_le)) },
    Function { name: "len", least: 1, most: 1, run: Run::Call(len) },
    Function { name: "lower", least: 1, most: 1, run: Run::Call(|v| made(text(&v[0])?.to_lowercase())) },
    Function { name: "lt", least: 2, most: 2, run: Run::Call(|v| order(&v, Ordering::is_lt)) },
    Function {
        name: "ne",
        least: 2,
        most: 2,
        run: Run::Call(|v| Ok(Value::from(!same(&v[0], &v[1])?).into())),
    },
    Function { name: "not", least: 1, most: 1, run: Run::Call(|v| Ok(Value::from(!v[0].truth()).into())) },
    Function { name: "or", least: 1, most: ANY, run: Run::UpTo(true) },
    Function { name: "pad", least: 3, most: 3, run: Run::Call(pad) },
    Function { name: "print", least: 0, most: ANY, run: Run::Call(print) },
    Function { name: "printf", least: 1, most: ANY, run: Run::Call(printf) },
    Function { name: "println", least: 0, most: ANY, run: Run::Call(println) },
    Function { name: "slice", least: 1, most: 4, run: Run::Call(slice) },
    Function { name: "split", least: 2, most: 2, run: Run::Call(split) },
    Function { name: "title", least: 1, most: 1, run: Run::Call(|v| made(title(text(&v[0])?))) },
    Function { name: "truncate", least: 2, most: 2, run: Run::Call(truncate) },
    Function { name: "upper", least: 1, most: 1, run: Run::Call(|v| made(text(&v[0])?.to_uppercase())) },
];

/// The function with this name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// The names of all functions, for errors.
pub(super) fn names() -> String {
    let names: Vec<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
    names.join(", ")
}

impl Function {
    /// Fails unless the function can be called with `count` arguments. The functions rely on it.
    pub(super) fn check_count(&self, count: usize) -> Result<(), String> {
        if (self.least..=self.most).contains(&count) {
            return Ok(());
        }
        let wanted = match (self.least, self.most) {
            (least, most) if least == most => least.to_string(),
            (least, ANY) => format!("at least {least}"),
            (least, most) => format!("{least} to {most}"),
        };
        Err(format!("takes {wanted} argument{}, not {count}", if wanted.ends_with('1') { "" } else { "s" }))
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Call(_)) { "Call" } else { "UpTo" })
    }
}

/// docker's method `.Label "key"`: the label's value, or an empty text. `Labels` is an object in `inspect`, and the
/// text `a=1,b=2` in lists.
pub(super) fn label<'d>(labelled: Item<'d>, key: &str) -> Item<'d> {
    let labels = labelled.key("Labels");
    let found = match labels.value() {
        Value::Object(map) => map.get(key).cloned(),
        Value::String(text) => {
            let mut pairs = text.split(',').filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| *name == key).map(|(_, value)| Value::from(value))
        }
        _ => None,
    };
    found.unwrap_or(Value::from("")).into()
}

/// A string that a function made. Fails if it exceeds the limit.
fn made<'d>(text: String) -> Outcome<'d> {
    if text.len() > MAX_OUTPUT {
        return Err(format!("the result is larger than {MAX_OUTPUT} bytes"));
    }
    Ok(Value::from(text).into())
}

fn text<'a>(item: &'a Item<'_>) -> Result<&'a str, String> {
    match item.value() {
        Value::String(text) => Ok(text),
        value => Err(format!("wants a string, not {} ({})", describe(value), item.print())),
    }
}

/// An argument that is a count or an index.
fn whole(item: &Item<'_>) -> Result<usize, String> {
    match item.value() {
        Value::Number(number) => {
            let integer = integer(number).and_then(|integer| usize::try_from(integer).ok());
            integer.ok_or_else(|| format!("wants an integer from 0, not {number}"))
        }
        value => Err(format!("wants an integer, not {} ({})", describe(value), item.print())),
    }
}

fn eq<'d>(values: Vec<Item<'d>>) -> Outcome<'d> {
    for other in &values[1..] {
        if same(&values[0], other)? {
            return Ok(Value::from(true).into());
        }
    }
    Ok(Value::from(false).into())
}

fn same(a: &Item<'_>, b: &Item<'_>) -> Result<bool, String> {
    match (a.value(), b.value()) {
        (Value::Null, b) => Ok(b.is_null()),
        (_, Value::Null) => Ok(false),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        _ => compare(a, b).map(Ordering::is_eq),
    }
}

fn order<'d>(values: &[Item<'d>], wanted: fn(Ordering) -> bool) -> Outcome<'d> {
    compare(&values[0], &values[1]).map(|ordering| Value::from(wanted(ordering)).into())
}

fn compare(a: &Item<'_>, b: &Item<'_>) -> Result<Ordering, String> {
    let cannot = || format!("cannot compare {} with {}", describe(a.value()), describe(b.value()));
    match (a.value(), b.value()) {
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => match (integer(a), integer(b)) {
            (Some(a), Some(b)) => Ok(a.cmp(&b)),
            // JSON does not distinguish 2.0 from 2 as Go's types do, so they can be compared.
            _ => a.as_f64().partial_cmp(&b.as_f64()).ok_or_else(cannot),
        },
        _ => Err(cannot()),
    }
}

fn index<'d>(values: Vec<Item<'d>>) -> Outcome<'d> {
    let mut values = values.into_iter();
    let mut item = values.next().unwrap_or(Value::Null.into());
    for key in values {
        item = match (item.value(), key.value()) {
            // The zero value of a map of strings, which is what docker's maps are.
            (Value::Object(map), Value::String(key)) if !map.contains_key(key) => Value::from("").into(),
            (Value::Object(_) | Value::Null, Value::String(key)) => item.key(key),
            (Value::Object(_), _) => text(&key).map(|_| item)?,
            (Value::Array(array), _) => {
                let (at, len) = (whole(&key)?, array.len());
                item.element(at).ok_or_else(|| format!("{at} is out of range; there are {len} elements"))?
            }
            (Value::String(text), _) => {
                let (at, len) = (whole(&key)?, text.len());
                let byte = text.as_bytes().get(at).copied();
                Value::from(byte.ok_or_else(|| format!("{at} is out of range; there are {len} bytes"))?)
                    .into()
            }
            (Value::Null, _) => return Err(format!("{} is out of range; the list is null", key.print())),
            (value, _) => return Err(format!("cannot index {}", describe(value))),
        };
    }
    Ok(item)
}

fn len<'d>(values: Vec<Item<'d>>) -> Outcome<'d> {
    let len = match values[0].value() {
        // In Go a list that was never made (nil) counts as an empty one.
        Value::Null => 0,
        Value::String(text) => text.len(),
        Value::Array(array) => array.len(),
        Value::Object(map) => map.len(),
        value => return Err(format!("{} has no length", describe(value))),
    };
    Ok(Value::from(len).into())
}

fn slice<'d>(values: Vec<Item<'d>>) -> Outcome<'d> {
    let bounds = values[1..].iter().map(whole).collect::<Result<Vec<usize>, String>>()?;
    let len = match values[0].value() {
        Value::String(_) if bounds.len() == 3 => {
            return Err("of a string takes at most two bounds".to_owned());
        }
        Value::String(text) => text.len(),
        Value::Array(array) => array.len(),
        value => return Err(format!("cannot slice {}", describe(value))),
    };
    // The third bound is a capacity, which only has to be within the limits.
    let (start, end) = (bounds.first().copied().unwrap_or(0), bounds.get(1).copied().unwrap_or(len));
    let capacity = bounds.get(2).copied().unwrap_or(len);
    let bad = || format!("{start} to {end} is out of range; there are {len}");
    if !(start <= end && end <= capacity && capacity <= len) {
        return Err(bad());
    }
    match values[0].value() {
        Value::Array(array) => Ok(Value::from(&array[start..end]).into()),
        Value::String(text) => match text.get(start..end) {
            Some(part) => made(part.to_owned()),
            None => Err(format!("{start} to {end} cuts a character in two")),
        },
        _ => Err(bad()),
    }
}

/// Like Go, puts a blank between two arguments only if neither is a string.
fn print<'d>(values: Vec<Item<'d>>) -> Outcome<'d> {
    let mut output = String::new();
    let mut previous_is_string = true;
    for item in &values {
        if !previous_is_string && !item.value().is_string() {
            output.push(' ');
        }
        output += &format::plain(item.value());
        previous_is_string = item.value().is_string();
    }
    made(output)
}

fn println<'d>(values: Vec<Item<'d>>) -> Outcome<'d> {
    let parts: Vec<String> = values.iter().map(|item| format::plain(item.value())).collect();
    made(parts.join(" ") + "\n")
}

fn printf<'d>(values: Vec<Item<'d>>) -> Outcome<'d> {
    let arguments: Vec<&Value> = values[1..].iter().map(Item::value).collect();
    made(format::printf(text(&values[0])?, &arguments)?)
}

fn json<'d>(values: Vec<Item<'d>>) -> Outcome<'d> {
    let text = serde_json::to_string(values[0].value()).map_err(|error| error.to_string())?;
    made(hull_printable::json(&text).into_owned())
}

fn split<'d>(values: Vec<Item<'d>>) -> Outcome<'d> {
    let (whole, separator) = (text(&values[0])?, text(&values[1])?);
    let parts: Vec<Value> = match separator {
        // An empty separator matches between characters, but not before the first or after the last one.
        "" => whole.chars().map(|c| Value::from(c.to_string())).collect(),
        separator => whole.split(separator).map(Value::from).collect(),
    };
    Ok(Value::from(parts).into())
}

fn join<'d>(values: Vec<Item<'d>>) -> Outcome<'d> {
    let separator = text(&values[1])?;
    match values[0].value() {
        // In Go a list that was never made (nil) counts as an empty one.
        Value::Null => made(String::new()),
        Value::Array(array) => made(array.iter().map(format::plain).collect::<Vec<_>>().join(separator)),
        value => Err(format!("wants an array, not {}", describe(value))),
    }
}

/// Capitals at the start of each word.
fn title(text: &str) -> String {
    let mut output = String::with_capacity(text.len());
    let mut in_word = false;
    for c in text.chars() {
        if in_word {
            output.push(c);
        } else {
            output.extend(c.to_uppercase());
        }
        in_word = c.is_alphanumeric() || c == '_' || !(c.is_ascii() || c.is_whitespace());
    }
    output
}

fn pad<'d>(values: Vec<Item<'d>>) -> Outcome<'d> {
    let (text, before, after) = (text(&values[0])?, whole(&values[1])?, whole(&values[2])?);
    if before > MAX_WIDTH || after > MAX_WIDTH {
        return Err(format!("more than {MAX_WIDTH} blanks"));
    }
    // docker does not pad an empty text.
    if text.is_empty() {
        return made(String::new());
    }
    made(format!("{}{text}{}", " ".repeat(before), " ".repeat(after)))
}

fn truncate<'d>(values: Vec<Item<'d>>) -> Outcome<'d> {
    let (text, most) = (text(&values[0])?, whole(&values[1])?);
    made(text.chars().take(most).collect())
}
