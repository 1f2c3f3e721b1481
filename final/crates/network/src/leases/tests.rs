use std::collections::BTreeSet;

use super::*;

struct Network {
    dir: tempfile::TempDir,
    leases: Leases,
    pool: Pool,
}

fn network(subnet: &str) -> Network {
    let dir = tempfile::tempdir().unwrap();
    let leases = Leases::open(dir.path(), "bridge").unwrap();
    Network { dir, leases, pool: Pool::new(subnet.parse().unwrap(), None, None).unwrap() }
}

fn living(container: &str) -> Holder {
    let process = ProcessId::of_self().unwrap();
    Holder { container: container.into(), names: vec![format!("{container}.name")], process }
}

fn dead(container: &str) -> Holder {
    let process = ProcessId { start_time: 0, ..ProcessId::of_self().unwrap() };
    Holder { process, ..living(container) }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_released_address_is_not_the_next_one() {
    let Network { dir: _dir, leases, pool } = network("10.0.0.0/24");
    assert_eq!(leases.allocate(&pool, &living("a")).unwrap(), ip("10.0.0.2"));
    leases.release(ip("10.0.0.2"), "a").unwrap();
    assert_eq!(leases.allocate(&pool, &living("b")).unwrap(), ip("10.0.0.3"));
    let listed = leases.list().unwrap();
    assert_eq!(listed, [Lease { address: ip("10.0.0.3"), holder: living("b") }]);
}

#[test]
fn an_address_rests_a_minute_while_another_is_free() {
    let Network { dir: _dir, leases, pool } = network("10.0.0.0/29");
    for number in 0..5 {
        leases.allocate_at(&pool, &living(&number.to_string()), 1000).unwrap();
    }
    // Addresses 2 to 6 are allocated. The one that was released first is allocated first, though others come before it.
    leases.release_at(ip("10.0.0.4"), "2", 1010).unwrap();
    leases.release_at(ip("10.0.0.2"), "0", 1020).unwrap();
    leases.release_at(ip("10.0.0.6"), "4", 1015).unwrap();
    assert_eq!(leases.allocate_at(&pool, &living("x"), 1030).unwrap(), ip("10.0.0.4"));
    // The minute after the release has passed for 6, and not for 2.
    assert_eq!(leases.allocate_at(&pool, &living("y"), 1076).unwrap(), ip("10.0.0.6"));
    assert_eq!(leases.allocate_at(&pool, &living("z"), 1077).unwrap(), ip("10.0.0.2"));
    let error = leases.allocate_at(&pool, &living("w"), 1078).unwrap_err();
    assert_eq!(error.to_string(), "no addresses left in 10.0.0.0/29");
    assert_eq!(error.kind(), hull_sys::Kind::Exhausted);
}

#[test]
fn the_leases_of_the_dead_are_free_and_the_living_keep_theirs() {
    let Network { dir: _dir, leases, pool } = network("10.0.0.0/29");
    for number in 0..4 {
        leases.allocate(&pool, &dead(&number.to_string())).unwrap();
    }
    let kept = leases.allocate(&pool, &living("kept")).unwrap();
    assert_eq!(leases.list().unwrap().len(), 1);
    for number in 10..14 {
        assert_ne!(leases.allocate(&pool, &living(&number.to_string())).unwrap(), kept);
    }
    assert!(matches!(leases.allocate(&pool, &living("more")), Err(Error::NoAddressLeft { .. })));
}

#[test]
fn a_requested_address_is_allocated_or_its_holder_named() {
    let Network { dir: _dir, leases, pool } = network("10.0.0.0/24");
    leases.allocate_address(&pool, ip("10.0.0.9"), &living("a")).unwrap();
    leases.allocate_address(&pool, ip("10.0.0.9"), &living("a")).unwrap();
    let error = leases.allocate_address(&pool, ip("10.0.0.9"), &living("b")).unwrap_err();
    assert_eq!(error.to_string(), "address 10.0.0.9 is already in use by container a");
    leases.release(ip("10.0.0.9"), "b").unwrap();
    assert!(
        leases.allocate_address(&pool, ip("10.0.0.9"), &living("b")).is_err(),
        "only its holder releases it"
    );
    leases.release(ip("10.0.0.9"), "a").unwrap();
    leases.allocate_address(&pool, ip("10.0.0.9"), &living("b")).unwrap();
    for refused in ["10.0.0.1", "10.0.0.0", "10.0.1.1", "fd00::2"] {
        assert!(leases.allocate_address(&pool, ip(refused), &living("c")).is_err(), "{refused}");
    }
}

#[test]
fn both_families_go_on_by_themselves() {
    let Network { dir: _dir, leases, pool } = network("10.0.0.0/24");
    let six = Pool::new("fd00::/64".parse().unwrap(), None, None).unwrap();
    for (v4, v6) in [("10.0.0.2", "fd00::2"), ("10.0.0.3", "fd00::3")] {
        assert_eq!(leases.allocate(&pool, &living("a")).unwrap(), ip(v4));
        assert_eq!(leases.allocate(&six, &living("a")).unwrap(), ip(v6));
    }
}

#[test]
fn sixteen_at_a_time_get_different_addresses() {
    let Network { dir, leases: _, pool } = network("172.17.0.0/16");
    let taken = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|thread| {
                let (pool, run) = (&pool, dir.path());
                scope.spawn(move || {
                    let leases = Leases::open(run, "bridge").unwrap();
                    let take = |n| leases.allocate(pool, &living(&format!("{thread}-{n}"))).unwrap();
                    (0..13).map(take).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(taken.len(), 208);
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 208);
}

#[test]
fn files_of_addresses_that_have_rested_go_by_themselves() {
    let Network { dir, leases, pool } = network("10.0.0.0/24");
    for number in 0..50 {
        let name = number.to_string();
        let address = leases.allocate_at(&pool, &living(&name), 1000).unwrap();
        leases.release_at(address, &name, 1000).unwrap();
    }
    let kept = leases.allocate_at(&pool, &living("kept"), 1001).unwrap();
    let passing = leases.allocate_at(&pool, &living("passing"), 1001).unwrap();
    leases.release_at(passing, "passing", 1070).unwrap();
    let left = std::fs::read_dir(dir.path().join("networks/bridge/leases")).unwrap();
    let left: BTreeSet<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(left, [kept.to_string(), passing.to_string()].into());
}

#[test]
fn a_network_name_that_leads_elsewhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for bad in ["..", "a/b", "", "."] {
        assert!(Leases::open(dir.path(), bad).is_err(), "{bad}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn an_adopted_address_is_in_use_while_its_link_exists() {
    let Network { dir: _dir, leases, pool } = network("10.0.0.0/24");
    assert!(leases.is_new());
    leases.allocate_address(&pool, ip("10.0.0.3"), &living("a")).unwrap();
    let wired = [("10.0.0.2", "lo"), ("10.0.0.3", "lo"), ("10.0.0.4", "gone0")];
    leases.adopt(wired.into_iter().map(|(address, link)| (ip(address), link.into()))).unwrap();
    assert!(!leases.is_new());
    assert_eq!(leases.list().unwrap(), [Lease { address: ip("10.0.0.3"), holder: living("a") }]);
    let taken = leases.allocate_address(&pool, ip("10.0.0.2"), &living("b")).unwrap_err();
    assert!(taken.to_string().ends_with("already in use by the container at the other end of lo"), "{taken}");
    assert_eq!(
        leases.allocate(&pool, &living("b")).unwrap(),
        ip("10.0.0.5"),
        "4 has just become free, and rests"
    );
    leases.allocate_address(&pool, ip("10.0.0.4"), &living("b")).unwrap();
}

#[test]
fn a_damaged_lease_keeps_its_address_from_others_and_stops_nobody() {
    let Network { dir, leases, pool } = network("10.9.0.0/29");
    let address = leases.allocate(&pool, &living("one")).unwrap();
    let files = dir.path().join("networks/bridge");
    for file in [files.join("leases").join(address.to_string()), files.join("last")] {
        std::fs::write(file, "{\"he").unwrap();
    }
    assert!(leases.is_held(address).unwrap());
    assert!(leases.list().unwrap().is_empty());
    assert_ne!(leases.allocate(&pool, &living("two")).unwrap(), address);
    assert!(leases.allocate_address(&pool, address, &living("two")).is_err());
    leases.release(address, "one").unwrap();
    assert!(!leases.is_held(address).unwrap());
    assert_eq!(leases.release_all("two").unwrap().len(), 1);
    assert!(leases.list().unwrap().is_empty());
}
