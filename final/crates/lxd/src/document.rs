//! The documents of containers and profiles, as `show` prints and `edit` reads them.

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::expand::Settings;
use crate::value::boolean;
use crate::{Config, Devices, yaml};

/// A container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instance {
    pub architecture: String,
    pub description: String,
    pub settings: Settings,
    /// Whether the container is removed when it stops.
    pub ephemeral: bool,
    pub profiles: Vec<String>,
}

/// A profile. The users in a document that is read are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    pub description: String,
    pub settings: Settings,
    pub used_by: Vec<String>,
}

const INSTANCE: [&str; 7] =
    ["architecture", "config", "description", "devices", "ephemeral", "profiles", "stateful"];
/// Entries that LXD's documents also have, and that an edit does not change.
const INSTANCE_SHOWN: [&str; 8] = [
    "created_at",
    "expanded_config",
    "expanded_devices",
    "last_used_at",
    "location",
    "name",
    "status",
    "type",
];
const PROFILE: [&str; 5] = ["config", "description", "devices", "name", "used_by"];

impl Instance {
    pub fn to_yaml(&self) -> String {
        yaml::write(&json!({
            "architecture": self.architecture,
            "config": self.settings.config,
            "devices": self.settings.devices,
            "ephemeral": self.ephemeral,
            "profiles": self.profiles,
            "stateful": false,
            "description": self.description,
        }))
    }

    pub fn parse(text: &str) -> Result<Self> {
        let known = INSTANCE.iter().chain(&INSTANCE_SHOWN);
        let document = mapping(text, &known.copied().collect::<Vec<_>>())?;
        if flag_of(&document, "stateful")? {
            return Err(Error::invalid("stateful", "a container of hull is not: only its snapshots are"));
        }
        Ok(Self {
            architecture: text_of(&document, "architecture")?,
            description: text_of(&document, "description")?,
            settings: settings(&document)?,
            ephemeral: flag_of(&document, "ephemeral")?,
            profiles: list(&document, "profiles")?,
        })
    }
}

impl Profile {
    pub fn to_yaml(&self) -> String {
        yaml::write(&json!({
            "config": self.settings.config,
            "description": self.description,
            "devices": self.settings.devices,
            "name": self.name,
            "used_by": self.used_by,
        }))
    }

    pub fn parse(text: &str) -> Result<Self> {
        let document = mapping(text, &PROFILE)?;
        Ok(Self {
            name: text_of(&document, "name")?,
            description: text_of(&document, "description")?,
            settings: settings(&document)?,
            used_by: vec![],
        })
    }
}

/// Whether a text has nothing but comments and the marks of YAML's documents.
pub fn is_empty(text: &str) -> bool {
    let is_nothing = |line: &str| line.is_empty() || line.starts_with('#') || matches!(line, "---" | "...");
    text.lines().all(|line| is_nothing(line.trim()))
}

/// Reads a text as a mapping, and refuses keys that are not `known`. An empty text is an empty mapping.
pub fn mapping(text: &str, known: &[&str]) -> Result<Map<String, Value>> {
    if is_empty(text) {
        return Ok(Map::new());
    }
    let value = hull_yaml::parse(text).map_err(|error| Error::invalid("document", error.to_string()))?;
    let Value::Object(document) = value else {
        return Err(Error::invalid("document", "it has to be a mapping of keys"));
    };
    match document.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(Error::unknown("entry of the document", key, known.iter().copied())),
        None => Ok(document),
    }
}

fn settings(document: &Map<String, Value>) -> Result<Settings> {
    let config = texts(document.get("config"), "config")?;
    let mut devices = Devices::new();
    match document.get("devices") {
        None | Some(Value::Null) => {}
        Some(Value::Object(all)) => {
            for (name, device) in all {
                devices.insert(name.clone(), texts(Some(device), &format!("device {name}"))?);
            }
        }
        Some(_) => return Err(Error::invalid("devices", "it has to be a mapping of names")),
    }
    Ok(Settings { config, devices })
}

/// Reads a mapping of texts. A number or a boolean that was written without quotes is taken as a text.
pub fn texts(value: Option<&Value>, what: &str) -> Result<Config> {
    let entries = match value {
        None | Some(Value::Null) => return Ok(Config::new()),
        Some(Value::Object(entries)) => entries,
        Some(_) => return Err(Error::invalid(what, "it has to be a mapping of keys")),
    };
    let entry = |(key, value): (&String, &Value)| match scalar(value) {
        Some(text) => Ok((key.clone(), text)),
        None => Err(Error::invalid(format!("{key} in {what}"), "it has to be a text")),
    };
    entries.iter().map(entry).collect()
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// True or false, with or without quotes. A flag that is not there is false.
fn flag_of(document: &Map<String, Value>, key: &str) -> Result<bool> {
    let text = text_of(document, key)?;
    match &*text {
        "" => Ok(false),
        text => boolean(text).map_err(|why| Error::value(key, text, why)),
    }
}

/// A text that is empty if the document does not have it.
pub fn text_of(document: &Map<String, Value>, key: &str) -> Result<String> {
    let Some(value) = document.get(key) else { return Ok(String::new()) };
    scalar(value).ok_or_else(|| Error::invalid(key, "it has to be a text"))
}

fn list(document: &Map<String, Value>, key: &str) -> Result<Vec<String>> {
    let wrong = || Error::invalid(key, "it has to be a list of names");
    match document.get(key) {
        None | Some(Value::Null) => Ok(vec![]),
        Some(Value::Array(items)) => items.iter().map(|item| scalar(item).ok_or_else(wrong)).collect(),
        Some(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_as_they_are_written() {
        let eth0 = [("type".to_owned(), "nic".to_owned())].into();
        let settings = Settings {
            config: [("limits.cpu".to_owned(), "2".to_owned())].into(),
            devices: [("eth0".to_owned(), eth0)].into(),
        };
        let instance = Instance {
            architecture: "x86_64".into(),
            settings: settings.clone(),
            profiles: vec!["default".into()],
            ..Instance::default()
        };
        assert_eq!(Instance::parse(&instance.to_yaml()), Ok(instance));
        let profile = Profile { name: "p".into(), description: "of mine".into(), settings, used_by: vec![] };
        assert_eq!(Profile::parse(&profile.to_yaml()), Ok(profile));
    }

    #[test]
    fn numbers_without_quotes_are_texts() {
        let profile = Profile::parse("config:\n  limits.cpu: 2\n  boot.autostart: true\n").unwrap();
        assert_eq!(profile.settings.config["limits.cpu"], "2");
        assert_eq!(profile.settings.config["boot.autostart"], "true");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str| Profile::parse(text).unwrap_err();
        assert_eq!(error("confg: {}").near(), Some("config"));
        assert!(error("config: [1]").to_string().contains("config"));
        assert!(error("config:\n  a: [1]").to_string().contains("a in config"));
        assert!(error("a: [").to_string().contains("line"));
        let instance = |text: &str| Instance::parse(text);
        assert!(instance("ephemeral: maybe").unwrap_err().to_string().contains("ephemeral"));
        assert!(instance("ephemeral: [true]").is_err() && instance("stateful: true").is_err());
        assert!(
            instance("ephemeral: \"yes\"").unwrap().ephemeral && !instance("ephemeral:").unwrap().ephemeral
        );
        assert_eq!(instance("# nothing\n---\n"), Ok(Instance::default()));
        assert_eq!(Profile::parse("# nothing\n\n"), Ok(Profile::default()));
    }
}
