//! Which keys a compose file may have, and of which type their values are: the rules of the compose specification's schema
//! (<https://github.com/compose-spec/compose-spec/blob/main/schema/compose-spec.json>).
//!
//! ```text
//! rule      of what the rules are made
//! common    rules that several objects share
//! service, deploy, mount, resource   the objects
//! ```

mod common;
mod deploy;
mod mount;
mod resource;
mod rule;
mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::model::kind;
use crate::path::Path;
use crate::print::{Form, Tree, json};
use crate::{Error, Node, Result, Value};
use hull_yaml::tree::{TIMESTAMP, UNSIGNED};
use rule::{BOOLEAN, INTEGER, List, Map, NULL, NUMBER, Object, Rule, STRING};

/// Checks a document, in the short or in the long syntax.
pub fn check(document: &Node) -> Result<()> {
    object(document, &Path::ROOT, &resource::DOCUMENT)
}

fn value(node: &Node, path: &Path<'_>, rule: &Rule) -> Result<()> {
    match rule {
        Rule::Any => Ok(()),
        Rule::Scalar(_) | Rule::Duration | Rule::List(_) | Rule::Map(_) | Rule::Object(_)
            if !fits(node, rule) =>
        {
            Err(wrong_type(node, path, std::slice::from_ref(rule)))
        }
        Rule::Scalar(_) | Rule::Duration => Ok(()),
        Rule::Word(words) => word(node, path, words),
        Rule::Text(is_valid, expected) => match &node.value {
            Value::String(text) if is_valid(text) => Ok(()),
            Value::String(text) => Err(path.error(node, format_args!("{text:?} is wrong: {expected}"))),
            _ => Err(wrong_type(node, path, std::slice::from_ref(rule))),
        },
        Rule::Range(least, most) => range(node, path, *least, *most),
        Rule::List(rule) => list(node, path, rule),
        Rule::Map(rule) => map(node, path, rule),
        Rule::Object(rule) => object(node, path, rule),
        Rule::Either(rules) => match rules.iter().find(|rule| fits(node, rule)) {
            Some(rule) => value(node, path, rule),
            None => Err(wrong_type(node, path, rules)),
        },
    }
}

/// Whether a value is of a rule's type, whatever is in it.
fn fits(node: &Node, rule: &Rule) -> bool {
    match rule {
        Rule::Any => true,
        Rule::Scalar(types) => types & type_of(node) != 0,
        Rule::Word(_) | Rule::Text(..) | Rule::Duration => type_of(node) == STRING,
        Rule::Range(..) => type_of(node) & (STRING | INTEGER) != 0,
        Rule::List(_) => matches!(node.value, Value::Sequence(_)),
        Rule::Map(_) | Rule::Object(_) => matches!(node.value, Value::Mapping(_)),
        Rule::Either(rules) => rules.iter().any(|rule| fits(node, rule)),
    }
}

/// The types that a scalar has. A date has none: Compose knows no attribute that is one.
fn type_of(node: &Node) -> u8 {
    match &node.value {
        Value::String(_) if node.has_tag(TIMESTAMP) => 0,
        Value::String(_) if node.has_tag(UNSIGNED) => NUMBER | INTEGER,
        Value::String(_) => STRING,
        Value::Integer(_) => NUMBER | INTEGER,
        Value::Float(value) if value.fract() == 0.0 => NUMBER | INTEGER,
        Value::Float(_) => NUMBER,
        Value::Bool(_) => BOOLEAN,
        Value::Null => NULL,
        Value::Sequence(_) | Value::Mapping(_) => 0,
    }
}

fn word(node: &Node, path: &Path<'_>, words: &[&str]) -> Result<()> {
    match &node.value {
        Value::String(text) if words.contains(&text.as_str()) => Ok(()),
        Value::String(text) => {
            let error = path.error(node, format_args!("{text:?} is none of: {}", words.join(", ")));
            Err(error.did_you_mean(text, words.iter().copied()))
        }
        _ => Err(wrong_type(node, path, &[Rule::Scalar(STRING)])),
    }
}

fn range(node: &Node, path: &Path<'_>, least: i64, most: i64) -> Result<()> {
    let number = match &node.value {
        _ if type_of(node) == STRING => return Ok(()),
        Value::Integer(number) => *number,
        Value::Float(number) if number.fract() == 0.0 => *number as i64,
        _ => return Err(wrong_type(node, path, &[Rule::Scalar(INTEGER | STRING)])),
    };
    let why = match number {
        number if number < least => format!("{number} is less than {least}"),
        number if number > most => format!("{number} is more than {most}"),
        _ => return Ok(()),
    };
    Err(path.error(node, why))
}

fn list(node: &Node, path: &Path<'_>, rule: &List) -> Result<()> {
    let Value::Sequence(items) = &node.value else { return Ok(()) };
    for (index, item) in items.iter().enumerate() {
        value(item, &path.index(index), &rule.item)?;
    }
    if rule.is_set {
        // As text, because comparing each with each takes too long for a list of a hundred thousand.
        let mut known = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            if !known.insert(json::compact(&Tree::of(item, Form::Json))) {
                return Err(path
                    .index(index)
                    .error(item, "this item is in the list already")
                    .hint("remove one"));
            }
        }
    }
    Ok(())
}

fn map(node: &Node, path: &Path<'_>, rule: &Map) -> Result<()> {
    let Value::Mapping(entries) = &node.value else { return Ok(()) };
    for (key, entry) in entries {
        // Where Compose takes any key, it looks at the values of valid ones only; the others would be half ignored.
        if rule.key.is_valid(key) || !rule.is_closed {
            value(&entry.node, &path.key(key), &rule.value)?;
        } else {
            let why = format!("{path}: the key {key:?} is not allowed: {}", rule.key.expected());
            return Err(Error::new(why).at(entry.key));
        }
    }
    Ok(())
}

fn object(node: &Node, path: &Path<'_>, rule: &Object) -> Result<()> {
    let Value::Mapping(entries) = &node.value else {
        return Err(wrong_type(node, path, &[]).hint("a compose file is a mapping, with the key services"));
    };
    for (key, entry) in entries {
        match rule.keys.iter().find(|(name, _)| name == key) {
            Some((_, rule)) => value(&entry.node, &path.key(key), rule)?,
            None if rule.is_open || rule.is_extensible && key.starts_with("x-") => {}
            None => return Err(unknown_key(path, key, entry.key, rule)),
        }
    }
    match rule.required.iter().find(|key| !entries.contains_key(**key)) {
        Some(key) => Err(path.error(node, format_args!("the key {key:?} is missing"))),
        None => Ok(()),
    }
}

fn unknown_key(path: &Path<'_>, key: &str, place: crate::Place, rule: &Object) -> Error {
    let at = match path.to_string() {
        top if top.is_empty() => "the top level".to_owned(),
        path => path,
    };
    let error = Error::new(format!("{at}: there is no key {key:?} here")).at(place);
    error.did_you_mean(key, rule.keys.iter().map(|(name, _)| *name))
}

fn wrong_type(node: &Node, path: &Path<'_>, rules: &[Rule]) -> Error {
    let mut wanted = Vec::new();
    rules.iter().for_each(|rule| names(rule, &mut wanted));
    if wanted.is_empty() {
        wanted.push("a mapping");
    }
    let wanted = match wanted.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    };
    let takes_numbers = rules.iter().any(takes_numbers);
    let is = match &node.value {
        _ if node.has_tag(TIMESTAMP) => "a date",
        Value::Float(_) if takes_numbers => "a number with a fraction",
        _ => kind(node),
    };
    let error = path.error(node, format_args!("must be {wanted}, but it is {is}"));
    match node.value {
        Value::Mapping(_) | Value::Sequence(_) | Value::Null => error,
        Value::Integer(_) | Value::Float(_) if takes_numbers => error,
        Value::Integer(_) | Value::Float(_) if fits_boolean(rules) => error.hint("write true or false"),
        _ if matches!(rules, [Rule::Duration]) => error.hint("add the unit, as in 10s or 1m30s"),
        _ if rules.iter().any(takes_text) => error.hint("put it in quotes"),
        _ => error,
    }
}

fn takes_text(rule: &Rule) -> bool {
    match rule {
        Rule::Scalar(types) => types & STRING != 0,
        Rule::Text(..) | Rule::Word(_) | Rule::Range(..) => true,
        Rule::Either(rules) => rules.iter().any(takes_text),
        _ => false,
    }
}

fn fits_boolean(rules: &[Rule]) -> bool {
    matches!(rules, [Rule::Scalar(types)] if *types == BOOLEAN | STRING)
}

fn takes_numbers(rule: &Rule) -> bool {
    match rule {
        Rule::Scalar(types) => types & (NUMBER | INTEGER) != 0,
        Rule::Range(..) => true,
        Rule::Either(rules) => rules.iter().any(takes_numbers),
        _ => false,
    }
}

/// The names of a rule's types, for an error.
fn names(rule: &Rule, to: &mut Vec<&'static str>) {
    let mut add = |name| {
        if !to.contains(&name) {
            to.push(name);
        }
    };
    match rule {
        Rule::Any => {}
        Rule::Scalar(types) => {
            let known = [
                (STRING, "a string"),
                (NUMBER, "a number"),
                (INTEGER, "a whole number"),
                (BOOLEAN, "a boolean"),
                (NULL, "null"),
            ];
            known.iter().filter(|(bit, _)| types & bit != 0).for_each(|(_, name)| add(*name));
        }
        Rule::Word(_) | Rule::Text(..) | Rule::Duration => add("a string"),
        Rule::Range(..) => {
            add("a string");
            add("a whole number");
        }
        Rule::List(_) => add("a list"),
        Rule::Map(_) | Rule::Object(_) => add("a mapping"),
        Rule::Either(rules) => rules.iter().for_each(|rule| names(rule, to)),
    }
}
