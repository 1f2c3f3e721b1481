//! docker's client in a terminal.
//!
//! What client 28.2 sends for `run -it`: create, attach (101, raw stream), wait?condition=next-exit, start, resize. After a
//! SIGWINCH it sends both a resize and `kill?signal=WINCH`. `attach` resizes twice, one larger first, so that a program
//! draws again, and waits without a condition. `exec -it` has the size in its start too, and asks for the exit code at the
//! end. Detach keys are the server's: the stream ends, while the container runs on.

use hull_test_support::outcome::eventually;
use hull_test_support::{DockerServer, Terminal};

fn terminal(server: &DockerServer, args: &[&str]) -> Terminal {
    Terminal::start(&server.docker_command(args))
}

const CTRL_C: &str = "\x03";
const CTRL_P_CTRL_Q: &str = "\x10\x11";

/// The prompt of busybox's shell, to which it adds a request for the cursor's position.
const PROMPT: &str = "/ # ";

/// Types a line at the next prompt.
fn type_line(terminal: &mut Terminal, line: &str) {
    terminal.expect(PROMPT);
    terminal.send(&format!("{line}\n"));
}

/// Resizes, and waits until the program inside has the new size.
fn resizes(terminal: &mut Terminal) {
    type_line(terminal, "until stty size | grep '24 80'; do sleep 0.02; done");
    terminal.expect("\n24 80");
    terminal.expect(PROMPT);
    terminal.send("until stty size | grep '30 100'; do sleep 0.02; done\n");
    // The size comes with the start, so the client may not listen for signals yet.
    eventually("the program has the new size", || {
        terminal.resize(30, 99);
        terminal.resize(30, 100);
        terminal.seen().contains("\n30 100")
    });
    terminal.expect("\n30 100");
}

fn state(server: &DockerServer, name: &str) -> String {
    server.ok(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name])
}

pub fn run_and_exec(server: &DockerServer) {
    let mut run = terminal(server, &["run", "-it", "--name", "shell", "busybox"]);
    resizes(&mut run);
    type_line(&mut run, "sleep 1000");
    run.expect("sleep 1000");
    eventually("it sleeps", || server.docker(&["top", "shell"]).stdout.contains("sleep 1000"));
    run.send(CTRL_C);
    type_line(&mut run, "echo code $?");
    run.expect("\ncode 130");

    let mut exec = terminal(server, &["exec", "-it", "shell", "sh"]);
    resizes(&mut exec);
    type_line(&mut exec, "tty; exit 4");
    exec.expect("/dev/pts/1");
    assert_eq!(exec.wait(), 4);

    type_line(&mut run, "exit 3");
    assert_eq!(run.wait(), 3);
    assert_eq!(state(server, "shell"), "exited 3");

    let mut start = terminal(server, &["start", "-ai", "shell"]);
    type_line(&mut start, "exit 5");
    assert_eq!(start.wait(), 5);
    server.ok(&["rm", "shell"]);
}

pub fn detach_and_attach(server: &DockerServer) {
    let mut run = terminal(server, &["run", "-it", "--name", "kept", "busybox"]);
    type_line(&mut run, "x=kept; echo one");
    run.expect("\none");
    run.expect(PROMPT);
    run.send(CTRL_P_CTRL_Q);
    assert_eq!(run.wait(), 0);
    assert_eq!(state(server, "kept"), "running 0");

    let mut attach = terminal(server, &["attach", "kept"]);
    type_line(&mut attach, "echo $x again");
    attach.expect("\nkept again");
    // A second client sees the same.
    let mut second = terminal(server, &["attach", "--detach-keys", "ctrl-e,x", "kept"]);
    second.expect(PROMPT);
    type_line(&mut attach, "echo for both");
    attach.expect("\nfor both");
    second.expect("\nfor both");
    second.expect(PROMPT);
    // A part of the keys is input like any other.
    second.send("echo \x05z\n");
    attach.expect("\nz\r\n");
    second.send("\x05x");
    second.expect("read escape sequence");
    assert_eq!(second.wait(), 1);
    attach.send(CTRL_P_CTRL_Q);
    attach.expect("read escape sequence");
    assert_eq!(attach.wait(), 1);

    let mut exec = terminal(server, &["exec", "-it", "kept", "sh"]);
    type_line(&mut exec, "echo inside; sleep 1000");
    exec.expect("\ninside");
    exec.send(CTRL_P_CTRL_Q);
    exec.expect("read escape sequence");
    assert_eq!(exec.wait(), 1);
    eventually("it goes on", || server.docker(&["top", "kept"]).stdout.contains("sleep 1000"));

    // Its input ends with a client that has no terminal.
    let mut attach = terminal(server, &["attach", "kept"]);
    type_line(&mut attach, "exit 6");
    assert_eq!(attach.wait(), 6);
    server.ok(&["rm", "kept"]);
}

pub fn interrupted(server: &DockerServer) {
    // Without -i the terminal stays as it is: Ctrl-C is a signal, which the client passes on by a request.
    let program = "trap 'exit 9' INT; echo ready; while :; do sleep 0.02; done";
    let mut run = terminal(server, &["run", "--rm", "-t", "busybox", "sh", "-c", program]);
    run.expect("ready");
    run.send(CTRL_C);
    assert_eq!(run.wait(), 9);

    server.ok(&[
        "run",
        "-d",
        "--name",
        "talk",
        "busybox",
        "sh",
        "-c",
        "while :; do echo talk; sleep 0.05; done",
    ]);
    // Not `stats`: client 28.2 does not end at Ctrl-C.
    for args in [&["logs", "-f", "talk"][..], &["events", "--since", "1m"]] {
        let mut client = terminal(server, args);
        client.expect(if args[0] == "events" { "start" } else { "talk" });
        client.send(CTRL_C);
        client.wait();
    }
    // A client that is killed leaves the container as it is.
    let mut attach = terminal(server, &["attach", "talk"]);
    attach.expect("talk");
    drop(attach);
    assert_eq!(state(server, "talk"), "running 0");
    server.ok(&["rm", "-f", "talk"]);
}
