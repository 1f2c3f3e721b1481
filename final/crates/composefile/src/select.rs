//! Which services of a project a command is about: profiles, names, and what these depend on.

use std::collections::{BTreeMap, BTreeSet};

use crate::load::Dependencies;
use crate::model::{Dependency, Project, Service};
use crate::{Error, Result};

impl Service {
    /// Whether one of `profiles` enables the service. One without profiles always is, and `*` stands for any profile.
    pub fn is_in(&self, profiles: &[String]) -> bool {
        self.profiles.is_empty()
            || profiles.iter().any(|profile| profile == "*" || self.profiles.contains(profile))
    }
}

impl Project {
    /// Enables the services of `profiles`, and disables the others.
    pub fn set_profiles(&mut self, profiles: Vec<String>) {
        let mut all = std::mem::take(&mut self.services);
        all.append(&mut self.disabled_services);
        let (enabled, disabled) = all.into_iter().partition(|(_, service)| service.is_in(&profiles));
        self.services = enabled;
        self.disabled_services = disabled;
        self.profiles = profiles;
    }

    /// Enables services by their names, with all profiles that they have: other services of these come along.
    pub fn enable(&mut self, names: &[String]) {
        let disabled = names.iter().filter_map(|name| self.disabled_services.get(name));
        let profiles: Vec<String> = disabled.flat_map(|service| service.profiles.clone()).collect();
        if !names.is_empty() {
            self.set_profiles(self.profiles.iter().cloned().chain(profiles).collect());
        }
    }

    /// Disables every service but those that `names` match and, unless they are ignored, those that they depend on. Without
    /// names all stay.
    ///
    /// # Errors
    ///
    /// A name matches no enabled service, or a service depends on one that is missing.
    pub fn select(&mut self, names: &[String], dependencies: Dependencies) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let selected = self.with_dependencies(names, dependencies)?;
        let all = std::mem::take(&mut self.services);
        let (enabled, disabled): (BTreeMap<_, _>, BTreeMap<_, _>) =
            all.into_iter().partition(|(name, _)| selected.contains(name));
        self.services = enabled;
        self.disabled_services.extend(disabled);
        for service in self.services.values_mut() {
            service.depends_on.retain(|name, _| selected.contains(name));
        }
        Ok(())
    }

    /// The names of the services that `names` match, and of those that they depend on.
    ///
    /// # Errors
    ///
    /// As for [`Project::select`].
    pub fn with_dependencies(
        &self,
        names: &[String],
        dependencies: Dependencies,
    ) -> Result<BTreeSet<String>> {
        let mut selected = BTreeSet::new();
        let mut waiting: Vec<&str> = Vec::new();
        for pattern in names {
            let mut found = self.services.keys().filter(|name| matches(pattern, name)).peekable();
            if found.peek().is_none() {
                return Err(self.no_such_service(pattern));
            }
            waiting.extend(found.map(String::as_str));
        }
        while let Some(name) = waiting.pop() {
            if !selected.insert(name.to_owned()) || dependencies == Dependencies::Ignore {
                continue;
            }
            for (other, Dependency { required, .. }) in &self.services[name].depends_on {
                match self.services.get_key_value(other) {
                    Some((other, _)) => waiting.push(other),
                    None if *required => {
                        let place = self.place(&["services", name, "depends_on", other]);
                        return Err(self.no_such_service(other).at(place));
                    }
                    None => {}
                }
            }
        }
        Ok(selected)
    }

    fn no_such_service(&self, name: &str) -> Error {
        let error = Error::new(format!("no such service: {name}"));
        if let Some(service) = self.disabled_services.get(name) {
            return error.hint(format!("enable one of its profiles: {}", service.profiles.join(", ")));
        }
        let known = self.all_services().map(|service| service.name.as_str());
        error.did_you_mean(name, known).hint(format!("the project has {}", listed(&self.services)))
    }

    /// Removes networks, volumes, configs, secrets and models that no enabled service uses.
    pub fn drop_unused_resources(&mut self) {
        let services = || self.services.values();
        let networks: BTreeSet<_> = services().flat_map(|service| service.networks.keys().cloned()).collect();
        let mounts = services().flat_map(|service| &service.volumes);
        let volumes: BTreeSet<_> =
            mounts.filter(|mount| mount.kind == "volume").map(|mount| mount.source.clone()).collect();
        let of_builds =
            services().filter_map(|service| service.build.as_ref()).flat_map(|build| &build.secrets);
        let secrets = services().flat_map(|service| &service.secrets).chain(of_builds);
        let secrets: BTreeSet<_> = secrets.map(|secret| secret.source.clone()).collect();
        let configs = services().flat_map(|service| &service.configs);
        let configs: BTreeSet<_> = configs.map(|config| config.source.clone()).collect();
        let models: BTreeSet<_> = services().flat_map(|service| service.models.keys().cloned()).collect();
        self.networks.retain(|name, _| networks.contains(name));
        self.volumes.retain(|name, _| volumes.contains(name));
        self.secrets.retain(|name, _| secrets.contains(name));
        self.configs.retain(|name, _| configs.contains(name));
        self.models.retain(|name, _| models.contains(name));
    }
}

fn listed(services: &BTreeMap<String, Service>) -> String {
    match services.is_empty() {
        true => "no services".into(),
        false => services.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
    }
}

/// Whether a name matches a pattern of Go's `filepath.Match`: `*`, `?` and `[a-z]`. A pattern that is wrong matches nothing.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    matches_from(&pattern, &name)
}

fn matches_from(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['*', rest @ ..] => (0..=name.len()).any(|skipped| matches_from(rest, &name[skipped..])),
        ['?', rest @ ..] => !name.is_empty() && matches_from(rest, &name[1..]),
        ['[', rest @ ..] => {
            let Some(end) = rest.iter().position(|c| *c == ']').filter(|end| *end > 0) else { return false };
            let (set, rest) = (&rest[..end], &rest[end + 1..]);
            let (is_negated, set) = match set {
                ['^', set @ ..] => (true, set),
                set => (false, set),
            };
            name.first().is_some_and(|c| in_set(set, *c) != is_negated) && matches_from(rest, &name[1..])
        }
        ['\\', own, rest @ ..] | [own, rest @ ..] => {
            name.first() == Some(own) && matches_from(rest, &name[1..])
        }
    }
}

fn in_set(set: &[char], c: char) -> bool {
    match set {
        [from, '-', to, rest @ ..] => (*from..=*to).contains(&c) || in_set(rest, c),
        [one, rest @ ..] => *one == c || in_set(rest, c),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> Project {
        let text = "services:\n  web: {depends_on: {db: {required: true}, gone: {required: false}}, networks: {n: null}}\n  \
                    db: {}\n  worker-1: {}\n  worker-2: {depends_on: {web: {required: true}}}\n  debug: {profiles: [dev]}\n\
                    networks: {n: {}, m: {}}\n";
        let tree = hull_yaml::tree::parse(text, 0).unwrap().remove(0);
        let mut project = Project::decode("p", "/p", tree).unwrap();
        project.set_profiles(Vec::new());
        project
    }

    fn selected(names: &[&str], dependencies: Dependencies) -> Result<Vec<String>> {
        let mut project = project();
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        project.enable(&names);
        project.select(&names, dependencies)?;
        Ok(project.services.into_keys().collect())
    }

    #[test]
    fn a_selected_service_brings_what_it_depends_on() {
        assert_eq!(selected(&["web"], Dependencies::Include).unwrap(), ["db", "web"]);
        assert_eq!(selected(&["web"], Dependencies::Ignore).unwrap(), ["web"]);
        assert_eq!(selected(&[], Dependencies::Include).unwrap(), ["db", "web", "worker-1", "worker-2"]);
        assert_eq!(selected(&["worker-*"], Dependencies::Ignore).unwrap(), ["worker-1", "worker-2"]);
        assert_eq!(selected(&["worker-[!1-1]"], Dependencies::Ignore).unwrap(), ["worker-1"]);
    }

    #[test]
    fn a_named_service_is_enabled_whatever_its_profile_is() {
        assert_eq!(selected(&["debug"], Dependencies::Include).unwrap(), ["debug"]);
        let mut project = project();
        assert!(!project.services.contains_key("debug"));
        project.set_profiles(vec!["*".into()]);
        assert!(project.services.contains_key("debug") && project.disabled_services.is_empty());
    }

    #[test]
    fn a_name_that_matches_nothing_is_refused_with_a_hint() {
        let error = selected(&["wbe"], Dependencies::Include).unwrap_err();
        assert_eq!(error.why, "no such service: wbe");
        assert_eq!(error.hint.as_deref(), Some("did you mean web?"));
    }

    #[test]
    fn resources_that_nothing_uses_are_dropped() {
        let mut project = project();
        project.drop_unused_resources();
        assert_eq!(project.networks.keys().collect::<Vec<_>>(), ["n"]);
    }
}
