//! Which variables a model has (`config --variables`).

use std::collections::BTreeMap;

use hull_yaml::tree::{Node, Value};
use serde::Serialize;

use super::template::{Kind, next};

/// A variable of a model, as its last occurrence describes it.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Variable {
    pub name: String,
    /// The word of `:-` or `-`.
    pub default_value: String,
    /// The word of `:+` or `+`.
    pub presence_value: String,
    /// Whether `:?` or `?` demands a value.
    pub required: bool,
}

/// The variables of all texts below `node`, by their names.
pub fn variables(node: &Node) -> BTreeMap<String, Variable> {
    let mut found = BTreeMap::new();
    of_node(node, &mut found);
    found
}

fn of_node(node: &Node, found: &mut BTreeMap<String, Variable>) {
    match &node.value {
        Value::String(text) => of_text(text, found),
        Value::Sequence(items) => items.iter().for_each(|item| of_node(item, found)),
        Value::Mapping(entries) => entries.values().for_each(|entry| of_node(&entry.node, found)),
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) => {}
    }
}

pub(super) fn of_text(text: &str, found: &mut BTreeMap<String, Variable>) {
    let mut done = 0;
    while let Some((range, kind)) = next(text, done) {
        done = range.end;
        let (name, operator) = match kind {
            Kind::Dollar | Kind::Invalid => continue,
            Kind::Name(name) => (name, None),
            Kind::Braced { name, operator } => (name, operator),
        };
        let mut variable = Variable { name: name.to_owned(), ..Variable::default() };
        let word = operator.map(|(operator, word)| {
            match operator.sign {
                '-' => word.clone_into(&mut variable.default_value),
                '+' => word.clone_into(&mut variable.presence_value),
                _ => variable.required = true,
            }
            (operator.sign, word)
        });
        found.insert(name.to_owned(), variable);
        // Compose does not look for variables in the message of a required one.
        if let Some(('-' | '+', word)) = word {
            of_text(word, found);
        }
    }
}
