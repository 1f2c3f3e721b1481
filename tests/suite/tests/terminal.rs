//! `-it` is a real terminal: size, keys, detach and attach.

use hull_test_support::outcome::eventually;
use hull_test_support::{Scenario, Terminal};

/// Types a command whose text does not contain the output that the test looks for.
fn expect_answer(terminal: &mut Terminal, command: &str, answer: &str) {
    terminal.send(&format!("{command}\n"));
    terminal.expect(answer);
}

#[test]
fn run_it_has_a_terminal_of_the_callers_size() {
    let Some(t) = Scenario::with_busybox() else { return };
    let mut terminal = Terminal::start(&t.command(&["run", "--rm", "-it", "busybox", "sh"]));
    expect_answer(&mut terminal, "tty; echo is$((40 + 2))", "/dev/pts/0");
    terminal.expect("is42");
    expect_answer(&mut terminal, "stty size; echo size$((1 + 1))", "24 80");
    expect_answer(&mut terminal, "exit 17", "");
    assert_eq!(terminal.wait(), 17);
}

#[test]
fn the_prompt_of_the_host_image_names_the_container() {
    let Some(t) = Scenario::start() else { return };
    t.ok(&["run", "-d", "--name", "box", "host", "sleep", "300"]);
    let id = t.inspect("box", "{{.Id}}")[..12].to_owned();
    for (options, shell, prompt) in [
        (&[][..], "sh", format!("root@{id}:/# ")),
        (&[], "bash", format!("root@{id}:/# ")),
        (&["--user", "65534"], "sh", format!("nobody@{id}:/$ ")),
        (&["--user", "4321"], "bash", format!("4321@{id}:/$ ")),
    ] {
        let args = [&["exec", "-it"], options, &["box", shell]].concat();
        let mut terminal = Terminal::start(&t.command(&args));
        terminal.expect(&prompt);
        terminal.send("cd /tmp\n");
        terminal.expect(&prompt.replace(":/", ":/tmp"));
        terminal.send("exit\n");
        assert_eq!(terminal.wait(), 0, "{shell}");
    }
    let mut terminal =
        Terminal::start(&t.command(&["run", "--rm", "-it", "--hostname", "web", "host", "sh"]));
    terminal.expect("root@web:/# ");
    terminal.send("exit\n");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn the_first_program_sees_the_callers_size() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    t.ok(&["create", "-it", "--name", "again", "busybox", "stty", "size"]);
    for args in ["run --rm -it busybox stty size", "exec -it box stty size", "start -ai again"] {
        for _ in 0..10 {
            let args: Vec<&str> = args.split(' ').collect();
            let terminal = Terminal::start(&t.command(&args));
            terminal.wait_and_see("24 80\r\n");
        }
    }
    // One container without any client, and one that restarts.
    let mut terminal =
        Terminal::start(&t.command(&["run", "-dt", "--name", "lone", "busybox", "stty", "size"]));
    terminal.expect("\n");
    assert_eq!(terminal.wait(), 0);
    eventually("it has ended", || t.inspect("lone", "{{.State.Running}}") == "false");
    assert_eq!(t.ok(&["logs", "lone"]).trim_end(), "24 80");
}

#[test]
fn a_resize_reaches_the_container() {
    let Some(t) = Scenario::with_busybox() else { return };
    let mut terminal = Terminal::start(&t.command(&["run", "--rm", "-it", "busybox", "sh"]));
    expect_answer(&mut terminal, "echo is$((40 + 2))", "is42");
    terminal.resize(50, 132);
    expect_answer(&mut terminal, "until stty size | grep '50 132'; do sleep 0.1; done", "50 132\r");
    terminal.send("exit\n");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn ctrl_c_is_the_programs_and_not_hulls() {
    let Some(t) = Scenario::with_busybox() else { return };
    let script =
        "trap 'echo caught$((40 + 2))' INT; echo is$((1 + 1)); while ! test -e /x; do sleep 0.1; done";
    let mut terminal =
        Terminal::start(&t.command(&["run", "--rm", "-it", "--name", "box", "busybox", "sh", "-c", script]));
    terminal.expect("is2");
    terminal.send("\x03");
    terminal.expect("caught42");
    t.ok(&["exec", "box", "touch", "/x"]);
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn ctrl_p_ctrl_q_detaches_and_attach_comes_back() {
    let Some(t) = Scenario::with_busybox() else { return };
    let mut terminal = Terminal::start(&t.command(&["run", "-it", "--name", "box", "busybox", "sh"]));
    expect_answer(&mut terminal, "kept=here; echo is$((40 + 2))", "is42");
    terminal.expect("/ # ");
    terminal.send("\x10\x11");
    terminal.expect("\r\ndetached: the program is still running\r\n");
    assert_eq!(terminal.wait(), 0, "detaching is success");
    assert_eq!(t.inspect("box", "{{.State.Running}}"), "true");
    let mut again = Terminal::start(&t.command(&["attach", "box"]));
    again.expect("attached to box: press Enter for a prompt, ctrl-p ctrl-q to detach\r\n");
    expect_answer(&mut again, "echo still-$kept", "still-here");
    again.send("exit 4\n");
    assert_eq!(again.wait(), 4);
}

#[test]
fn attach_shows_the_prompt_of_a_shell_with_line_editing() {
    let Some(t) = Scenario::start() else { return };
    for shell in ["bash", "busybox"] {
        let program: &[&str] = if shell == "bash" { &["bash"] } else { &["busybox", "ash"] };
        let words = [&["run", "-it", "--name", shell, "--hostname", shell, "host"], program].concat();
        let mut terminal = Terminal::start(&t.command(&words));
        let prompt = format!("root@{shell}:/# ");
        terminal.expect(&prompt);
        terminal.send("\x10\x11");
        assert_eq!(terminal.wait(), 0);
        let mut again = Terminal::start(&t.command(&["attach", shell]));
        again.expect("to detach\r\n");
        // Nothing has been typed.
        again.expect(&prompt);
        again.send("exit\n");
        assert_eq!(again.wait(), 0);
    }
}

#[test]
fn a_terminal_that_goes_away_does_not_take_the_container() {
    let Some(t) = Scenario::with_busybox() else { return };
    let mut terminal = Terminal::start(&t.command(&["run", "-it", "--name", "box", "busybox", "sh"]));
    expect_answer(&mut terminal, "echo is$((40 + 2))", "is42");
    drop(terminal);
    assert_eq!(t.inspect("box", "{{.State.Running}}"), "true");
    let mut again = Terminal::start(&t.command(&["attach", "box"]));
    expect_answer(&mut again, "echo is$((50 + 2))", "is52");
    again.send("exit\n");
    assert_eq!(again.wait(), 0);
}

#[test]
fn exec_it_has_a_terminal_of_its_own() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["run", "-d", "--name", "box", "busybox", "sleep", "300"]);
    let mut terminal = Terminal::start(&t.command(&["exec", "-it", "box", "sh"]));
    expect_answer(&mut terminal, "tty", "/dev/pts/");
    expect_answer(&mut terminal, "stty size", "24 80");
    terminal.resize(31, 99);
    expect_answer(&mut terminal, "until stty size | grep '31 99'; do sleep 0.1; done", "31 99\r");
    terminal.send("exit 6\n");
    assert_eq!(terminal.wait(), 6);
    assert_eq!(t.inspect("box", "{{.State.Running}}"), "true");
}

#[test]
fn the_readmes_first_command_gives_a_shell() {
    let Some(t) = Scenario::start() else { return };
    let mut terminal = Terminal::start(&t.command(&["run", "--rm", "-it", "host", "sh"]));
    expect_answer(&mut terminal, "echo pid-$$", "pid-1");
    terminal.send("exit\n");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn t_without_a_terminal_on_stdin_is_refused_for_i() {
    let Some(t) = Scenario::with_busybox() else { return };
    let refused = t.hull_with_input(&["run", "--rm", "-it", "busybox", "true"], b"");
    assert!(!refused.success() && refused.stderr.to_lowercase().contains("tty"), "{refused}");
    assert_eq!(t.ok(&["ps", "-aq"]), "");
}

#[test]
fn wrong_detach_keys_are_refused_before_a_container_is_created_or_started() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.ok(&["create", "--name", "box", "busybox", "true"]);
    for (args, code) in
        [("run --detach-keys super-x busybox true", 125), ("start -a --detach-keys super-x box", 1)]
    {
        let args: Vec<&str> = args.split(' ').collect();
        let outcome = t.hull(&args);
        assert_eq!(outcome.code(), code, "{outcome}");
        assert!(outcome.stderr.contains("invalid detach keys \"super-x\""), "{outcome}");
    }
    let listed = t.ok(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]);
    assert_eq!(listed.trim(), "box created");
}
