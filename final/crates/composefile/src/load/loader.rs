//! One file after the other becomes one document. The order of the steps is Compose's, and each step sees what the ones
//! before it made: variables, then `extends`, then `include`, then the merge, then the schema, then the canonical form.

use std::collections::HashMap;

use hull_yaml::tree::{Mapping, Node, Place, Value};

use super::paths::Resolver;
use super::reset::Resets;
use super::scope::{Common, Purpose, Reader, Scope};
use super::{LoadOptions, extends, include};
use crate::budget::Budget;
use crate::canonical::{self, Unreadable};
use crate::interpolate::Interpolation;
use crate::merge::{merge, unique};
use crate::path::Path;
use crate::read::read_bounded;
use crate::sources::{Sources, Warnings};
use crate::{Error, Result, normalise, schema, validate};

/// How many files a project may read: includes that include each other's files twice would else read billions.
const FILES: usize = 5_000;

/// Reads the files of one project.
pub(super) struct Loader<'a> {
    common: Common<'a>,
    /// The documents of the files that were read.
    documents: HashMap<String, Vec<Node>>,
    reads: usize,
}

impl<'a> Reader<'a> for Loader<'a> {
    fn common(&mut self) -> &mut Common<'a> {
        &mut self.common
    }

    fn model(&mut self, files: &[String], scope: &Scope<'_>, resolve_paths: bool) -> Result<Node> {
        let mut model = Node { value: Value::Mapping(Mapping::new()), place: Place::default(), tag: None };
        for file in files {
            (model, _) = self.file(file, scope, Purpose::Model, model)?;
        }
        canonical::set_defaults(&mut model)?;
        validate::check(&model)?;
        if resolve_paths {
            let resolver = Resolver { directory: scope.directory, home: self.common.home() };
            resolver.resolve(&mut model, &Path::ROOT, self.common.warnings)?;
        }
        normalise::resolve_environment(&mut model, scope.environment);
        Ok(model)
    }

    fn file(
        &mut self,
        file: &str,
        scope: &Scope<'_>,
        purpose: Purpose,
        mut model: Node,
    ) -> Result<(Node, Resets)> {
        let mut resets = Resets::default();
        for document in self.documents(file)? {
            (model, resets) = self.document(document, file, scope, purpose, model)?;
        }
        Ok((model, resets))
    }
}

impl<'a> Loader<'a> {
    pub(super) fn new(
        options: &'a LoadOptions,
        sources: &'a mut Sources,
        warnings: &'a mut Warnings,
    ) -> Self {
        let common = Common { options, sources, warnings, budget: Budget::default() };
        Self { common, documents: HashMap::new(), reads: 0 }
    }

    fn document(
        &mut self,
        mut document: Node,
        file: &str,
        scope: &Scope<'_>,
        purpose: Purpose,
        mut model: Node,
    ) -> Result<(Node, Resets)> {
        let root = Path::ROOT;
        if !matches!(document.value, Value::Mapping(_)) {
            return Err(Error::new("top-level object must be a mapping").at(document.place));
        }
        let resets = Resets::take(&mut document);
        if !self.common.options.no_interpolate {
            let mut variables = Interpolation {
                environment: scope.environment,
                warnings: self.common.warnings,
                budget: &mut self.common.budget,
            };
            variables.replace(&mut document, &root)?;
        }
        if purpose == Purpose::Model {
            extends::apply(self, &mut document, file, scope, &resets)?;
        }
        resets.apply(&mut model);
        if purpose == Purpose::Model {
            include::apply(self, &mut document, file, scope)?;
        }
        let mut model = merge(model, document, &root)?;
        unique(&mut model, &root)?;
        if purpose == Purpose::Model {
            // A place says the file already.
            schema::check(&model).map_err(|error| match error.place {
                Some(_) => error,
                None => Error { why: format!("validating {file}: {}", error.why), ..error },
            })?;
            self.drop_version(file, &mut model);
        }
        let unreadable =
            if self.common.options.no_interpolate { Unreadable::Kept } else { Unreadable::Refused };
        let warnings = &mut *self.common.warnings;
        canonical::transform(&mut model, unreadable, &mut |text, place| warnings.add(text, Some(place)))?;
        super::values::omit_empty(&mut model);
        unique(&mut model, &root)?;
        Ok((model, resets))
    }

    fn drop_version(&mut self, file: &str, model: &mut Node) {
        let Value::Mapping(entries) = &mut model.value else { return };
        if let Some(version) = entries.remove("version") {
            let why = format!(
                "{file}: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential \
                 confusion"
            );
            self.common.warnings.add(why, Some(version.key));
        }
    }

    /// The documents of a file. Each file is read once, and counted each time.
    pub(super) fn documents(&mut self, file: &str) -> Result<Vec<Node>> {
        self.reads += 1;
        if self.reads > FILES {
            let why = format!("the files include and extend each other more than {FILES} times");
            return Err(Error::new(why).hint("look for files that include the same files again and again"));
        }
        if let Some(documents) = self.documents.get(file) {
            documents.iter().try_for_each(|document| self.common.budget.pay(document))?;
            return Ok(documents.clone());
        }
        let text = match file {
            "-" => self.common.options.stdin.clone().unwrap_or_default(),
            file => {
                let limit = u64::try_from(hull_yaml::tree::BYTES).unwrap_or(u64::MAX);
                let bytes = read_bounded(file, limit)?;
                String::from_utf8(bytes).map_err(|error| {
                    let at = error.utf8_error().valid_up_to();
                    Error::new(format!("failed to parse {file}: the byte at offset {at} is not UTF-8"))
                })?
            }
        };
        let number = self.common.sources.add(file, text.as_str());
        let documents = hull_yaml::tree::parse(&text, number).map_err(|error| {
            let count = |number| u32::try_from(number).unwrap_or(u32::MAX);
            let place = Place { file: number, line: count(error.line), column: count(error.column) };
            let hint = syntax_hint(&error.why);
            let error = Error::new(error.why).at(place);
            match hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })?;
        self.documents.insert(file.to_owned(), documents.clone());
        Ok(documents)
    }
}

/// What helps with the parser's words for a wrong indentation.
fn syntax_hint(why: &str) -> Option<&'static str> {
    if why.starts_with("tabs disallowed") {
        Some("indent with spaces: YAML permits no tabs there")
    } else if why.contains("did not find expected key") {
        Some("keys of one mapping have the same indentation: compare this line with those above")
    } else if why.starts_with("mapping values are not allowed") {
        Some("put a value with a colon in quotes, or look for a wrong indentation")
    } else {
        None
    }
}
