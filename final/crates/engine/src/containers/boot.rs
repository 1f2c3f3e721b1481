//! What starts without a user: containers whose monitor was killed, and those that start with the machine. And the end of
//! all containers when the machine goes down.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hull_docker::flags::volumes_from;

use crate::attach::StartAttach;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::handle::ending::{EndOptions, Ending, end_all};
use crate::monitor::launch::{Launch, launch};
use crate::records::options::{CreateOptions, NamespaceMode, NetworkMode};
use crate::records::record::Record;
use crate::records::restart::Occasion;
use crate::records::snapshot::Snapshot;
use crate::records::state::Exit;

/// A container that starts with the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub id: String,
    /// How long to wait after this container's start before the next one: `boot.autostart.delay`.
    pub delay: Duration,
}

impl Engine {
    /// Starts a container if its restart policy asks for it. False if it does not, which also another command may have
    /// brought about. A container that cannot be started is not tried again.
    pub fn start_by_policy(&self, name: &str, occasion: Occasion) -> Result<bool> {
        let record = self.find(name)?;
        let started = launch(self, &record, Launch::ByPolicy(occasion), StartAttach::Detached, None);
        match started {
            Ok(_) => Ok(Snapshot::take(self.root(), &record.id)?.status.is_active()),
            // Another command is at work on it, and will find what is to be done.
            Err(error @ Error::Busy { .. }) => Err(error),
            Err(error) => {
                let given_up = self.give_up_restarts(&record.id, &error);
                Err(error.with_undo(given_up).for_container(name))
            }
        }
    }

    /// Records that a container does not come back.
    fn give_up_restarts(&self, id: &str, error: &Error) -> Result<()> {
        let _lock = self.lock(id)?;
        match Exit::load(self.root(), id)? {
            Some(exit) if exit.monitor_killed => {
                Exit { monitor_killed: false, error: error.to_string(), ..exit }.store(self.root(), id)
            }
            _ => Ok(()),
        }
    }

    /// Records that the user wants a container to stay as it is, whose monitor was killed.
    pub(crate) fn forget_comeback(&self, id: &str) -> Result<()> {
        self.comebacks().forget(id);
        let is_due = |exit: &Exit| exit.monitor_killed && !exit.stopped_by_user;
        if !Exit::load(self.root(), id)?.is_some_and(|exit| is_due(&exit)) {
            return Ok(());
        }
        let _lock = self.lock(id)?;
        match Exit::load(self.root(), id)? {
            Some(exit) if is_due(&exit) => Exit { stopped_by_user: true, ..exit }.store(self.root(), id),
            _ => Ok(()),
        }
    }

    /// The containers that are to start with the machine, in groups: each needs only containers of earlier groups. A group
    /// by needs is divided into groups by `boot.autostart.priority`, the highest first.
    pub fn due_at_boot(&self) -> Result<Vec<Vec<Due>>> {
        let (mut needs, mut order, mut delays) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for id in self.ids()? {
            // One whose files are damaged must not keep the others from starting.
            let Ok(record) = Record::load(self.root(), &id) else { continue };
            let Ok(snapshot) = Snapshot::take(self.root(), &id) else { continue };
            let snapshot = self.clear_if_dead(&record, snapshot);
            let Ok(snapshot) = snapshot else { continue };
            let is_due = Occasion::Boot.restart_count(&record, snapshot.exit.as_ref()).is_some();
            if is_due && !snapshot.status.is_active() {
                order.insert(id.clone(), number(&record, "boot.autostart.priority"));
                delays.insert(id.clone(), seconds(&record, "boot.autostart.delay").unwrap_or_default());
                needs.insert(id, self.needs(&record.options));
            }
        }
        let due = |id: String| Due { delay: delays.get(&id).copied().unwrap_or_default(), id };
        let groups = in_groups(needs).into_iter().flat_map(|group| by_priority(group, &order));
        Ok(groups.map(|group| group.into_iter().map(due).collect()).collect())
    }

    /// Stops all containers because the machine goes down, in groups: a container is stopped before those that it needs. A
    /// group by needs is divided into groups by `boot.stop.priority`, the highest first. The containers of a group are
    /// stopped at once. Each has its `boot.host_shutdown_timeout`, or else its own stop timeout. They start again with the
    /// machine, because no user has stopped them.
    pub fn stop_for_shutdown(&self, failed: &mut dyn FnMut(&str, Error)) -> Result<()> {
        let (mut running, mut order) = (BTreeMap::new(), BTreeMap::new());
        for id in self.ids()? {
            if let (Ok(record), Ok(snapshot)) =
                (Record::load(self.root(), &id), Snapshot::take(self.root(), &id))
                && snapshot.status.is_active()
            {
                order.insert(id.clone(), number(&record, "boot.stop.priority"));
                running.insert(id, self.needs(&record.options));
            }
        }
        for group in in_groups(running).into_iter().rev().flat_map(|group| by_priority(group, &order)) {
            let begin = |id: &String| self.begin_shutdown(&self.find(id)?);
            end_all(group.iter().map(begin).collect(), &mut |index, ended| {
                if let (Err(error), Some(id)) = (ended, group.get(index)) {
                    failed(id, error);
                }
            });
        }
        Ok(())
    }

    fn begin_shutdown(&self, record: &Record) -> Result<Option<Ending<'_>>> {
        let options = self.stop_options(record, None, None, false)?;
        let timeout = seconds(record, "boot.host_shutdown_timeout").unwrap_or(options.timeout);
        let options = EndOptions { by_shutdown: true, timeout, ..options };
        let running = self.running(&record.id)?;
        Ok(running.map(|running| Ending::begin(self, &record.id, &record.name, running, options)))
    }

    /// The containers that have to run before one with these options, by id. Names that no container has are left out:
    /// the start reports them.
    fn needs(&self, options: &CreateOptions) -> BTreeSet<String> {
        let mut names: Vec<&str> = options.links.iter().map(|(container, _)| container.as_str()).collect();
        names.extend(options.volumes_from.iter().filter_map(|from| Some(volumes_from::parse(from).ok()?.0)));
        if let NetworkMode::Container(other) = &options.network {
            names.push(other);
        }
        names.extend(options.requires.iter().map(String::as_str));
        names.extend(options.userns.container());
        for mode in [&options.pid, &options.ipc, &options.uts, &options.cgroupns] {
            if let NamespaceMode::Container(other) = mode {
                names.push(other);
            }
        }
        names.into_iter().filter_map(|name| self.resolve(name).ok()).collect()
    }
}

/// The value of a key as a number, which was checked when the key was set. 0 if it is not set.
fn number(record: &Record, key: &str) -> i64 {
    let value = record.instance.expanded.config.get(key);
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

fn seconds(record: &Record, key: &str) -> Option<Duration> {
    let value = record.instance.expanded.config.get(key)?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// Divides a group into smaller ones by priority, the highest first.
fn by_priority(group: Vec<String>, priorities: &BTreeMap<String, i64>) -> Vec<Vec<String>> {
    let mut groups: BTreeMap<Reverse<i64>, Vec<String>> = BTreeMap::new();
    for id in group {
        let priority = priorities.get(&id).copied().unwrap_or(0);
        groups.entry(Reverse(priority)).or_default().push(id);
    }
    groups.into_values().collect()
}

/// Groups of ids: each id needs only ids of earlier groups, and ids that are not in the list. Ids that need one another
/// come last, together.
fn in_groups(mut needs: BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let mut groups = Vec::new();
    while !needs.is_empty() {
        let is_ready = |own: &BTreeSet<String>| !own.iter().any(|other| needs.contains_key(other));
        let mut ready: Vec<String> =
            needs.iter().filter(|(_, own)| is_ready(own)).map(|(id, _)| id.clone()).collect();
        if ready.is_empty() {
            ready = needs.keys().cloned().collect();
        }
        needs.retain(|id, _| !ready.contains(id));
        groups.push(ready);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_priority_comes_first_and_none_counts_as_zero() {
        let priorities = [("a", -1), ("b", 7), ("d", 7)].map(|(id, number)| (id.to_owned(), number)).into();
        let group = ["a", "b", "c", "d"].map(str::to_owned).into();
        assert_eq!(by_priority(group, &priorities), [vec!["b", "d"], vec!["c"], vec!["a"]]);
    }

    #[test]
    fn a_group_needs_only_earlier_groups_and_circles_come_last() {
        let needs = |list: &[(&str, &[&str])]| {
            let entry = |(id, own): &(&str, &[&str])| {
                ((*id).to_owned(), own.iter().map(|one| (*one).to_owned()).collect())
            };
            in_groups(list.iter().map(entry).collect())
        };
        assert_eq!(
            needs(&[("a", &["b"]), ("b", &["c", "gone"]), ("c", &[]), ("d", &[])]),
            [vec!["c", "d"], vec!["b"], vec!["a"]]
        );
        assert_eq!(needs(&[("a", &["b"]), ("b", &["a"]), ("c", &[])]), [vec!["c"], vec!["a", "b"]]);
        assert_eq!(needs(&[("a", &["a"])]), [["a"]]);
        assert!(needs(&[]).is_empty());
    }
}
