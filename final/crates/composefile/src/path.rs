//! Where a value is in a document: `services.web.ports[0]`.

use std::fmt;

use crate::{Error, Node};

/// A path is a chain on the stack: walking a document allocates nothing until there is an error.
#[derive(Debug, Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    pub const ROOT: Path<'static> = Path { parent: None, step: Step::Root };

    pub fn key<'b>(&'b self, key: &'b str) -> Path<'b>
    where
        'a: 'b,
    {
        Path { parent: Some(self), step: Step::Key(key) }
    }

    pub fn index<'b>(&'b self, index: usize) -> Path<'b>
    where
        'a: 'b,
    {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    pub fn parent(&self) -> Option<&Path<'a>> {
        self.parent
    }

    pub fn step(&self) -> Step<'a> {
        self.step
    }

    /// The keys from the root on. An index is one too.
    pub fn steps(&self) -> Vec<Step<'a>> {
        let mut steps: Vec<_> = std::iter::successors(Some(self), |path| path.parent)
            .map(|path| path.step)
            .filter(|step| *step != Step::Root)
            .collect();
        steps.reverse();
        steps
    }

    /// Whether the path is `services.*.ports.*`: a star stands for any key and any index.
    pub fn is(&self, pattern: &str) -> bool {
        // From the end, because the chain leads there, and most patterns differ in their last part.
        let mut steps = std::iter::successors(Some(self), |path| path.parent).map(|path| path.step);
        let same = pattern.rsplit('.').all(|part| match steps.next() {
            Some(Step::Key(key)) => part == "*" || part == key,
            Some(Step::Index(_)) => part == "*",
            Some(Step::Root) | None => false,
        });
        same && steps.next() == Some(Step::Root)
    }

    /// An error about the value here: `services.web.ports[0]: …`.
    pub fn error(&self, node: &Node, why: impl fmt::Display) -> Error {
        let why = if self.step == Step::Root { why.to_string() } else { format!("{self}: {why}") };
        Error::new(why).at(node.place)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.steps().iter().enumerate() {
            match step {
                Step::Key(key) if number > 0 => write!(to, ".{key}")?,
                Step::Key(key) => to.write_str(key)?,
                Step::Index(index) => write!(to, "[{index}]")?,
                Step::Root => {}
            }
        }
        Ok(())
    }
}

/// A path without `.`, `..`, double slashes and a slash at its end, as Go's `path.Clean` has it: only the text counts.
pub fn clean(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            // There is nothing above the root.
            ".." if is_absolute => {}
            _ => parts.push(part),
        }
    }
    match (is_absolute, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_printed_and_matched() {
        let services = Path::ROOT.key("services");
        let web = services.key("web");
        let ports = web.key("ports");
        let port = ports.index(2);
        assert_eq!(port.to_string(), "services.web.ports[2]");
        assert!(port.is("services.*.ports.*"));
        assert!(!port.is("services.*.ports"));
        assert!(!ports.is("services.*.ports.*"));
        assert!(!port.is("services.*.volumes.*"));
    }

    #[test]
    fn a_path_is_cleaned_as_go_cleans_it() {
        for (path, clean_path) in [
            ("", "."),
            ("/", "/"),
            ("/a/", "/a"),
            ("/a//b/./c/..", "/a/b"),
            ("/../a", "/a"),
            ("../../a", "../../a"),
            ("a/../..", ".."),
            ("./a", "a"),
        ] {
            assert_eq!(clean(path), clean_path, "{path}");
        }
    }
}
