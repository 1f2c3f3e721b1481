//! The names of the containers on a container's networks: from the leases, which are read again when they have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use hull_storage::process_id::ProcessId;

use super::message::{self, Code, Question, Record};
use crate::leases::Leases;
use crate::pool::Pool;

/// File timestamps advance in steps of some milliseconds. A directory that was modified within this time may be modified
/// again under the same timestamp.
const TIMESTAMP_STEP: Duration = Duration::from_millis(100);

/// The names on a container's networks.
#[derive(Debug, Default)]
pub struct Directory {
    networks: Vec<Network>,
    /// Aliases that only this container uses, each with the name that it stands for.
    links: BTreeMap<String, String>,
    /// Rotates the addresses of a name that several containers have, with each answer.
    rotation: usize,
}

#[derive(Debug)]
struct Network {
    name: String,
    pools: Vec<Pool>,
    leases: Leases,
    read: Option<SystemTime>,
    names: BTreeMap<String, BTreeSet<IpAddr>>,
    addresses: BTreeMap<IpAddr, String>,
    /// The process that each lease belongs to. A killed process has not released its lease.
    holders: BTreeMap<IpAddr, ProcessId>,
}

impl Directory {
    pub fn add(&mut self, name: &str, pools: &[Pool], leases: Leases) {
        self.networks.push(Network {
            name: name.to_ascii_lowercase(),
            pools: pools.to_vec(),
            leases,
            read: None,
            names: BTreeMap::new(),
            addresses: BTreeMap::new(),
            holders: BTreeMap::new(),
        });
    }

    /// Adds an alias for `name`, which is resolved for each query.
    pub fn link(&mut self, alias: &str, name: &str) {
        // The directory has ids by their first twelve digits.
        let is_id = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let name = if is_id { &name[..12] } else { name };
        self.links.insert(alias.to_ascii_lowercase(), name.to_ascii_lowercase());
    }

    /// The answer, if the name or address is of these networks. `None` if the question has to be forwarded.
    pub fn answer(&mut self, question: &Question) -> Option<(Code, Vec<Record>)> {
        self.networks.iter_mut().for_each(Network::reload_if_modified);
        if let Some(address) = message::reverse(&question.name) {
            return self.reverse(question, address);
        }
        let name = self.links.get(&question.name).unwrap_or(&question.name);
        let mut found: Vec<IpAddr> = self.networks.iter().flat_map(|n| n.find(name)).collect();
        if found.is_empty() {
            return None;
        }
        found.retain(|ip| question.kind == if ip.is_ipv4() { message::A } else { message::AAAA });
        self.rotation = self.rotation.wrapping_add(1);
        if !found.is_empty() {
            let by = self.rotation % found.len();
            found.rotate_left(by);
        }
        Some((Code::Success, found.into_iter().map(Record::Address).collect()))
    }

    /// Answers for each address of these networks, leased or not: no other server could.
    fn reverse(&self, question: &Question, address: IpAddr) -> Option<(Code, Vec<Record>)> {
        let network = self.networks.iter().find(|n| n.pools.iter().any(|p| p.subnet().contains(address)))?;
        let name = network.addresses.get(&address).filter(|_| network.is_held(&address));
        let Some(name) = name else { return Some((Code::NoSuchName, vec![])) };
        let name = Record::Name(format!("{name}.{}", network.name));
        Some((Code::Success, if question.kind == message::PTR { vec![name] } else { vec![] }))
    }
}

impl Network {
    /// The addresses of a name, which may have the network's name as its domain.
    fn find(&self, name: &str) -> impl Iterator<Item = IpAddr> + '_ {
        let short = name.strip_suffix(&self.name).and_then(|name| name.strip_suffix('.'));
        let found = self.names.get(name).or_else(|| self.names.get(short?));
        found.into_iter().flatten().copied().filter(|address| self.is_held(address))
    }

    fn is_held(&self, address: &IpAddr) -> bool {
        self.holders.get(address).is_some_and(ProcessId::is_alive)
    }

    fn reload_if_modified(&mut self) {
        let modified = self.leases.modified();
        let is_settled = modified.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > TIMESTAMP_STEP);
        if is_settled && modified == self.read {
            return;
        }
        self.names.clear();
        self.addresses.clear();
        self.holders.clear();
        // If the leases cannot be read, no name is known, and the next query tries again.
        for lease in self.leases.list().unwrap_or_default() {
            let holder = lease.holder;
            self.holders.insert(lease.address, holder.process);
            let short = holder.container.get(..12).unwrap_or(&holder.container).to_owned();
            if let Some(name) = holder.names.first() {
                self.addresses.insert(lease.address, name.to_ascii_lowercase());
            }
            for name in holder.names.into_iter().chain([short]) {
                self.names.entry(name.to_ascii_lowercase()).or_default().insert(lease.address);
            }
        }
        self.read = modified;
    }
}

#[cfg(test)]
mod tests {
    use hull_storage::process_id::ProcessId;

    use super::super::message::tests::ask;
    use super::super::message::{A, AAAA, PTR};
    use super::*;
    use crate::leases::Holder;

    fn pool(subnet: &str) -> Pool {
        Pool::new(subnet.parse().unwrap(), None, None).unwrap()
    }

    #[test]
    fn a_link_is_a_name_for_the_container_that_asked_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let leases = Leases::open(dir.path(), "backend").unwrap();
        let mut directory = Directory::default();
        directory.add("backend", &[pool("10.0.0.0/24")], Leases::open(dir.path(), "backend").unwrap());
        directory.link("Store", "db");
        let question = message::read(&ask("store", A)).unwrap();
        assert!(directory.answer(&question).is_none());
        let address = leases.allocate(&pool("10.0.0.0/24"), &holder('a', &["db"])).unwrap();
        assert_eq!(directory.answer(&question).unwrap().1, [Record::Address(address)]);
    }

    fn holder(id: char, names: &[&str]) -> Holder {
        let names = names.iter().map(|name| name.to_string()).collect();
        Holder { container: id.to_string().repeat(64), names, process: ProcessId::of_self().unwrap() }
    }

    #[test]
    fn containers_are_found_by_their_names_and_none_after_their_end() {
        let dir = tempfile::tempdir().unwrap();
        let leases = Leases::open(dir.path(), "backend").unwrap();
        let (four, six) = (pool("10.0.0.0/24"), pool("fd00::/64"));
        let mut directory = Directory::default();
        directory.add("Backend", &[four.clone(), six.clone()], Leases::open(dir.path(), "backend").unwrap());
        let mut look = |name: &str, kind| {
            let question = message::read(&ask(name, kind)).unwrap();
            directory.answer(&question).map(|(_, records)| records)
        };
        assert_eq!(look("db", A), None);
        let one = leases.allocate(&four, &holder('a', &["Db", "store"])).unwrap();
        let two = leases.allocate(&four, &holder('b', &["db2", "store"])).unwrap();
        let three = leases.allocate(&six, &holder('b', &["db2", "store"])).unwrap();
        for name in ["db", "DB", "db.backend", "aaaaaaaaaaaa"] {
            assert_eq!(look(name, A), Some(vec![Record::Address(one)]), "{name}");
        }
        assert_eq!(look("db", AAAA), Some(vec![]));
        assert_eq!(look("db2", AAAA), Some(vec![Record::Address(three)]));
        assert_eq!(look("db.frontend", A), None);
        let first = |records: Option<Vec<Record>>| records.unwrap().remove(0);
        let firsts = [first(look("store", A)), first(look("store", A))];
        assert!(firsts.contains(&Record::Address(one)) && firsts.contains(&Record::Address(two)));
        assert_eq!(look("2.0.0.10.in-addr.arpa", PTR), Some(vec![Record::Name("db.backend".into())]));
        assert_eq!(look("9.0.0.10.in-addr.arpa", PTR), Some(vec![]));
        assert_eq!(look("9.9.9.9.in-addr.arpa", PTR), None);
        leases.release(one, &"a".repeat(64)).unwrap();
        assert_eq!(look("db", A), None);
        assert_eq!(look("store", A), Some(vec![Record::Address(two)]));
    }
}
