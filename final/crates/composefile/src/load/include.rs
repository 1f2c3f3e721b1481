//! `include`: the services and resources of other files, which have a directory and variables of their own.

use hull_yaml::tree::{Entry, Mapping, Node, Place, Value};

use super::scope::{Reader, Scope};
use super::{lexical, remote};
use crate::read::errno;
use crate::{Error, Result, dotenv};

/// How deep files may include each other.
const DEPTH: usize = 100;

/// What a file can add to one that includes it.
const KINDS: [&str; 6] = ["services", "volumes", "networks", "secrets", "configs", "models"];

/// One item of `include`.
struct Include {
    /// The first is the file; the others override it.
    paths: Vec<(String, Place)>,
    project_directory: Option<String>,
    env_files: Vec<(String, Place)>,
}

/// Adds what the files in `include` define to `document`, which is of `file`.
pub(super) fn apply(
    reader: &mut dyn Reader<'_>,
    document: &mut Node,
    file: &str,
    scope: &Scope<'_>,
) -> Result<()> {
    let Value::Mapping(entries) = &mut document.value else { return Ok(()) };
    let Some(include) = entries.remove("include") else { return Ok(()) };
    let items = match include.node.value {
        Value::Null => return Ok(()),
        Value::Sequence(items) => items,
        value => {
            let why = format!("`include` must be a list, got {}", crate::merge::shown(&value));
            return Err(Error::new(why).at(include.node.place));
        }
    };
    let mut included = scope.included.to_vec();
    included.push(file.to_owned());
    if included.len() > DEPTH {
        let why = format!("the files include each other more than {DEPTH} levels deep");
        return Err(Error::new(why).at(include.key));
    }
    for (index, item) in items.into_iter().enumerate() {
        let place = item.place;
        let item = Include::of(item, index, reader)?;
        let model = load(reader, item, scope, &included, place)?;
        import(model, entries)?;
    }
    Ok(())
}

fn load(
    reader: &mut dyn Reader<'_>,
    include: Include,
    scope: &Scope<'_>,
    included: &[String],
    place: Place,
) -> Result<Node> {
    let mut files = Vec::new();
    for (path, place) in &include.paths {
        remote::refuse(path, "`include`").map_err(|error| error.at(*place))?;
        files.push(lexical::absolute(scope.base, path));
    }
    let Some(first) = files.first() else {
        return Err(Error::new("an item of `include` needs a path").at(place));
    };
    if included.contains(first) {
        let (outermost, rest) = included.split_first().expect("it contains the file");
        let rest = rest.iter().chain([first]).map(String::as_str).collect::<Vec<_>>().join("\n include ");
        return Err(Error::new(format!("include cycle detected:\n{outermost}\n include {rest}")).at(place));
    }
    let (directory, base) = match &include.project_directory {
        None => (lexical::directory_from(scope.base, first), lexical::directory(first)),
        Some(own) if own.starts_with('/') => (own.clone(), own.clone()),
        Some(own) => (lexical::directory_from(scope.base, own), lexical::join(scope.base, own)),
    };
    let env_files = env_files(&include, scope, &base)?;
    let mut environment = scope.environment.clone();
    for (name, value) in dotenv::read_all(scope.environment, &env_files, &mut reader.common().notes())
        .map_err(|error| error.at(place))?
    {
        environment.entry(name).or_insert(value);
    }
    let scope = Scope { directory: &directory, base: &base, environment: &environment, included };
    reader.model(&files, &scope, true).map_err(|error| error.at(place))
}

/// The named files, or the `.env` in the directory of the file.
fn env_files(include: &Include, scope: &Scope<'_>, base: &str) -> Result<Vec<String>> {
    if include.env_files.is_empty() {
        let file = lexical::join(base, ".env");
        let exists = std::fs::metadata(&file).is_ok_and(|metadata| !metadata.is_dir());
        return Ok(if exists { vec![file] } else { Vec::new() });
    }
    let check = |(file, place): &(String, Place)| {
        let file = lexical::absolute(scope.base, file);
        match std::fs::metadata(&file) {
            Ok(metadata) if metadata.is_dir() => Err(Error::new(format!("{file} is not a file")).at(*place)),
            Ok(_) => Ok(file),
            Err(error) => Err(Error::new(format!("stat {file}: {}", errno(&error))).at(*place)),
        }
    };
    include.env_files.iter().map(check).collect()
}

/// Adds the resources of an included model. The same one may come twice.
fn import(model: Node, entries: &mut Mapping) -> Result<()> {
    let Value::Mapping(mut model) = model.value else { return Ok(()) };
    for kind in KINDS {
        let Some(section) = model.remove(kind) else { continue };
        let Value::Mapping(resources) = section.node.value else { continue };
        let empty = Node { value: Value::Mapping(Mapping::new()), place: section.node.place, tag: None };
        let own = entries.entry(kind.to_owned()).or_insert(Entry { key: section.key, node: empty.clone() });
        if own.node.value == Value::Null {
            own.node = empty;
        }
        let Value::Mapping(own_resources) = &mut own.node.value else {
            return Err(Error::new(format!("{kind} must be a mapping")).at(own.node.place));
        };
        for (name, resource) in resources {
            match own_resources.get(&name) {
                Some(own) if !same(&own.node.value, &resource.node.value) => {
                    let why = format!("{kind}.{name} conflicts with imported resource");
                    return Err(Error::new(why)
                        .at(own.key)
                        .hint("rename one of them, or override the included one in an override file"));
                }
                Some(_) => {}
                None => drop(own_resources.insert(name, resource)),
            }
        }
    }
    Ok(())
}

/// Whether two values are the same, wherever they stand.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Mapping(one), Value::Mapping(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|((key, value), (other_key, other))| {
                    key == other_key && same(&value.node.value, &other.node.value)
                })
        }
        (Value::Sequence(one), Value::Sequence(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| same(&one.value, &other.value))
        }
        (one, other) => one == other,
    }
}

impl Include {
    /// A text is a path.
    fn of(item: Node, index: usize, reader: &mut dyn Reader<'_>) -> Result<Self> {
        let mut include = Self { paths: Vec::new(), project_directory: None, env_files: Vec::new() };
        let entries = match item.value {
            Value::Mapping(entries) => entries,
            Value::String(path) => {
                include.paths.push((path, item.place));
                return Ok(include);
            }
            _ => {
                let why = format!("include[{index}] must be a string or a mapping");
                return Err(Error::new(why).at(item.place));
            }
        };
        for (key, entry) in entries {
            let place = entry.node.place;
            let texts = |what: &str| Error::new(format!("include[{index}].{key} must be {what}")).at(place);
            match (key.as_str(), entry.node.value) {
                ("path", value) => {
                    include.paths = list(value, place).ok_or_else(|| texts("a string or a list"))?
                }
                ("env_file", value) => {
                    include.env_files = list(value, place).ok_or_else(|| texts("a string or a list"))?;
                }
                ("project_directory", Value::String(path)) => {
                    include.project_directory = Some(path).filter(|path| !path.is_empty());
                }
                ("project_directory", Value::Null) => {}
                ("project_directory", _) => return Err(texts("a string")),
                // Compose ignores it without a word.
                _ => {
                    let why = format!("include[{index}].{key} is unknown, and has no effect");
                    reader.common().warnings.add(why, Some(entry.key));
                }
            }
        }
        Ok(include)
    }
}

fn list(value: Value, place: Place) -> Option<Vec<(String, Place)>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::String(text) => Some(vec![(text, place)]),
        Value::Sequence(items) => {
            let text = |item: Node| match item.value {
                Value::String(text) => Some((text, item.place)),
                _ => None,
            };
            items.into_iter().map(text).collect()
        }
        _ => None,
    }
}
