//! Events of the parser become trees. Each node is counted before it is made.

use std::collections::HashMap;

use saphyr_parser::{Event, ScalarStyle, Tag};

use super::{Entry, Mapping, NODES, Node, Place, TEXT, Value, merge, scalar};
use crate::limits::{Meter, Size};
use crate::scalar::shown;

#[derive(Debug)]
pub(super) struct Builder {
    documents: Vec<Node>,
    /// The sequences and mappings that have begun and not ended, the innermost one last.
    open: Vec<Open>,
    /// Finished nodes by the number of their anchor.
    anchors: HashMap<usize, (Node, Size)>,
    made: Meter,
    /// How many characters the text has, if no line break ends it.
    open_end: Option<usize>,
}

#[derive(Debug)]
struct Open {
    collection: Collection,
    place: Place,
    tag: Option<String>,
    anchor: usize,
    size: Size,
}

#[derive(Debug)]
enum Collection {
    Sequence(Vec<Node>),
    Mapping { entries: Mapping, key: Option<Key>, merge: Option<(Place, Node)> },
}

/// A key whose value is next.
#[derive(Debug)]
struct Key {
    name: String,
    place: Place,
    /// A plain `<<`.
    is_merge: bool,
}

impl Builder {
    pub(super) fn new(text: &str) -> Self {
        let made = Meter::new(NODES, TEXT);
        let open_end = (!text.ends_with('\n')).then(|| text.chars().count());
        Self { documents: Vec::new(), open: Vec::new(), anchors: HashMap::new(), made, open_end }
    }

    /// `end` is the number of characters before the end of the event.
    pub(super) fn take(&mut self, event: Event<'_>, place: Place, end: usize) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let size = Size { nodes: 1, text: text.len(), depth: 0 };
                self.made.pay(size, self.open.len())?;
                let is_plain = matches!(style, ScalarStyle::Plain);
                // The parser ends the last line of a block. yaml.v3 does not, where the file does not.
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let is_open = is_block && self.open_end == Some(end);
                let text = if is_open { text.strip_suffix('\n').unwrap_or(&text) } else { &text };
                let is_merge = is_plain && tag.is_none() && text == "<<";
                let tag = tag.as_deref().and_then(full);
                let (value, tag) = scalar::resolve(text, is_plain, tag.as_deref())?;
                let tag = tag.map(str::to_owned);
                self.add(Node { value, place, tag }, size, anchor, is_merge)
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(Collection::Sequence(Vec::new()), place, tag.as_deref(), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                let collection = Collection::Mapping { entries: Mapping::new(), key: None, merge: None };
                self.begin(collection, place, tag.as_deref(), anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                // The parser knows the anchor already while its node has not ended.
                let Some((_, size)) = self.anchors.get(&anchor) else {
                    return Err(format!("an alias stands inside of its own node, at {}", self.path()));
                };
                let size = *size;
                self.made.pay(size, self.open.len())?;
                let node = self.anchors[&anchor].0.clone();
                self.add(node, size, 0, false)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    pub(super) fn finish(self) -> Vec<Node> {
        self.documents
    }

    fn begin(
        &mut self,
        collection: Collection,
        place: Place,
        tag: Option<&Tag>,
        anchor: usize,
    ) -> Result<(), String> {
        let size = Size { nodes: 1, text: 0, depth: 1 };
        self.made.pay(size, self.open.len())?;
        // yaml.v3 has no use for a tag of the core schema on a collection.
        let tag = tag.and_then(full).filter(|tag| !tag.starts_with("!!"));
        self.open.push(Open { collection, place, tag, anchor, size });
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let Open { collection, place, tag, anchor, size } =
            self.open.pop().ok_or("nothing is open that could end")?;
        let value = match collection {
            Collection::Sequence(items) => Value::Sequence(items),
            Collection::Mapping { mut entries, merge, .. } => {
                if let Some((key, node)) = merge {
                    merge::apply(&mut entries, node)
                        .map_err(|why| format!("{why}, which begins in line {}", key.line))?;
                }
                Value::Mapping(entries)
            }
        };
        self.add(Node { value, place, tag }, size, anchor, false)
    }

    /// Puts a finished node into the one that contains it.
    fn add(&mut self, node: Node, size: Size, anchor: usize, is_merge: bool) -> Result<(), String> {
        if anchor != 0 {
            self.made.pay(size, self.open.len())?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(Open { collection, size: outer, .. }) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        outer.contain(size);
        match collection {
            Collection::Sequence(items) => items.push(node),
            Collection::Mapping { entries, key, merge } => match key.take() {
                Some(Key { is_merge: true, place, .. }) => *merge = Some((place, node)),
                Some(Key { name, place, .. }) => drop(entries.insert(name, Entry { key: place, node })),
                None => {
                    let earlier = merge.as_ref().filter(|_| is_merge).map(|(place, _)| *place);
                    match new_key(entries, node, is_merge, earlier) {
                        Ok(next) => *key = Some(next),
                        Err(why) => return Err(why.in_mapping(&self.path())),
                    }
                }
            },
        }
        Ok(())
    }

    /// Of the innermost sequence or mapping that is open: `services.web.ports[0]`.
    fn path(&self) -> String {
        let mut path = String::new();
        let outer = self.open.len().saturating_sub(1);
        for open in &self.open[..outer] {
            match &open.collection {
                Collection::Sequence(items) => path.push_str(&format!("[{}]", items.len())),
                Collection::Mapping { key, .. } => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key.as_ref().map_or("?", |key| shown(&key.name)));
                }
            }
        }
        path
    }
}

enum BadKey {
    Twice(String, u32),
    NoString(String),
    NoScalar,
}

impl BadKey {
    /// Compose's own words for the first two.
    fn in_mapping(&self, path: &str) -> String {
        let place = if path.is_empty() { "at top level".to_owned() } else { format!("in {path}") };
        match self {
            Self::Twice(name, line) => {
                let place = if path.is_empty() { String::new() } else { format!("{path}: ") };
                format!("{place}mapping key {name:?} already defined at line {line}")
            }
            Self::NoString(key) => format!("non-string key {place}: {key}"),
            Self::NoScalar => format!("a key {place} is a sequence or a mapping"),
        }
    }
}

fn new_key(entries: &Mapping, node: Node, is_merge: bool, earlier: Option<Place>) -> Result<Key, BadKey> {
    let Node { value, place, tag } = node;
    let name = match value {
        Value::String(name) if !matches!(tag.as_deref(), Some(super::TIMESTAMP | super::UNSIGNED)) => name,
        Value::String(text) => return Err(BadKey::NoString(text)),
        Value::Null => return Err(BadKey::NoString("null".into())),
        Value::Bool(value) => return Err(BadKey::NoString(value.to_string())),
        Value::Integer(value) => return Err(BadKey::NoString(value.to_string())),
        Value::Float(value) => return Err(BadKey::NoString(value.to_string())),
        Value::Sequence(_) | Value::Mapping(_) => return Err(BadKey::NoScalar),
    };
    let earlier = earlier.or_else(|| entries.get(&name).map(|entry| entry.key));
    match earlier {
        Some(earlier) => Err(BadKey::Twice(shown(&name).to_owned(), earlier.line)),
        None => Ok(Key { name, place, is_merge }),
    }
}

/// A tag as yaml.v3 shortens it: `!!` for the core schema. A lone `!` says nothing there.
fn full(tag: &Tag) -> Option<String> {
    const CORE: &str = "tag:yaml.org,2002:";
    let uri = format!("{}{}", tag.handle, tag.suffix);
    match uri.strip_prefix(CORE) {
        Some(name) => Some(format!("!!{name}")),
        None => Some(uri).filter(|uri| uri != "!" && !uri.is_empty()),
    }
}
