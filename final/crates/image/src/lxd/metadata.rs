//! metadata.yaml, and the templates that lie beside it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};

/// The most bytes of metadata.yaml, and of each template. Real ones have a few thousand.
pub(crate) const MOST_TEXT: u64 = 256 << 10;

/// How many templates an image may have. Real ones have a handful.
pub(crate) const MOST_TEMPLATES: usize = 64;

/// LXD's description of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// As uname(1) writes it.
    pub architecture: String,
    /// Seconds since the epoch.
    pub creation_date: i64,
    /// Seconds since the epoch. Zero means never.
    pub expiry_date: i64,
    pub properties: BTreeMap<String, String>,
    /// The templates, each by the path of the file in the container that is made from it.
    pub templates: BTreeMap<String, Template>,
}

/// A file of the container that is written anew when one of some events happens to the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Template {
    /// The events: `create`, `copy`, `start`, `rename`.
    pub when: Vec<String>,
    /// Whether the file is written only if it does not exist.
    pub create_only: bool,
    /// The name of the file with the template.
    pub template: String,
    pub properties: BTreeMap<String, String>,
    /// The content of the file with the template, which metadata.yaml does not have.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub content: String,
}

impl Template {
    /// Bytes of its texts.
    pub fn size(&self) -> usize {
        let properties = self.properties.iter().flat_map(|(key, value)| [key, value]);
        let texts = self.when.iter().chain(properties).chain([&self.template, &self.content]);
        texts.map(String::len).sum()
    }
}

impl Metadata {
    /// Reads metadata.yaml. `contents` has the files with the templates, by their names.
    pub fn parse(text: &str, contents: &BTreeMap<String, String>) -> Result<Self> {
        let invalid = |why: String| Error::Damaged(format!("metadata.yaml: {why}"));
        let value = hull_yaml::parse(text).map_err(|error| invalid(error.to_string()))?;
        if !value.is_object() {
            return Err(invalid("it is no mapping".into()));
        }
        let mut metadata: Self =
            serde_json::from_value(as_read(value)).map_err(|error| invalid(error.to_string()))?;
        if metadata.templates.len() > MOST_TEMPLATES {
            return Err(invalid("it has too many templates".into()));
        }
        for (path, template) in &mut metadata.templates {
            let missing = || invalid(format!("the template {:?} of {path:?} is missing", template.template));
            template.content = contents.get(&template.template).ok_or_else(missing)?.clone();
        }
        Ok(metadata)
    }

    /// The text of metadata.yaml.
    pub fn to_yaml(&self) -> Result<String> {
        let mut value = serde_json::to_value(self)
            .map_err(|source| Error::Json { path: "the image's metadata".into(), source })?;
        for template in value["templates"].as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
            // The content is in a file of its own.
            template.as_object_mut().map(|template| template.remove("content"));
        }
        Ok(hull_lxd::yaml::write(&value))
    }
}

/// Reads values as LXD does: a scalar among properties is a text, and YAML's null is the empty value.
fn as_read(value: Value) -> Value {
    let Value::Object(mut top) = value else { return value };
    top.retain(|_, value| !value.is_null());
    if let Some(properties) = top.get_mut("properties") {
        *properties = texts(properties.take());
    }
    if let Some(Value::Object(templates)) = top.get_mut("templates") {
        for template in templates.values_mut() {
            let Value::Object(template) = template else { continue };
            template.retain(|_, value| !value.is_null());
            if let Some(properties) = template.get_mut("properties") {
                *properties = texts(properties.take());
            }
            // The content comes from the file with the template, and never from metadata.yaml.
            template.remove("content");
        }
    }
    Value::Object(top)
}

fn texts(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let text = |value: Value| match value {
        Value::Null => Value::from(""),
        Value::Bool(_) | Value::Number(_) => Value::from(value.to_string()),
        other => other,
    };
    Value::Object(map.into_iter().map(|(key, value)| (key, text(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "architecture: x86_64\ncreation_date: 1700000000\nproperties:\n  os: Debian\n  release: \"12\"\n  \
                        serial: 20231114\ntemplates:\n  /etc/hostname:\n    when: [create, copy]\n    create_only: true\n    \
                        template: hostname.tpl\n    properties:\n";

    fn contents() -> BTreeMap<String, String> {
        BTreeMap::from([("hostname.tpl".to_owned(), "{{ container.name }}\n".to_owned())])
    }

    #[test]
    fn what_is_written_is_read_again() {
        let metadata = Metadata::parse(TEXT, &contents()).unwrap();
        assert_eq!(metadata.architecture, "x86_64");
        assert_eq!(metadata.properties["serial"], "20231114");
        let template = &metadata.templates["/etc/hostname"];
        assert_eq!(template.when, ["create", "copy"]);
        assert!(template.create_only && template.content.starts_with("{{"));
        assert_eq!(Metadata::parse(&metadata.to_yaml().unwrap(), &contents()).unwrap(), metadata);
        let empty = Metadata::default();
        assert_eq!(Metadata::parse(&empty.to_yaml().unwrap(), &BTreeMap::new()).unwrap(), empty);
    }

    #[test]
    fn what_is_none_is_an_error() {
        let parse = |text| Metadata::parse(text, &BTreeMap::new()).unwrap_err().to_string();
        assert!(parse(TEXT).contains("is missing"));
        assert!(parse("- a").contains("metadata.yaml"));
        assert!(parse("architecture: [1]").contains("metadata.yaml"));
        assert!(parse("a: b: c").contains("metadata.yaml"));
    }
}
