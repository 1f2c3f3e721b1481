//! Events of the parser become one value, and each node is counted before it is made.

use std::collections::HashMap;

use saphyr_parser::{Event, ScalarStyle, Tag};
use serde_json::{Map, Value};

use crate::limits::{Meter, Size};
use crate::{NODES, TEXT, scalar};

#[derive(Debug)]
pub(crate) struct Builder {
    root: Option<Value>,
    /// The sequences and mappings that have begun and not ended, the innermost one last.
    open: Vec<Open>,
    /// Finished nodes by the number of their anchor.
    anchors: HashMap<usize, (Value, Size)>,
    /// Counts all that is made, with the copies for anchors and aliases.
    made: Meter,
}

#[derive(Debug)]
struct Open {
    collection: Collection,
    anchor: usize,
    size: Size,
}

#[derive(Debug)]
enum Collection {
    Sequence(Vec<Value>),
    /// The second part is the key whose value is next.
    Mapping(Map<String, Value>, Option<String>),
}

impl Default for Builder {
    fn default() -> Self {
        Self { root: None, open: Vec::new(), anchors: HashMap::new(), made: Meter::new(NODES, TEXT) }
    }
}

impl Builder {
    pub(crate) fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => Err("a second document begins".into()),
            Event::Scalar(text, style, anchor, tag) => {
                let size = Size { nodes: 1, text: text.len(), depth: 0 };
                self.pay(size)?;
                let is_plain = matches!(style, ScalarStyle::Plain);
                let value = scalar::value(&text, is_plain, core_tag(tag.as_deref())?)?;
                self.add(value, size, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(Collection::Sequence(Vec::new()), anchor, tag.as_deref())
            }
            Event::MappingStart(anchor, tag) => {
                self.begin(Collection::Mapping(Map::new(), None), anchor, tag.as_deref())
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                // The parser knows the anchor already while its node has not ended.
                let Some((_, size)) = self.anchors.get(&anchor) else {
                    return Err("an alias stands inside of its own node".into());
                };
                let size = *size;
                self.pay(size)?;
                let value = self.anchors[&anchor].0.clone();
                self.add(value, size, 0)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    pub(crate) fn finish(self) -> Option<Value> {
        self.root
    }

    fn pay(&mut self, size: Size) -> Result<(), String> {
        self.made.pay(size, self.open.len())
    }

    fn begin(&mut self, collection: Collection, anchor: usize, tag: Option<&Tag>) -> Result<(), String> {
        let expected = match &collection {
            Collection::Sequence(_) => "seq",
            Collection::Mapping(..) => "map",
        };
        match core_tag(tag)? {
            Some(other) if other != expected => return Err(format!("the tag !!{other} is on a {expected}")),
            _ => {}
        }
        let size = Size { nodes: 1, text: 0, depth: 1 };
        self.pay(size)?;
        self.open.push(Open { collection, anchor, size });
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let Open { collection, anchor, size } = self.open.pop().ok_or("nothing is open that could end")?;
        let value = match collection {
            Collection::Sequence(items) => Value::Array(items),
            Collection::Mapping(entries, _) => Value::Object(entries),
        };
        self.add(value, size, anchor)
    }

    /// Puts a finished node into the one that contains it.
    fn add(&mut self, value: Value, size: Size, anchor: usize) -> Result<(), String> {
        if anchor != 0 {
            self.pay(size)?;
            self.anchors.insert(anchor, (value.clone(), size));
        }
        let Some(Open { collection, size: outer, .. }) = self.open.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        outer.contain(size);
        match collection {
            Collection::Sequence(items) => items.push(value),
            Collection::Mapping(entries, key) => match key.take() {
                None => *key = Some(new_key(entries, value)?),
                Some(key) => drop(entries.insert(key, value)),
            },
        }
        Ok(())
    }
}

/// JSON has no keys but strings.
fn new_key(entries: &Map<String, Value>, value: Value) -> Result<String, String> {
    let key = match value {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Null => return Err("a key is null".into()),
        Value::Array(_) | Value::Object(_) => return Err("a key is not a scalar".into()),
    };
    match entries.contains_key(&key) {
        true => Err(format!("the key {:?} is there twice", scalar::shown(&key))),
        false => Ok(key),
    }
}

/// The name of a tag of the core schema.
fn core_tag(tag: Option<&Tag>) -> Result<Option<&str>, String> {
    match tag {
        None => Ok(None),
        Some(tag) if tag.is_yaml_core_schema() => Ok(Some(&tag.suffix)),
        Some(tag) => Err(format!("the tag {} is unknown", scalar::shown(&tag.to_string()))),
    }
}
