//! The interactive page's states are what a kernel says.

use hull_book::look;
use hull_test_support::skip::skip;

#[test]
fn every_setting_of_the_switches_has_its_state() {
    let states = look::read().unwrap();
    let stored: Vec<_> = states.iter().map(|state| (state.root, state.command.clone())).collect();
    let wanted: Vec<_> = look::settings().map(|setting| (setting.root, setting.command())).collect();
    assert_eq!(stored, wanted, "run `cargo xtask book --capture`");
}

#[test]
fn the_states_can_be_captured_again() {
    if let Some(why) = look::hindrance() {
        return skip(why);
    }
    // Each switch alone, none, all, and the pair without which ps lies. The rest is made of the same parts.
    let is_telling = |on: u8| matches!(on.count_ones(), 0 | 1 | 5) || on == 0b110;
    for (setting, state) in look::settings().zip(look::read().unwrap()) {
        if !is_telling(setting.on) {
            continue;
        }
        let again = look::capture(setting).unwrap();
        assert_eq!(state.shape(), again.shape(), "run `cargo xtask book --capture`");
    }
}
