//! The order of services: which have to come before which.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};

/// Services and their dependencies, by position. The positions follow the names.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    names: Vec<String>,
    dependencies: Vec<Vec<usize>>,
    dependents: Vec<Vec<usize>>,
}

/// Whether dependencies come first, as at a start, or last, as at a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    DependenciesFirst,
    DependentsFirst,
}

impl Graph {
    /// `edges` has each service with the services that it depends on. One that is not among them is left out. A cycle is an
    /// error that names it.
    pub fn new(edges: &BTreeMap<String, BTreeSet<String>>) -> Result<Self> {
        let names: Vec<String> = edges.keys().cloned().collect();
        let position = |name: &String| names.binary_search(name).ok();
        let dependencies: Vec<Vec<usize>> =
            edges.values().map(|on| on.iter().filter_map(position).collect()).collect();
        let mut dependents = vec![vec![]; names.len()];
        for (node, on) in dependencies.iter().enumerate() {
            on.iter().for_each(|dependency| dependents[*dependency].push(node));
        }
        let graph = Self { names, dependencies, dependents };
        match graph.order().len() == graph.len() {
            true => Ok(graph),
            false => Err(graph.cycle()),
        }
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub fn name(&self, node: usize) -> &str {
        &self.names[node]
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.binary_search_by(|other| other.as_str().cmp(name)).ok()
    }

    /// All services, each after its dependencies. Of several that could be next, the first by name is. Shorter if there is
    /// a cycle.
    pub fn order(&self) -> Vec<usize> {
        let mut schedule = Schedule::new(self, Direction::DependenciesFirst);
        let mut order = Vec::with_capacity(self.len());
        while let Some(node) = schedule.take_ready() {
            order.push(node);
            schedule.finish(node);
        }
        order
    }

    /// The service and all that depend on it, and on those.
    pub fn with_dependents(&self, nodes: &[usize]) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut next = nodes.to_vec();
        while let Some(node) = next.pop() {
            if found.insert(node) {
                next.extend(&self.dependents[node]);
            }
        }
        found
    }

    /// Follows dependencies that no order can satisfy, until one comes again.
    fn cycle(&self) -> Error {
        let done: BTreeSet<usize> = self.order().into_iter().collect();
        let is_left = |node: &usize| !done.contains(node);
        let mut path: Vec<usize> = (0..self.len()).find(is_left).into_iter().collect();
        loop {
            let last = path.last().copied().unwrap_or_default();
            let Some(next) = self.dependencies[last].iter().copied().find(is_left) else { break };
            let seen = path.iter().position(|node| *node == next);
            path.push(next);
            if let Some(start) = seen {
                path.drain(..start);
                break;
            }
        }
        let names: Vec<&str> = path.iter().map(|node| self.name(*node)).collect();
        Error::Invalid(format!("dependency cycle detected: {}", names.join(" -> ")))
    }
}

/// Hands out the services as those finish that have to come before them.
#[derive(Debug)]
pub struct Schedule<'a> {
    graph: &'a Graph,
    direction: Direction,
    /// How many services each still waits for.
    left: Vec<usize>,
    ready: BTreeSet<usize>,
}

impl<'a> Schedule<'a> {
    pub fn new(graph: &'a Graph, direction: Direction) -> Self {
        let before = match direction {
            Direction::DependenciesFirst => &graph.dependencies,
            Direction::DependentsFirst => &graph.dependents,
        };
        let left: Vec<usize> = before.iter().map(Vec::len).collect();
        let ready = (0..graph.len()).filter(|node| left[*node] == 0).collect();
        Self { graph, direction, left, ready }
    }

    /// Whether there is one that waits for none.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// One that waits for none.
    pub fn take_ready(&mut self) -> Option<usize> {
        self.ready.pop_first()
    }

    pub fn finish(&mut self, node: usize) {
        let after = match self.direction {
            Direction::DependenciesFirst => &self.graph.dependents[node],
            Direction::DependentsFirst => &self.graph.dependencies[node],
        };
        for next in after {
            self.left[*next] -= 1;
            if self.left[*next] == 0 {
                self.ready.insert(*next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Result<Graph> {
        let set = |on: &[&str]| on.iter().map(|name| (*name).to_owned()).collect();
        Graph::new(&edges.iter().map(|(name, on)| ((*name).to_owned(), set(on))).collect())
    }

    fn names(graph: &Graph, nodes: impl IntoIterator<Item = usize>) -> Vec<&str> {
        nodes.into_iter().map(|node| graph.name(node)).collect()
    }

    #[test]
    fn dependencies_come_first_and_then_names_decide() {
        let graph =
            graph(&[("web", &["api"]), ("api", &["db", "cache"]), ("db", &[]), ("cache", &[]), ("a", &[])]);
        let graph = graph.unwrap();
        assert_eq!(names(&graph, graph.order()), ["a", "cache", "db", "api", "web"]);
        let db = graph.find("db").unwrap();
        assert_eq!(names(&graph, graph.with_dependents(&[db])), ["api", "db", "web"]);
        let mut down = Schedule::new(&graph, Direction::DependentsFirst);
        let first: Vec<usize> = std::iter::from_fn(|| down.take_ready()).collect();
        assert_eq!(names(&graph, first.iter().copied()), ["a", "web"]);
        down.finish(first[1]);
        assert_eq!(down.take_ready().map(|node| graph.name(node)), Some("api"));
        assert_eq!(down.take_ready(), None);
    }

    #[test]
    fn a_cycle_is_named() {
        let error =
            graph(&[("x", &["a"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("y", &[])]).unwrap_err();
        assert_eq!(error.to_string(), "dependency cycle detected: a -> b -> c -> a");
        assert!(graph(&[("a", &["a"])]).unwrap_err().to_string().ends_with("a -> a"));
    }

    #[test]
    fn a_dependency_that_is_not_there_orders_nothing() {
        let graph = graph(&[("web", &["gone"]), ("db", &[])]).unwrap();
        assert_eq!(names(&graph, graph.order()), ["db", "web"]);
    }
}
