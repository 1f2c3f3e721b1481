//! Relative paths of a model become paths below the directory that its files belong to.

use hull_yaml::tree::{Mapping, Node, Value};

use super::{lexical, remote};
use crate::path::Path;
use crate::read::errno;
use crate::sources::Warnings;
use crate::{Error, Result};

/// What resolution needs to know.
pub(super) struct Resolver<'a> {
    /// Where relative paths begin. It may be relative itself, for a file that another one includes.
    pub(super) directory: &'a str,
    /// The user's home directory.
    pub(super) home: Option<&'a str>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Path,
    /// A path, a URL, or a service.
    Context,
    /// A path; one of Windows stays.
    Foreign,
    /// A path whose first symbolic link is followed, because what watches it sees real paths.
    Watched,
    /// A file that a service extends.
    Extended,
    Mount,
    Volume,
}

const PATHS: &[(&str, Kind)] = &[
    ("services.*.build.context", Kind::Context),
    ("services.*.build.additional_contexts.*", Kind::Context),
    ("services.*.build.ssh.*", Kind::Foreign),
    ("services.*.env_file.*.path", Kind::Path),
    ("services.*.label_file.*", Kind::Path),
    ("services.*.extends.file", Kind::Extended),
    ("services.*.develop.watch.*.path", Kind::Watched),
    ("services.*.volumes.*", Kind::Mount),
    ("configs.*.file", Kind::Foreign),
    ("secrets.*.file", Kind::Foreign),
    ("volumes.*", Kind::Volume),
];

impl Resolver<'_> {
    /// Resolves every path below `node`, which stands at `path` and has the canonical form.
    pub(super) fn resolve(&self, node: &mut Node, path: &Path<'_>, warnings: &mut Warnings) -> Result<()> {
        if let Some((_, kind)) = PATHS.iter().find(|(pattern, _)| path.is(pattern)) {
            return self.apply(*kind, node, path, warnings);
        }
        match &mut node.value {
            Value::Mapping(entries) => {
                for (key, entry) in entries {
                    self.resolve(&mut entry.node, &path.key(key), warnings)?;
                }
            }
            Value::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.resolve(item, &path.index(index), warnings)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn apply(&self, kind: Kind, node: &mut Node, path: &Path<'_>, warnings: &mut Warnings) -> Result<()> {
        let at = node.clone();
        match (kind, &mut node.value) {
            (Kind::Extended, Value::String(text)) if remote::is_remote(text) => {}
            (Kind::Context, Value::String(text)) if is_foreign_context(text) => {}
            (Kind::Path | Kind::Extended | Kind::Context, Value::String(text)) => {
                *text = self.path(text, warnings);
            }
            (Kind::Foreign, Value::String(text)) => *text = self.foreign(text, warnings),
            (Kind::Watched, Value::String(text)) => {
                *text = follow_first_link(&self.path(text, warnings)).map_err(|why| path.error(&at, why))?;
            }
            (Kind::Mount, Value::Mapping(entries)) => self.mount(entries, &at, warnings)?,
            (Kind::Volume, Value::Mapping(entries)) => self.volume(entries, warnings),
            _ => {}
        }
        Ok(())
    }

    fn home(&self, text: &str, warnings: &mut Warnings) -> String {
        match (text.strip_prefix('~'), self.home) {
            (Some(rest), Some(home)) => lexical::join(home, rest),
            (Some(_), None) => {
                warnings.add("cannot expand '~', because the environment lacks HOME", None);
                text.to_owned()
            }
            (None, _) => text.to_owned(),
        }
    }

    fn path(&self, text: &str, warnings: &mut Warnings) -> String {
        let text = self.home(text, warnings);
        match text.is_empty() || text.starts_with('/') {
            true => text,
            false => lexical::join(self.directory, &text),
        }
    }

    fn foreign(&self, text: &str, warnings: &mut Warnings) -> String {
        let text = self.home(text, warnings);
        match text.starts_with('/') || is_of_windows(&text) {
            true => text,
            false => lexical::join(self.directory, &text),
        }
    }

    fn mount(&self, entries: &mut Mapping, at: &Node, warnings: &mut Warnings) -> Result<()> {
        if text(entries, "type") != Some("bind") {
            return Ok(());
        }
        match entries.get_mut("source").map(|entry| &mut entry.node.value) {
            Some(Value::String(source)) => *source = self.foreign(source, warnings),
            Some(_) => {}
            None => {
                let why = "invalid mount config for type \"bind\": field Source must not be empty";
                return Err(Error::new(why).at(at.place).hint("add source: with a path of the host"));
            }
        }
        Ok(())
    }

    /// A volume of the driver `local` that is a bind mount.
    fn volume(&self, entries: &mut Mapping, warnings: &mut Warnings) {
        if text(entries, "driver") != Some("local") {
            return;
        }
        let Some(Value::Mapping(options)) = entries.get_mut("driver_opts").map(|entry| &mut entry.node.value)
        else {
            return;
        };
        if text(options, "o") == Some("bind")
            && let Some(Value::String(device)) = options.get_mut("device").map(|entry| &mut entry.node.value)
        {
            *device = self.foreign(device, warnings);
        }
    }
}

fn text<'a>(entries: &'a Mapping, key: &str) -> Option<&'a str> {
    match &entries.get(key)?.node.value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// A context that is no directory.
fn is_foreign_context(text: &str) -> bool {
    const BEGINNINGS: [&str; 7] =
        ["service:", "https://", "http://", "git://", "ssh://", "github.com/", "git@"];
    text.contains("://") || BEGINNINGS.iter().any(|begin| text.starts_with(begin))
}

/// An absolute path of Windows: `C:\`, `C:/` or `\\server\share`. Such an engine may be remote.
fn is_of_windows(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_slash = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b'/' | b'\\'));
    let has_drive = bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.get(1) == Some(&b':')
        && is_slash(bytes.get(2));
    has_drive || text.starts_with("\\\\")
}

/// The path with its first symbolic link replaced by what that stands for.
fn follow_first_link(path: &str) -> Result<String, String> {
    let mut current = if path.starts_with('/') { String::from("/") } else { String::new() };
    for part in path.split('/').filter(|part| !part.is_empty()) {
        current = lexical::join(&current, part);
        let is_link = std::fs::symlink_metadata(&current).is_ok_and(|metadata| metadata.is_symlink());
        if is_link {
            let target = std::fs::canonicalize(&current)
                .map_err(|error| format!("lstat {current}: {}", errno(&error)))?;
            return Ok(path.replacen(&current, &target.to_string_lossy(), 1));
        }
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> String {
        let mut node = hull_yaml::tree::parse(text, 0).unwrap().remove(0);
        let resolver = Resolver { directory: "/project", home: Some("/home/me") };
        resolver.resolve(&mut node, &Path::ROOT, &mut Warnings::default()).unwrap();
        crate::merge::shown(&node.value)
    }

    #[test]
    fn only_paths_of_the_model_are_resolved() {
        assert_eq!(
            resolved(
                "{services: {a: {build: {context: ../x, additional_contexts: {b: ./y, c: 'docker-image://z'}}, \
                 env_file: [{path: e}], volumes: [{type: bind, source: ~/v}, {type: volume, source: w}]}}, \
                 configs: {c: {file: 'C:\\c'}}}"
            ),
            "map[configs:map[c:map[file:C:\\c]] services:map[a:map[build:map[additional_contexts:map[b:/project/y \
             c:docker-image://z] context:/x] env_file:[map[path:/project/e]] volumes:[map[source:/home/me/v \
             type:bind] map[source:w type:volume]]]]]"
        );
        assert_eq!(
            resolved("{volumes: {v: {driver: local, driver_opts: {o: bind, device: d}}, n: null}}"),
            "map[volumes:map[n:<nil> v:map[driver:local driver_opts:map[device:/project/d o:bind]]]]"
        );
    }

    #[test]
    fn a_bind_mount_needs_a_source() {
        let mut node =
            hull_yaml::tree::parse("{services: {a: {volumes: [{type: bind}]}}}", 0).unwrap().remove(0);
        let resolver = Resolver { directory: "/project", home: None };
        let error = resolver.resolve(&mut node, &Path::ROOT, &mut Warnings::default()).unwrap_err();
        assert!(error.why.contains("field Source must not be empty") && error.place.is_some());
    }
}
