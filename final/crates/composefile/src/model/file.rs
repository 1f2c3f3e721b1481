//! Configs and secrets, what a service mounts of them, and env files.

use std::collections::BTreeMap;

use super::mapping::Labels;
use super::object::{Decode, Print, field, object, serialize};
use super::quantity::FileMode;
use crate::path::Path;
use crate::print::{Form, Tree};
use crate::{Node, Result};

/// The key under which a secret keeps the content that a variable gives it.
pub(crate) const SECRET_CONTENT: &str = "x-#value";

object! {
    /// A config or a secret that a service or a build mounts.
    pub struct FileReference {
        source: String = "source",
        target: String = "target",
        uid: String = "uid",
        gid: String = "gid",
        mode: Option<FileMode> = "mode",
    }
}

object! {
    pub struct FileObject {
        name: String = "name",
        file: String = "file",
        environment: String = "environment",
        content: String = "content",
        external: bool = "external",
        labels: Labels = "labels",
        driver: String = "driver",
        driver_opts: BTreeMap<String, String> = "driver_opts",
        template_driver: String = "template_driver",
    }
}

macro_rules! file_object {
    ($(#[$about:meta])* $name:ident, $hides_content:expr) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name(pub FileObject);

        impl std::ops::Deref for $name {
            type Target = FileObject;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl std::ops::DerefMut for $name {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.0
            }
        }

        impl Decode for $name {
            fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
                let mut file = FileObject::decode(node, path)?;
                // What a variable gives a secret is in the tree under a key of Compose's own.
                if let Some(content) = file.extensions.remove(SECRET_CONTENT) {
                    file.content = super::mapping::text(&content, path)?;
                }
                Ok(Self(file))
            }
        }

        impl Print for $name {
            fn tree(&self, form: Form) -> Tree {
                let hides_content: fn(&FileObject) -> bool = $hides_content;
                let mut tree = self.0.tree(form);
                if let Tree::Mapping(fields) = &mut tree && hides_content(&self.0) {
                    fields.retain(|(key, _)| key != "content");
                }
                tree
            }

            fn is_empty(&self, form: Form) -> bool {
                self.0.is_empty(form)
            }
        }

        serialize!($name);
    };
}

file_object! {
    /// A config. Content that comes from a variable is not printed.
    Config, |config| !config.environment.is_empty()
}
file_object! {
    /// A secret, whose content is never printed.
    Secret, |_| true
}

object! {
    /// Where a Windows container gets its credentials. Linux has no use for it.
    pub struct CredentialSpec {
        config: String = "config",
        file: String = "file",
        registry: String = "registry",
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvFile {
    pub path: String,
    pub required: bool,
    /// `raw` takes the values as they are; empty is the usual syntax with quotes and variables.
    pub format: String,
}

impl Decode for EnvFile {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        Ok(Self {
            path: field(node, "path", path)?,
            required: field(node, "required", path)?,
            format: field(node, "format", path)?,
        })
    }
}

impl Print for EnvFile {
    // As YAML, Compose forgets the format.
    fn tree(&self, form: Form) -> Tree {
        if self.required {
            return self.path.tree(form);
        }
        let required = ("required".to_owned(), Tree::Bool(false));
        let mut fields = vec![("path".to_owned(), self.path.tree(form)), required];
        if form == Form::Json && !self.format.is_empty() {
            fields.push(("format".to_owned(), self.format.tree(form)));
        }
        if form == Form::Json && self.path.is_empty() {
            fields.remove(0);
        }
        Tree::Mapping(fields)
    }

    fn is_empty(&self, _: Form) -> bool {
        false
    }
}

serialize!(EnvFile);
