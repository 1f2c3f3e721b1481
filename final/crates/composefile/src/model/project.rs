//! A project: everything that the files, the environment and the command line say together.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::object::{Extensions, Print, extensions, field};
use super::{Config, Model, Network, Secret, Service, Volume};
use crate::path::{Path, Step};
use crate::print::{Form, Tree};
use crate::{Error, Node, Place, Result, Value};

#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    pub name: String,
    pub working_dir: PathBuf,
    pub services: BTreeMap<String, Service>,
    pub networks: BTreeMap<String, Network>,
    pub volumes: BTreeMap<String, Volume>,
    pub secrets: BTreeMap<String, Secret>,
    pub configs: BTreeMap<String, Config>,
    pub models: BTreeMap<String, Model>,
    pub extensions: Extensions,
    /// The files, absolute, in the order in which they were merged. `-` is the standard input.
    pub compose_files: Vec<String>,
    /// What interpolation sees.
    pub environment: BTreeMap<String, String>,
    /// The services whose profiles are not active.
    pub disabled_services: BTreeMap<String, Service>,
    /// The active profiles.
    pub profiles: Vec<String>,
    /// What stands between the parts of the names of containers and images: `-`, and `_` for `--compatibility`.
    pub separator: char,
    /// The merged document from which the project was decoded.
    pub tree: Node,
}

impl Project {
    /// The project of a document in the canonical form. The caller adds what no file says: files, environment and profiles.
    pub fn decode(name: impl Into<String>, working_dir: impl Into<PathBuf>, tree: Node) -> Result<Self> {
        let root = Path::ROOT;
        let mut services: BTreeMap<String, Service> = field(&tree, "services", &root)?;
        for (name, service) in &mut services {
            service.name.clone_from(name);
        }
        Ok(Self {
            name: name.into(),
            working_dir: working_dir.into(),
            services,
            networks: field(&tree, "networks", &root)?,
            volumes: field(&tree, "volumes", &root)?,
            secrets: field(&tree, "secrets", &root)?,
            configs: field(&tree, "configs", &root)?,
            models: field(&tree, "models", &root)?,
            extensions: extensions(&tree),
            compose_files: Vec::new(),
            environment: BTreeMap::new(),
            disabled_services: BTreeMap::new(),
            profiles: Vec::new(),
            separator: '-',
            tree,
        })
    }

    /// Where the value of a path stands: `["services", "web", "ports", "0"]`. Where a part of the path is in no file, the
    /// place is that of the last part that is.
    pub fn place(&self, path: &[&str]) -> Place {
        let (mut node, mut rest) = (&self.tree, path);
        while let Some((next, after)) =
            rest.split_first().and_then(|(key, after)| Some((child(node, key)?, after)))
        {
            (node, rest) = (next, after);
        }
        node.place
    }

    /// An error about the value of a path, at its place: `services.web.ports[0]: …`.
    pub fn error(&self, path: &[&str], why: impl fmt::Display) -> Error {
        let mut node = Some(&self.tree);
        let mut name = String::new();
        for key in path {
            // A service may have a number for its name.
            let is_in_mapping = node.is_some_and(|node| matches!(node.value, Value::Mapping(_)));
            name.push_str(&match key.parse::<usize>() {
                Ok(index) if !is_in_mapping => format!("[{index}]"),
                _ if name.is_empty() => (*key).to_owned(),
                _ => format!(".{key}"),
            });
            node = node.and_then(|node| child(node, key));
        }
        Error::new(format!("{name}: {why}")).at(self.place(path))
    }

    pub fn place_of(&self, path: &Path<'_>) -> Place {
        let steps = path.steps();
        let indices: Vec<String> = steps
            .iter()
            .map(|step| if let Step::Index(index) = step { index.to_string() } else { String::new() })
            .collect();
        let key = |(step, index)| match step {
            &Step::Key(key) => key,
            _ => index,
        };
        self.place(&steps.iter().zip(indices.iter().map(String::as_str)).map(key).collect::<Vec<_>>())
    }

    /// The services of all profiles.
    pub fn all_services(&self) -> impl Iterator<Item = &Service> {
        self.services.values().chain(self.disabled_services.values())
    }
}

fn child<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match &node.value {
        Value::Mapping(entries) => entries.get(key).map(|entry| &entry.node),
        Value::Sequence(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    }
}

impl Print for Project {
    // Compose's JSON has sorted keys and no models, its YAML has them in the order of its type.
    fn tree(&self, form: Form) -> Tree {
        let field = |key: &str, is_empty: bool, tree: Tree| (!is_empty).then(|| (key.to_owned(), tree));
        let optional = [
            ("networks", &self.networks as &dyn Print),
            ("volumes", &self.volumes),
            ("secrets", &self.secrets),
            ("configs", &self.configs),
        ];
        let mut fields = vec![("services".to_owned(), self.services.tree(form))];
        fields
            .extend(optional.iter().filter_map(|(key, own)| field(key, own.is_empty(form), own.tree(form))));
        let name = ("name".to_owned(), Tree::String(self.name.clone()));
        if form == Form::Yaml {
            if !self.name.is_empty() {
                fields.insert(0, name);
            }
            fields.extend(field("models", self.models.is_empty(), self.models.tree(form)));
        } else {
            fields.push(name);
        }
        fields.extend(Tree::extensions(&self.extensions, form));
        if form == Form::Json {
            fields.sort_by(|one, other| one.0.cmp(&other.0));
        }
        Tree::Mapping(fields)
    }

    fn is_empty(&self, _: Form) -> bool {
        false
    }
}

super::object::serialize!(Project);
