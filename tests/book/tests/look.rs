//! The interactive page's states are what a kernel says.

use hull_book::look::{self, Lab, Setting};
use hull_test_support::skip::skip;

#[test]
fn every_setting_of_the_switches_has_its_state() {
    let states = look::read().unwrap();
    let stored: Vec<_> = states.iter().map(|state| (state.root, state.command.clone())).collect();
    let wanted: Vec<_> = look::settings().map(|setting| (setting.root, setting.command())).collect();
    assert_eq!(stored, wanted, "run `cargo xtask book --capture`");
}

/// Each switch alone, the pairs that need each other, and all. The rest is made of the same parts.
const TELLING: [&[&str]; 13] = [
    &[],
    &["user"],
    &["uts"],
    &["pid"],
    &["mnt"],
    &["proc"],
    &["pid", "proc"],
    &["pid", "mnt", "proc"],
    &["cgroup"],
    &["net"],
    &["ipc"],
    &["time"],
    &["uts", "pid", "mnt", "proc", "cgroup", "net", "ipc", "time"],
];

#[test]
fn the_states_can_be_captured_again() {
    if let Some(why) = look::hindrance() {
        return skip(why);
    }
    let states = look::read().unwrap();
    let mut lab = Lab::start().unwrap();
    for (root, user) in [(true, false), (true, true), (false, false), (false, true)] {
        for on in TELLING {
            let on = if user { [&["user"], on].concat() } else { on.to_vec() };
            let setting = Setting::of(root, &on);
            let at = look::settings().position(|other| other == setting).unwrap();
            let again = lab.capture(setting).unwrap();
            assert_eq!(states[at].shape(), again.shape(), "run `cargo xtask book --capture`");
        }
    }
}
