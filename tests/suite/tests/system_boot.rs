//! System containers (`--system`): the inits of distributions as the first process, from start to stop.

use hull_test_support::{Scenario, System};

#[test]
fn every_init_boots() {
    let systems = [System::Busybox, System::Systemd, System::OpenRc, System::Runit];
    let Some(t) = Scenario::with_systems(&systems) else { return };
    for system in systems {
        let name = system.image();
        t.ok(&["run", "-d", "--system", "--network", "none", "--name", name, name]);
        assert_eq!(t.inspect(name, "{{.State.Running}}"), "true");
        t.ok(&["rm", "-f", name]);
    }
}
