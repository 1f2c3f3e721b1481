//! The value of `RUN --mount`.

use super::suggest::with_suggestion;
use crate::variables::{self, Lookup};
use crate::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mount {
    pub kind: MountKind,
    /// Where it is in the container; relative to the working directory. Secrets and agents have defaults of their own.
    pub target: Option<String>,
    /// `rw`, `ro`: what is written to a bind mount is discarded.
    pub read_only: bool,
    pub required: bool,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub mode: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum MountKind {
    Bind { from: Option<String>, source: Option<String> },
    Cache { id: Option<String>, sharing: Sharing, from: Option<String>, source: Option<String> },
    Tmpfs { size: Option<u64> },
    Secret { id: Option<String>, env: Option<String> },
    Ssh { id: Option<String> },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Sharing {
    #[default]
    Shared,
    Private,
    Locked,
}

/// The kinds of mounts, as written.
const TYPES: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const KEYS: [&str; 18] = [
    "type",
    "from",
    "source",
    "target",
    "readonly",
    "id",
    "sharing",
    "required",
    "mode",
    "uid",
    "gid",
    "src",
    "dst",
    "destination",
    "ro",
    "rw",
    "readwrite",
    "size",
];

impl Mount {
    /// Parses `type=cache,target=/x,…`, and expands the variables in each field's value, as BuildKit does.
    ///
    /// # Errors
    ///
    /// Broken CSV, a key that does not exist or that this type of mount has not, a wrong value; and as
    /// [`variables::word`].
    pub fn parse(text: &str, escape: char, lookup: Lookup<'_>) -> Result<Self> {
        let mut fields = Fields { kind: "bind".into(), ..Fields::default() };
        for field in split(text).map_err(Error::Syntax)? {
            let (key, value) = match field.split_once('=') {
                Some((key, value)) => {
                    (key.to_ascii_lowercase(), Some(variables::word(value, escape, lookup)?))
                }
                None => (field.to_ascii_lowercase(), None),
            };
            fields.set(&key, value.as_deref(), &field).map_err(Error::Syntax)?;
        }
        fields.finish().map_err(Error::Syntax)
    }
}

/// What is wrong with a value before anything runs: everything if it has no variables. `from` cannot hold any, since it
/// decides which stages run.
pub(super) fn check(text: &str) -> Result<(), String> {
    let fields = split(text)?;
    let from = fields
        .iter()
        .filter_map(|field| field.split_once('='))
        .find(|(key, value)| key.eq_ignore_ascii_case("from") && value.trim_end_matches('$').contains('$'));
    match from {
        Some((key, _)) => {
            Err(format!("'{key}' doesn't support variable expansion, define alias stage instead"))
        }
        // A backslash or a quote may be one that expansion removes.
        None if text.contains(['$', '\\', '\'', '"', '`']) => Ok(()),
        None => Mount::parse(text, '\\', &|_| None).map(drop).map_err(|error| error.to_string()),
    }
}

/// The stage, context or image that a mount takes files from. It is known before variables are, because `from` cannot hold
/// any (`check`), while the other fields may be valid only after expansion: `uid=$UID`.
pub fn source(text: &str) -> Option<String> {
    let fields = split(text).ok()?;
    let from = fields
        .iter()
        .filter_map(|field| field.split_once('='))
        .rfind(|(key, _)| key.eq_ignore_ascii_case("from"));
    // Expansion removes quotes, too.
    let name = variables::word(from?.1, '\\', &|_| None).ok()?;
    Some(name).filter(|name| !name.is_empty())
}

fn split(text: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Err("failed to parse csv mounts: the value is empty".into());
    }
    hull_docker::csv::fields(text).map_err(|why| format!("failed to parse csv mounts: {why}"))
}

/// The fields that were read so far.
#[derive(Default)]
struct Fields {
    kind: String,
    from: Option<String>,
    source: Option<String>,
    target: Option<String>,
    id: Option<String>,
    env: Option<String>,
    sharing: Option<Sharing>,
    size: Option<u64>,
    read_only: Option<bool>,
    required: bool,
    uid: Option<u32>,
    gid: Option<u32>,
    mode: Option<u32>,
}

impl Fields {
    fn set(&mut self, key: &str, value: Option<&str>, field: &str) -> Result<(), String> {
        let is_private = matches!(&*self.kind, "secret" | "ssh");
        if matches!(key, "required") && !is_private
            || key == "size" && self.kind != "tmpfs"
            || key == "env" && self.kind != "secret"
        {
            return Err(format!("unexpected key '{key}' for mount type '{}'", self.kind));
        }
        let bool = || match value {
            None => Ok(true),
            Some(value) => {
                hull_docker::bools::parse(value).map_err(|_| format!("invalid value for {key}: {value}"))
            }
        };
        match key {
            "readonly" | "ro" => self.read_only = Some(bool()?),
            "readwrite" | "rw" => self.read_only = Some(!bool()?),
            "required" => self.required = bool()?,
            _ => {
                let missing = || format!("invalid field '{field}' must be a key=value pair");
                self.set_value(key, value.ok_or_else(missing)?, field)?;
            }
        }
        Ok(())
    }

    fn set_value(&mut self, key: &str, value: &str, field: &str) -> Result<(), String> {
        // An empty value is as good as none: `id=$EMPTY`.
        let some = Some(value.to_owned()).filter(|value| !value.is_empty());
        match key {
            "type" => {
                self.kind = value.to_ascii_lowercase();
                if !TYPES.contains(&&*self.kind) {
                    let error = format!("unsupported mount type {value:?}");
                    return Err(with_suggestion(error, value, &TYPES));
                }
            }
            "from" => self.from = some,
            "source" | "src" => self.source = some,
            "target" | "dst" | "destination" => self.target = some,
            "id" => self.id = some,
            "env" => self.env = some,
            "sharing" => {
                self.sharing = Some(match &*value.to_ascii_lowercase() {
                    "shared" => Sharing::Shared,
                    "private" => Sharing::Private,
                    "locked" => Sharing::Locked,
                    _ => {
                        let error = format!("unsupported sharing value {value:?}");
                        return Err(with_suggestion(error, value, &["shared", "private", "locked"]));
                    }
                });
            }
            "size" => {
                let size = hull_docker::size::parse(value);
                self.size = Some(size.map_err(|_| format!("invalid value for {key}: {value}"))?);
            }
            "mode" => self.mode = Some(number(key, value, 8)?),
            "uid" => self.uid = Some(number(key, value, 10)?),
            "gid" => self.gid = Some(number(key, value, 10)?),
            _ => return Err(with_suggestion(format!("unexpected key '{key}' in '{field}'"), key, &KEYS)),
        }
        Ok(())
    }

    fn finish(self) -> Result<Mount, String> {
        let kind = &*self.kind;
        let owners = [("mode", self.mode), ("uid", self.uid), ("gid", self.gid)];
        if matches!(kind, "bind" | "tmpfs")
            && let Some((key, _)) = owners.iter().find(|(_, value)| value.is_some())
        {
            return Err(format!("{key} not allowed for {kind:?} type mounts"));
        }
        if self.sharing.is_some() && kind != "cache" {
            return Err(format!("invalid cache sharing set for {kind} mount"));
        }
        if kind == "secret" {
            if self.from.is_some() {
                return Err("secret mount should not have a from".into());
            }
            if self.source.is_none() && self.target.is_none() && self.id.is_none() {
                return Err("invalid secret mount. one of source, target required".into());
            }
            if self.source.is_some() && self.id.is_some() {
                return Err("both source and id can't be set".into());
            }
        }
        if kind == "ssh" && self.source.is_some() {
            return Err("ssh does not support source".into());
        }
        let read_only = self.read_only.unwrap_or(!matches!(kind, "cache" | "tmpfs"));
        let kind = match kind {
            "cache" => MountKind::Cache {
                id: self.id,
                sharing: self.sharing.unwrap_or_default(),
                from: self.from,
                source: self.source,
            },
            "tmpfs" => MountKind::Tmpfs { size: self.size },
            // The id is the source, the id, or the last part of the target.
            "secret" => MountKind::Secret { id: self.source.or(self.id), env: self.env },
            "ssh" => MountKind::Ssh { id: self.id },
            _ => MountKind::Bind { from: self.from, source: self.source },
        };
        let Self { target, required, uid, gid, mode, .. } = self;
        Ok(Mount { kind, target, read_only, required, uid, gid, mode })
    }
}

fn number(key: &str, value: &str, radix: u32) -> Result<u32, String> {
    // `from_str_radix` takes a sign, Go's `ParseUint` does not.
    let digits = Some(value).filter(|value| !value.starts_with('+'));
    digits
        .and_then(|value| u32::from_str_radix(value, radix).ok())
        .ok_or_else(|| format!("invalid value {value} for {key}"))
}
