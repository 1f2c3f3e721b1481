//! The difference between two sets of keys in force.

use hull_lxd::Config;
use hull_lxd::keys::Effect;

/// Keys in force, before and after.
pub(super) struct Change<'a> {
    pub before: &'a Config,
    pub after: &'a Config,
}

impl Change<'_> {
    /// Whether one of these keys has another value.
    pub fn of(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.before.get(*name) != self.after.get(*name))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.after.get(name).map(String::as_str)
    }

    /// Whether a boolean key is set to true.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|text| hull_lxd::value::boolean(text) == Ok(true))
    }

    /// The keys with this beginning that have another value or are gone, without the beginning, and their new values.
    pub fn family<'a>(&'a self, beginning: &'a str) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        let names =
            self.before.keys().chain(self.after.keys().filter(|name| !self.before.contains_key(*name)));
        let of_family = names.filter_map(move |name| Some((name, name.strip_prefix(beginning)?)));
        let changed = of_family.filter(|(name, _)| self.of(&[name]));
        changed.map(|(name, rest)| (rest, self.get(name)))
    }

    /// The changed keys that take effect at the next start of a running container.
    pub fn need_restart(&self) -> Vec<String> {
        let of_start = |name: &&str| {
            hull_lxd::keys::find(name).is_ok_and(|key| matches!(key.effect, Effect::Start))
                && self.of(&[name])
        };
        let names = self.before.keys().chain(self.after.keys()).map(String::as_str);
        let mut names: Vec<String> = names.filter(of_start).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    }
}
