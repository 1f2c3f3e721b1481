//! The templates of LXD's images: files of a system that are written from its configuration (LXD's documentation, "Image
//! format").
//!
//! The record has the templates, so that snapshots and copies have them too. The file `template-event` in the container's
//! directory names the last event that the files do not show yet. The next start writes them and removes the file. After
//! a kill in between, they are written again, which does no harm.
//!
//! The image's author is not trusted. A template is rendered in a child with little memory and time, and it sees only the
//! container's own configuration. LXD's language is pongo2, of which minijinja knows what images use: `{{ }}`, `{% if %}`,
//! `{% for %}` and `config_get`.

use std::collections::BTreeMap;
use std::path::Path;

use hull_image::lxd::Template;
use hull_storage::root::Root;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Value, context};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::files::Files;
use crate::child::in_child;
use crate::error::{Error, IoContext, Result};
use crate::records::record::Record;

/// The most bytes of an image's templates and of their properties. All of them are in the record, which every listing reads.
/// Real ones have a few thousand.
pub(crate) const MOST_TEXT: usize = 256 << 10;
/// The most bytes of a file that is made from a template.
const MOST_RENDERED: usize = 1 << 20;
/// The address space of the child that renders. It shares the pages of the monitor.
const MEMORY: u64 = 512 << 20;
/// Processor time of the child, in seconds.
const TIME: u64 = 2;

/// What has happened to a container since its last start, with LXD's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Create,
    Copy,
    Rename,
}

impl Event {
    const ALL: [Self; 3] = [Self::Create, Self::Copy, Self::Rename];

    fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Copy => "copy",
            Self::Rename => "rename",
        }
    }
}

/// The word of the event that every start is.
const START: &str = "start";
/// The file with the word of an event.
const EVENT: &str = "template-event";

/// Notes an event in `directory`, which is the container's or becomes it. A rename does not replace an event before it.
pub(crate) fn note(directory: &Path, record: &Record, event: Event) -> Result<()> {
    let path = directory.join(EVENT);
    if record.templates.is_empty() || event == Event::Rename && path.exists() {
        return Ok(());
    }
    Ok(hull_storage::file::write_atomic(&path, event.word().as_bytes(), 0o644)?)
}

/// The templates of an image, for the record of a container.
pub(crate) fn of_image(annotations: &BTreeMap<String, String>) -> Result<BTreeMap<String, Template>> {
    let templates = hull_image::lxd::templates(annotations)?;
    let bytes: usize = templates.iter().map(|(path, template)| path.len() + template.size()).sum();
    match bytes > MOST_TEXT {
        true => Err(Error::Unsupported(format!(
            "the image's templates have {bytes} bytes, and the most are {MOST_TEXT}"
        ))),
        false => Ok(templates),
    }
}

/// Writes the files whose templates name the last event, and those that every start writes. `rootfs` is the mounted
/// root.
pub(crate) fn apply(root: &Root, record: &Record, rootfs: &Path) -> Result<()> {
    if record.templates.is_empty() {
        return Ok(());
    }
    let path = root.container_dir(&record.id).join(EVENT);
    let event = std::fs::read_to_string(&path).ok();
    let event = Event::ALL.into_iter().find(|known| event.as_deref() == Some(known.word()));
    for word in event.map(Event::word).into_iter().chain([START]) {
        let due: Vec<_> = record
            .templates
            .iter()
            .filter(|(_, template)| template.when.iter().any(|when| when == word))
            .collect();
        if !due.is_empty() {
            write(record, rootfs, word, &due)?;
        }
    }
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn write(record: &Record, rootfs: &Path, word: &str, due: &[(&String, &Template)]) -> Result<()> {
    Files::with(record, rootfs, |files| {
        let is_due = |(path, template): &&(&String, &Template)| {
            !template.create_only || !files.has_file(Path::new(path.as_str()))
        };
        let due: Vec<_> = due.iter().filter(is_due).collect();
        let rendered = in_child("make files from the image's templates", || {
            bound();
            let texts: Result<Vec<String>> =
                due.iter().map(|(path, template)| render(record, word, path, template)).collect();
            serde_json::to_string(&texts?).map_err(|error| Error::Unsupported(error.to_string()))
        })??;
        let texts: Vec<String> = serde_json::from_str(&rendered)
            .map_err(|error| Error::Unsupported(format!("the rendered templates: {error}")))?;
        due.iter()
            .zip(texts)
            .try_for_each(|((path, _), text)| files.put(Path::new(path.as_str()), text.as_bytes()))
    })
}

/// Limits what this process can use. A limit that cannot be set is a lower one that is in force.
fn bound() {
    for (resource, most) in [(Resource::As, MEMORY), (Resource::Cpu, TIME), (Resource::Core, 0)] {
        let _ = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    }
}

fn render(record: &Record, word: &str, path: &str, template: &Template) -> Result<String> {
    let failed = |error: minijinja::Error| Error::Invalid {
        what: format!("template {} of the image, for {path}", template.template),
        why: error.to_string(),
    };
    let config = record.instance.expanded.config.clone();
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build().map_err(failed)?);
    environment.add_function("config_get", {
        let config = config.clone();
        move |key: &str, default: Option<Value>| match config.get(key) {
            Some(value) => Value::from(value.trim_end_matches(['\r', '\n'])),
            None => default.unwrap_or_default(),
        }
    });
    let word_of = |flag: bool| if flag { "true" } else { "false" };
    let instance = context! {
        name => &record.name,
        type => "container",
        architecture => std::env::consts::ARCH,
        privileged => word_of(record.id_maps.is_none()),
        ephemeral => word_of(record.options.auto_remove),
    };
    let values = context! {
        trigger => word,
        path => path,
        container => &instance,
        instance => &instance,
        config => &config,
        devices => &record.instance.expanded.devices,
        properties => &template.properties,
    };
    let parsed =
        environment.template_from_named_str(&template.template, &template.content).map_err(failed)?;
    let mut out = Bounded(Vec::new());
    parsed.render_captured_to(values, &mut out).map_err(failed)?;
    // Nothing but text comes from a template.
    Ok(String::from_utf8_lossy(&out.0).into_owned())
}

/// What a template has written so far.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_RENDERED {
            return Err(std::io::Error::other(format!("the file has more than {MOST_RENDERED} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::record::ProcessRecord;

    fn rendered(content: &str) -> Result<String> {
        let mut record: Record = serde_json::from_value(serde_json::json!({
            "format": 1, "id": "0", "name": "box", "created": "2026-01-01T00:00:00Z", "image_id": "", "layers": [],
            "process": ProcessRecord::default(), "mounts": [], "labels": {}, "hostname": "box", "stop_signal": 15,
            "options": {},
        }))
        .unwrap();
        for (key, value) in [("user.network-config", "version: 2\n"), ("user.mode", "x")] {
            record.instance.expanded.config.insert(key.into(), value.into());
        }
        let properties = [("default".to_owned(), "none".to_owned())].into();
        let template =
            Template { content: content.into(), template: "a.tpl".into(), properties, ..Default::default() };
        render(&record, "create", "/etc/a", &template)
    }

    /// What the images of distributions use.
    #[test]
    fn a_template_sees_the_configuration() {
        for (template, expected) in [
            ("{{ container.name }}\n", "box\n"),
            (
                "{{ instance.name }} {{ trigger }} {{ path }} {{ instance.privileged }}",
                "box create /etc/a true",
            ),
            (r#"{{ config_get("user.user-data", properties.default) }}"#, "none"),
            (r#"{{ config_get("user.meta-data", "") }}"#, ""),
            (
                r#"{% if config_get("user.network-config", "") == "" %}a{% else %}{{ config_get("user.network-config", "") }}{% endif %}"#,
                "version: 2",
            ),
            (r#"{% if instance.type == "virtual-machine" %}enp5s0{% else %}eth0{% endif %}"#, "eth0"),
            (r#"{% for key in config %}{{ key }} {% endfor %}"#, "user.mode user.network-config "),
            (r#"{{ config["user.mode"] }}{{ nothing }}"#, "x"),
            ("<&>", "<&>"),
        ] {
            assert_eq!(rendered(template).unwrap(), expected, "{template}");
        }
    }

    #[test]
    fn what_cannot_be_rendered_is_an_error() {
        for template in [
            "{{",
            "{% nothing %}",
            "{{ nothing.at.all }}",
            "{% include '/etc/passwd' %}",
            "{{ 'x' * 2000000 }}",
        ] {
            let error = rendered(template).unwrap_err().to_string();
            assert!(error.contains("a.tpl") && error.contains("/etc/a"), "{template}: {error}");
        }
    }

    /// Each takes all memory, or does not end.
    #[test]
    fn a_template_that_takes_too_much_is_ended() {
        let doubled = "{% set x = 'x' %}".to_owned() + &"{% set x = x ~ x %}".repeat(40);
        let endless =
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}".to_owned();
        for template in [doubled, endless] {
            let ended = in_child("render", || {
                bound();
                rendered(&template)
            });
            assert!(!ended.is_ok_and(|rendered| rendered.is_ok()), "{template}");
        }
    }
}
