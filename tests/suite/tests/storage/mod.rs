//! What the suites of storage pools share.
#![allow(dead_code, reason = "each suite uses what it needs")]

use std::fs;

use hull_test_support::Scenario;

/// The files of the scenario that have loop devices.
pub fn loops(t: &Scenario) -> Vec<String> {
    let here = t.path("").display().to_string();
    let blocks = fs::read_dir("/sys/block").unwrap().map(|entry| entry.unwrap().path());
    let file = |block: std::path::PathBuf| fs::read_to_string(block.join("loop/backing_file")).ok();
    blocks.filter_map(file).filter(|file| file.starts_with(here.trim_end_matches('/'))).collect()
}

#[track_caller]
pub fn no_loops(t: &Scenario) {
    hull_test_support::outcome::eventually("the loop devices are freed", || loops(t).is_empty());
}

pub fn create(t: &Scenario, args: &[&str]) {
    t.ok(&[&["storage", "create"], args].concat());
}
