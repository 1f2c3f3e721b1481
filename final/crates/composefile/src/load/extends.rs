//! `extends`: a service begins with the definition of another one, of its file or of another file.

use hull_yaml::tree::{Mapping, Node, Place, Value};

use super::paths::Resolver;
use super::reset::Resets;
use super::scope::{Purpose, Reader, Scope};
use super::{lexical, remote};
use crate::merge::merge;
use crate::path::Path;
use crate::{Error, Result};

/// How many services may extend each other in a row.
const DEPTH: usize = 200;

/// Replaces every service that extends another one by what both say.
pub(super) fn apply(
    reader: &mut dyn Reader<'_>,
    document: &mut Node,
    file: &str,
    scope: &Scope<'_>,
    resets: &Resets,
) -> Result<()> {
    let Value::Mapping(entries) = &mut document.value else { return Ok(()) };
    let Some(services) = entries.get_mut("services") else { return Ok(()) };
    let place = services.node.place;
    let Value::Mapping(services) = &mut services.node.value else {
        return Err(Error::new("services must be a mapping").at(place));
    };
    let names: Vec<String> = services.keys().cloned().collect();
    let mut extension = Extension { reader, scope, file, chain: Vec::new() };
    for name in names {
        extension.service(&name, services, resets)?;
    }
    Ok(())
}

struct Extension<'a, 'b> {
    reader: &'a mut dyn Reader<'b>,
    scope: &'a Scope<'a>,
    /// The file of the command line or of the `include`.
    file: &'a str,
    /// The services that wait for what they extend, each with its file.
    chain: Vec<(String, String)>,
}

/// The value of `extends`.
struct Reference {
    service: String,
    file: Option<String>,
    place: Place,
}

impl Extension<'_, '_> {
    /// Replaces a service of `services` by what it and the services that it extends say. Its document resets `resets`.
    fn service(&mut self, name: &str, services: &mut Mapping, resets: &Resets) -> Result<()> {
        let Some(entry) = services.get(name) else { return Ok(()) };
        let own = match &entry.node.value {
            Value::Null => return Ok(()),
            Value::Mapping(own) => own,
            _ => {
                let why = format!("services.{name} must be a mapping");
                return Err(Error::new(why).at(entry.node.place));
            }
        };
        let Some(extends) = own.get("extends") else { return Ok(()) };
        let reference = Reference::of(name, &extends.node)?;
        let Some(mut base) = self.base(name, &reference, services, resets)? else { return Ok(()) };
        resets.apply_to_service(name, &mut base);
        let entry = services.get_mut(name).expect("it was there, and extending removes none");
        let place = entry.node.place;
        let own = std::mem::replace(&mut entry.node, Node { value: Value::Null, place, tag: None });
        let root = Path::ROOT.key("services");
        let mut merged = merge(base, own, &root.key(name))?;
        if let Value::Mapping(entries) = &mut merged.value {
            entries.remove("extends");
        }
        merged.place = place;
        entry.node = merged;
        Ok(())
    }

    /// The service that `name` extends, which is complete itself, unless it is empty.
    fn base(
        &mut self,
        name: &str,
        reference: &Reference,
        services: &mut Mapping,
        resets: &Resets,
    ) -> Result<Option<Node>> {
        let service = &reference.service;
        let mut other = None;
        let file = match &reference.file {
            Some(file) => {
                other = Some(self.other_file(name, file, reference)?);
                file.clone()
            }
            None if !services.contains_key(service) => {
                let why =
                    format!("cannot extend service {name:?} in {}: service {service:?} not found", self.file);
                return Err(Error::new(why).at(reference.place));
            }
            None => self.chain.last().map_or(self.file, |(file, _)| file).to_owned(),
        };
        self.enter(file, name, reference.place)?;
        let (services, resets) = match &mut other {
            Some((services, resets)) => (services, &*resets),
            None => (services, resets),
        };
        self.service(service, services, resets)?;
        self.chain.pop();
        let base = services.get(service).map(|entry| &entry.node);
        let Some(base) = base.filter(|base| base.value != Value::Null) else { return Ok(None) };
        self.reader.common().budget.pay(base)?;
        Ok(Some(base.clone()))
    }

    fn enter(&mut self, file: String, name: &str, place: Place) -> Result<()> {
        let step = (file, name.to_owned());
        if self.chain.contains(&step) {
            let mut lines = vec!["Circular reference:".to_owned()];
            for (index, (file, name)) in self.chain.iter().chain([&step]).enumerate() {
                let verb = if index == 0 { "" } else { "extends " };
                lines.push(format!("  {verb}{name} in {file}"));
            }
            return Err(Error::new(lines.join("\n")).at(place));
        }
        if self.chain.len() >= DEPTH {
            let why = format!("more than {DEPTH} services extend each other");
            return Err(Error::new(why).at(place));
        }
        self.chain.push(step);
        Ok(())
    }

    /// The services of another file, with paths below the directory of that file, and what the file resets.
    fn other_file(&mut self, name: &str, file: &str, reference: &Reference) -> Result<(Mapping, Resets)> {
        let refuse = |why: String| Error::new(why).at(reference.place);
        remote::refuse(file, "`extends`").map_err(|error| error.at(reference.place))?;
        let local = lexical::absolute(self.scope.base, file);
        let directory = lexical::directory_from(self.scope.base, file);
        let scope = Scope { directory: &directory, ..*self.scope };
        let empty = Node { value: Value::Mapping(Mapping::new()), place: reference.place, tag: None };
        let (mut model, resets) = self
            .reader
            .file(&local, &scope, Purpose::Extended, empty)
            .map_err(|error| error.at(reference.place))?;
        let resolver = Resolver { directory: &directory, home: self.reader.common().home() };
        resolver.resolve(&mut model, &Path::ROOT, self.reader.common().warnings)?;
        let Value::Mapping(mut entries) = model.value else { return Ok((Mapping::new(), resets)) };
        let Some(services) = entries.remove("services") else {
            return Err(refuse(format!("cannot extend service {name:?} in {local}: no services section")));
        };
        let Value::Mapping(services) = services.node.value else {
            let why = format!("cannot extend service {name:?} in {local}: services must be a mapping");
            return Err(refuse(why));
        };
        let service = &reference.service;
        if !services.contains_key(service) {
            return Err(refuse(format!(
                "cannot extend service {name:?} in {}: service {service:?} not found in {file}",
                self.file
            )));
        }
        Ok((services, resets))
    }
}

impl Reference {
    /// A text is a service of the same file.
    fn of(name: &str, node: &Node) -> Result<Self> {
        let text = |entries: &Mapping, key: &str| match entries.get(key).map(|entry| &entry.node) {
            None => Ok(None),
            Some(Node { value: Value::Null, .. }) => Ok(None),
            Some(Node { value: Value::String(text), .. }) => Ok(Some(text.clone())),
            Some(node) => {
                Err(Error::new(format!("services.{name}.extends.{key} must be a string")).at(node.place))
            }
        };
        match &node.value {
            Value::String(service) => Ok(Self { service: service.clone(), file: None, place: node.place }),
            Value::Mapping(entries) => {
                let required = || Error::new(format!("extends.{name}.service is required")).at(node.place);
                let service = text(entries, "service")?.ok_or_else(required)?;
                Ok(Self { service, file: text(entries, "file")?, place: node.place })
            }
            _ => {
                Err(Error::new(format!("services.{name}.extends must be a mapping or a string"))
                    .at(node.place))
            }
        }
    }
}
