//! What a log says of its container beside the lines: labels, variables and a tag.
//!
//! <https://docs.docker.com/engine/logging/log_tags/>

use std::collections::BTreeMap;

use regex_lite::Regex;

/// The options `labels`, `labels-regex`, `env`, `env-regex` and `tag`.
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    labels: Keys,
    env: Keys,
    tag: Option<String>,
}

#[derive(Debug, Clone, Default)]
struct Keys {
    listed: Vec<String>,
    matching: Option<Regex>,
}

impl Keys {
    fn parse(config: &BTreeMap<String, String>, list: &str, regex: &str) -> Result<Self, String> {
        let text = |key: &str| config.get(key).filter(|text| !text.is_empty());
        let listed = text(list).map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default();
        let compile = |text: &String| {
            Regex::new(text)
                .map_err(|why| format!("--log-opt {regex}={text}: not a regular expression: {why}"))
        };
        Ok(Self { listed, matching: text(regex).map(compile).transpose()? })
    }

    fn choose(&self, key: &str) -> bool {
        self.listed.iter().any(|listed| listed == key)
            || self.matching.as_ref().is_some_and(|regex| regex.is_match(key))
    }
}

/// The container, as a tag shows it.
#[derive(Debug, Clone, Default)]
pub struct Subject<'a> {
    pub id: &'a str,
    pub name: &'a str,
    /// `sha256:…`.
    pub image_id: &'a str,
    /// As given to `run`.
    pub image: &'a str,
    /// The words that it runs.
    pub command: &'a [String],
}

/// The fields of docker's `logger.Info` that a tag may name.
const FIELDS: [&str; 8] =
    ["ID", "FullID", "Name", "ImageID", "ImageFullID", "ImageName", "Command", "DaemonName"];

impl Subject<'_> {
    fn field(&self, name: &str) -> String {
        let short = |id: &str| id.chars().take(12).collect::<String>();
        match name {
            "ID" => short(self.id),
            "FullID" => self.id.to_owned(),
            "Name" => self.name.to_owned(),
            "ImageID" => short(self.image_id.trim_start_matches("sha256:")),
            "ImageFullID" => self.image_id.to_owned(),
            "ImageName" => self.image.to_owned(),
            "Command" => self.command.join(" "),
            "DaemonName" => "hull".to_owned(),
            _ => String::new(),
        }
    }
}

impl Attributes {
    pub(super) fn parse(config: &BTreeMap<String, String>) -> Result<Self, String> {
        Ok(Self {
            labels: Keys::parse(config, "labels", "labels-regex")?,
            env: Keys::parse(config, "env", "env-regex")?,
            tag: config.get("tag").filter(|tag| !tag.is_empty()).cloned(),
        })
    }

    /// The chosen labels and variables. `env` is in the form `KEY=VALUE`.
    pub fn chosen(&self, labels: &BTreeMap<String, String>, env: &[String]) -> BTreeMap<String, String> {
        let labels = labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let labels = labels.filter(|(key, _)| self.labels.choose(key));
        let env = env.iter().filter_map(|entry| entry.split_once('='));
        let env = env.filter(|(key, _)| self.env.choose(key));
        labels.chain(env).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// The tag, if there is one.
    pub fn tag(&self, subject: &Subject<'_>) -> Option<String> {
        let mut text = String::new();
        expand(self.tag.as_deref()?, |piece| match piece {
            Piece::Text(plain) => text.push_str(plain),
            Piece::Field(name) => text.push_str(&subject.field(name)),
        });
        Some(text)
    }
}

enum Piece<'a> {
    Text(&'a str),
    Field(&'a str),
}

/// Takes a tag apart. Text that begins no field is plain.
fn expand<'a>(mut tag: &'a str, mut take: impl FnMut(Piece<'a>)) {
    while let Some((before, rest)) = tag.split_once("{{") {
        let Some((field, after)) = rest.split_once("}}") else { break };
        take(Piece::Text(before));
        take(Piece::Field(field.trim().trim_start_matches('.')));
        tag = after;
    }
    take(Piece::Text(tag));
}

/// A tag is a Go template in docker. The fields are what is used of it, and the rest is refused.
pub(super) fn check_tag(tag: &str) -> Result<(), String> {
    let mut wrong = None;
    expand(tag, |piece| match piece {
        Piece::Field(name) if !FIELDS.contains(&name) => wrong = Some(name.to_owned()),
        Piece::Text(text) if text.contains("{{") => wrong = Some(text.to_owned()),
        _ => {}
    });
    match wrong {
        Some(what) => Err(format!(
            "{what:?} is none of the fields {}",
            FIELDS.map(|name| format!("{{{{.{name}}}}}")).join(" ")
        )),
        None => Ok(()),
    }
}

/// docker's `--details`: sorted, and written as a query string.
pub fn details(attributes: &BTreeMap<String, String>) -> String {
    let pairs = attributes.iter().map(|(key, value)| format!("{}={}", escape(key), escape(value)));
    pairs.collect::<Vec<_>>().join(",")
}

/// Go's `url.QueryEscape`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(byte.into()),
            b' ' => escaped.push('+'),
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn labels_and_variables_are_chosen_by_name_and_by_pattern() {
        let config =
            map(&[("labels", "a,missing"), ("labels-regex", "^x"), ("env", "ONE"), ("env-regex", "TWO$")]);
        let attributes = Attributes::parse(&config).unwrap();
        let labels = map(&[("a", "1"), ("b", "2"), ("xy", "3")]);
        let env = ["ONE=1", "NOT_TWO=x=y", "TWO_NOT=2"].map(str::to_owned);
        assert_eq!(
            attributes.chosen(&labels, &env),
            map(&[("a", "1"), ("xy", "3"), ("ONE", "1"), ("NOT_TWO", "x=y")])
        );
        assert!(Attributes::default().chosen(&labels, &env).is_empty());
    }

    #[test]
    fn a_tag_shows_the_container() {
        let command = ["sleep", "3"].map(str::to_owned);
        let id = "0123456789abcdef";
        let subject = Subject {
            id,
            name: "web",
            image_id: "sha256:fedcba98765432100",
            image: "busybox",
            command: &command,
        };
        let tag = |text: &str| {
            check_tag(text).unwrap();
            Attributes::parse(&map(&[("tag", text)])).unwrap().tag(&subject).unwrap()
        };
        assert_eq!(tag("{{.Name}}/{{ .ID }}-x"), "web/0123456789ab-x");
        assert_eq!(tag("{{.ImageName}} {{.ImageID}} {{.Command}}"), "busybox fedcba987654 sleep 3");
        assert_eq!(tag("plain } text"), "plain } text");
        for wrong in ["{{.Name", "{{upper .Name}}", "{{.Labels}}"] {
            assert!(check_tag(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn details_are_a_query_string() {
        assert_eq!(details(&map(&[("b", "x y"), ("a", "1,2=é")])), "a=1%2C2%3D%C3%A9,b=x+y");
        assert_eq!(details(&map(&[])), "");
    }
}
