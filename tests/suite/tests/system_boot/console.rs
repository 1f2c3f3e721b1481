//! `console`, and `exec` with LXD's flags.

use hull_test_support::{Scenario, System, Terminal};

use super::{start, until};

#[test]
fn the_console_is_joined_and_left() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    start(&t, System::Busybox, "box", &[]);
    until(&t, "box", "test -e /run/booted");
    let before = t.pid_of("box");
    let mut console = Terminal::start(&t.command(&["console", "box"]));
    console.send("\n");
    console.expect("/ # ");
    console.send("echo on-$((40 + 2)); tty\n");
    console.expect("on-42");
    // Ctrl-C reaches the program on the console, and never the init, which would reboot after SIGINT.
    console.send("sh -c 'echo runs-$((1 + 1)); exec sleep 1000'\n");
    console.expect("runs-2");
    console.send("\u{3}");
    console.expect("/ # ");
    console.send("echo back-$((1 + 1))\n");
    console.expect("back-2");
    console.send("\u{1}q");
    console.wait();
    assert_eq!(t.pid_of("box"), before);
    let log = t.ok(&["console", "--show-log", "box"]);
    assert!(log.contains("on-42"), "{log}");
    t.ok(&["create", "--name", "plain", System::Busybox.image(), "true"]);
    assert!(t.hull(&["console", "plain"]).fails(1).contains("has no console"));
}

#[test]
fn exec_has_lxds_flags() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    start(&t, System::Busybox, "box", &[]);
    assert_eq!(t.ok(&["exec", "--cwd", "/etc", "box", "pwd"]), "/etc");
    let cat = t.hull_with_input(&["exec", "--mode", "non-interactive", "box", "cat"], b"given\n");
    assert_eq!(cat.ok(), "given");
    assert_eq!(t.hull_with_input(&["exec", "--mode", "auto", "box", "tty"], b"").stdout.trim(), "not a tty");
    let mut terminal = Terminal::start(&t.command(&["exec", "--mode", "auto", "box", "sh"]));
    terminal.expect("/ # ");
    terminal.send("tty\n");
    terminal.expect("/dev/pts/");
    terminal.send("exit\n");
    terminal.wait();
    assert!(!t.hull(&["exec", "--mode", "loud", "box", "true"]).success());
}
