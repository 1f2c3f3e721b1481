//! Lists in which two items must not mean the same: the later one takes the position of the earlier one.

use std::collections::HashMap;

use hull_yaml::tree::{Mapping, Node, Value};

use super::text::shown;
use crate::path::Path;
use crate::{Error, Result};

/// What tells the items of a list apart.
#[derive(Debug, Clone, Copy)]
enum Key {
    /// The text before `=`.
    Name,
    Port,
    /// Where it is mounted.
    Volume,
    Device,
    Expose,
    /// The target, or the source below a directory.
    File(&'static str),
    EnvFile,
}

const LISTS: &[(&str, Key)] = &[
    ("networks.*.labels", Key::Name),
    ("networks.*.ipam.options", Key::Name),
    ("services.*.annotations", Key::Name),
    ("services.*.build.args", Key::Name),
    ("services.*.build.additional_contexts", Key::Name),
    ("services.*.build.platform", Key::Name),
    ("services.*.build.tags", Key::Name),
    ("services.*.build.labels", Key::Name),
    ("services.*.cap_add", Key::Name),
    ("services.*.cap_drop", Key::Name),
    ("services.*.configs", Key::File("")),
    ("services.*.deploy.labels", Key::Name),
    ("services.*.dns", Key::Name),
    ("services.*.dns_opt", Key::Name),
    ("services.*.dns_search", Key::Name),
    ("services.*.environment", Key::Name),
    ("services.*.env_file", Key::EnvFile),
    ("services.*.expose", Key::Expose),
    ("services.*.labels", Key::Name),
    ("services.*.links", Key::Name),
    ("services.*.networks.*.aliases", Key::Name),
    ("services.*.networks.*.link_local_ips", Key::Name),
    ("services.*.ports", Key::Port),
    ("services.*.profiles", Key::Name),
    ("services.*.secrets", Key::File("/run/secrets")),
    ("services.*.sysctls", Key::Name),
    ("services.*.tmpfs", Key::Name),
    ("services.*.volumes", Key::Volume),
    ("services.*.devices", Key::Device),
];

/// Removes the earlier ones of items that mean the same, in all lists below `node`.
pub(crate) fn unique(node: &mut Node, path: &Path<'_>) -> Result<()> {
    match &mut node.value {
        Value::Mapping(entries) => {
            for (key, entry) in entries {
                unique(&mut entry.node, &path.key(key))?;
            }
            Ok(())
        }
        Value::Sequence(items) => {
            let Some((_, key)) = LISTS.iter().find(|(pattern, _)| path.is(pattern)) else { return Ok(()) };
            let mut kept: Vec<Node> = Vec::with_capacity(items.len());
            let mut positions = HashMap::new();
            for (index, item) in std::mem::take(items).into_iter().enumerate() {
                let key = key.of(&item, &path.index(index))?;
                match positions.get(&key) {
                    Some(position) => kept[*position] = item,
                    None => {
                        positions.insert(key, kept.len());
                        kept.push(item);
                    }
                }
            }
            *items = kept;
            Ok(())
        }
        _ => Ok(()),
    }
}

impl Key {
    fn of(self, item: &Node, path: &Path<'_>) -> Result<String> {
        let refuse = |why: String| Error::new(why).at(item.place);
        match (self, &item.value) {
            (Self::Name, Value::String(text)) => Ok(text.split('=').next().unwrap_or_default().to_owned()),
            (Self::Name, _) => Err(refuse(format!("{path}: unexpected type {}", crate::model::kind(item)))
                .hint("write NAME=VALUE")),
            (Self::Port, Value::Mapping(entries)) => {
                port(entries).ok_or_else(|| refuse(format!("service ports {path} is missing a target port")))
            }
            (Self::Port | Self::Expose, Value::Integer(number)) => Ok(number.to_string()),
            (Self::Port | Self::Expose, Value::String(text)) => Ok(text.clone()),
            (Self::Expose, value) => {
                Err(refuse(format!("{path}: unsupported expose value {}", shown(value))))
            }
            (Self::Volume, Value::Mapping(entries)) => text(entries, "target")
                .ok_or_else(|| refuse(format!("service volume {path} is missing a mount target"))),
            (Self::Device, Value::Mapping(entries)) => text(entries, "target")
                .ok_or_else(|| refuse(format!("service device {path} is missing a mount target"))),
            (Self::Volume, Value::String(text)) => Ok(volume_target(text)),
            (Self::Device, Value::String(text)) => Ok(device_target(text)),
            (Self::File(directory), Value::String(source)) => Ok(format!("{directory}/{source}")),
            (Self::File(directory), Value::Mapping(entries)) => Ok(text(entries, "target")
                .unwrap_or_else(|| format!("{directory}/{}", text(entries, "source").unwrap_or_default()))),
            (Self::File(_), value) => {
                Err(refuse(format!("{path}: unsupported expose value {}", shown(value))))
            }
            (Self::EnvFile, Value::String(path)) => Ok(path.clone()),
            (Self::EnvFile, Value::Mapping(entries)) => text(entries, "path")
                .ok_or_else(|| refuse(format!("environment path attribute {path} is missing"))),
            (Self::Port | Self::Volume | Self::Device | Self::EnvFile, _) => Ok(String::new()),
        }
    }
}

fn text(entries: &Mapping, key: &str) -> Option<String> {
    match &entries.get(key)?.node.value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

fn port(entries: &Mapping) -> Option<String> {
    let value = |key: &str| entries.get(key).map(|entry| shown(&entry.node.value));
    let target = value("target")?;
    let host = value("host_ip").unwrap_or_else(|| "0.0.0.0".into());
    let protocol = value("protocol").unwrap_or_else(|| "tcp".into());
    Some(format!("{host}:{}:{target}/{protocol}", value("published").unwrap_or_default()))
}

/// The target of `source:target:options`. A colon within `${…}` separates nothing, nor does one after a single letter, which
/// Compose takes for a drive of Windows.
fn volume_target(text: &str) -> String {
    if text.len() <= 2 {
        return text.to_owned();
    }
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut open = 0_usize;
    let mut previous = ' ';
    for character in text.chars() {
        match character {
            '{' if previous == '$' => open += 1,
            '}' => open = open.saturating_sub(1),
            _ => {}
        }
        let is_drive = part.len() == 1 && part.starts_with(char::is_alphabetic);
        match character == ':' && open == 0 && !is_drive {
            true => parts.push(std::mem::take(&mut part)),
            false => part.push(character),
        }
        previous = character;
    }
    parts.push(part);
    let at = usize::from(parts.len() > 1);
    parts.swap_remove(at)
}

/// The second part of `source:target:options`, or the only one.
fn device_target(text: &str) -> String {
    let mut parts = text.split(':');
    let source = parts.next().unwrap_or_default();
    parts.next().unwrap_or(source).to_owned()
}
