//! Clients that vanish or do not read, and processes of hull that are killed.

use std::fs;
use std::io::Read;
use std::time::Duration;

use hull_test_support::outcome::{assert_stays, eventually, eventually_some};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::server::{self, Server, code, end_input, outputs, rest};
use crate::websocket::HANDSHAKE;

/// The server's processes that serve a connection or wait for one.
pub fn children(s: &Server) -> Vec<i32> {
    let pid = s.docker.pid();
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect()
}

/// How many connections are open.
pub fn workers(s: &Server) -> usize {
    children(s).len()
}

/// The process that has come since `before`, and serves a client that is waiting.
fn newest(s: &Server, before: &[i32]) -> i32 {
    // Two idle ones are kept ready; the one that serves is older than both.
    eventually_some("a process serves the client", || {
        let mut new: Vec<i32> = children(s).into_iter().filter(|pid| is_serving(*pid)).collect();
        new.retain(|pid| !before.contains(pid));
        (new.len() == 1).then(|| new[0])
    })
}

/// An idle process has the listening socket; one that serves a client has not.
fn is_serving(pid: i32) -> bool {
    let unix = fs::read_to_string("/proc/thread-self/net/unix").unwrap_or_default();
    let listening: Vec<&str> = unix
        .lines()
        .filter(|line| line.ends_with("/docker.sock") && line.split_whitespace().nth(3) == Some("00010000"))
        .filter_map(|line| line.split_whitespace().nth(6))
        .collect();
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    !descriptors
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| listening.iter().any(|inode| target.to_string_lossy() == format!("socket:[{inode}]")))
}

fn serving(s: &Server) -> Vec<i32> {
    children(s).into_iter().filter(|pid| is_serving(*pid)).collect()
}

/// Memory of its own, in kB.
fn memory(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn kill_it(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the process is there");
}

#[test]
fn the_killed_process_of_an_attachment_that_waits_does_not_hold_up_the_start() {
    let Some(s) = server::start() else { return };
    if s.docker.is_oracle() {
        return;
    }
    s.create("box", "echo one; exit 6", json!({}));
    let before = serving(&s);
    let mut killed = s.attach("box", "stream=1&stdout=1");
    let pid = newest(&s, &before);
    let mut kept = s.attach("box", "stream=1&stdout=1");
    kill_it(pid);
    assert_eq!(rest(&mut killed), b"");
    let end = s.wait("box", "next-exit");
    s.start("box");
    assert_eq!(outputs(&mut kept).0, "one\n");
    assert_eq!(code(end), 6);
    assert_eq!(s.client().delete("/v1.41/containers/box").status, 204);
    s.leaves_nothing();
}

#[test]
fn a_killed_monitor_ends_attachments_and_waits() {
    let Some(s) = server::start() else { return };
    if s.docker.is_oracle() {
        return;
    }
    let id = s.run("box", "sleep 300", json!({}));
    let mut attached = s.attach("box", "stream=1&stdout=1");
    let waits = ["", "next-exit"].map(|condition| s.wait("box", condition));
    let state = s.scenario.run_root().join("containers").join(&id).join("state.json");
    let state: serde_json::Value = serde_json::from_str(&fs::read_to_string(state).unwrap()).unwrap();
    kill_it(state["monitor"]["pid"].as_i64().unwrap() as i32);
    assert_eq!(rest(&mut attached), b"");
    assert_eq!(waits.map(code), [137, 137]);
    assert_eq!(s.inspect("box")["State"]["ExitCode"], 137);
}

#[test]
fn clients_that_go_while_they_wait_leave_no_process() {
    let Some(s) = server::start() else { return };
    if s.docker.is_oracle() {
        return;
    }
    s.create("box", "sleep 300", json!({}));
    eventually("nobody is connected", || serving(&s).is_empty());
    let waiting: Vec<_> = ["next-exit", "removed"].iter().map(|condition| s.wait("box", condition)).collect();
    let attached: Vec<_> = (0..3).map(|_| s.attach("box", "stream=1&stdin=1&stdout=1")).collect();
    eventually("they are served", || serving(&s).len() == 5);
    drop((waiting, attached));
    eventually("their processes end", || serving(&s).is_empty());
    s.start("box");
    assert_eq!(s.client().delete("/v1.41/containers/box?force=1").status, 204);
    s.leaves_nothing();
}

/// The answers to a flood of pings are no way to fill the memory.
#[test]
fn pings_of_a_client_that_does_not_read_cost_little_memory() {
    let Some(s) = server::start() else { return };
    if s.docker.is_oracle() {
        return;
    }
    s.run("box", "sleep 300", json!({"OpenStdin": true}));
    let before = serving(&s);
    let target = "/v1.41/containers/box/attach/ws?stream=1&stdin=1&stdout=1";
    let mut opened = s.client().open("GET", target, &HANDSHAKE, b"");
    let pid = newest(&s, &before);
    let ping = [&[0x89, 0xfd, 0, 0, 0, 0][..], &[7; 125]].concat();
    let pings = ping.repeat(1000);
    for _ in 0..200 {
        server::send(&mut opened, &pings);
    }
    assert_stays("memory is bounded", Duration::from_millis(300), || memory(pid) < 4096);
    drop(opened);
    assert_eq!(s.client().delete("/v1.41/containers/box?force=1").status, 204);
}

/// A client that does not read holds up the container, as a full pipe does, and memory stays bounded.
#[test]
fn a_client_that_does_not_read_costs_little_memory_and_loses_nothing() {
    let Some(s) = server::start() else { return };
    if s.docker.is_oracle() {
        return;
    }
    s.create("box", "read x; head -c 40000000 /dev/zero", json!({"OpenStdin": true, "StdinOnce": true}));
    let before = serving(&s);
    let mut attached = s.attach("box", "stream=1&stdin=1&stdout=1");
    let pid = newest(&s, &before);
    s.start("box");
    server::send(&mut attached, b"go\n");
    end_input(&attached);
    assert_stays("memory is bounded", Duration::from_millis(300), || memory(pid) < 4096);
    assert_eq!(s.inspect("box")["State"]["Running"], true, "it waits for its reader");
    let mut total = 0;
    let mut head = [0; 8];
    while attached.connection.read_exact(&mut head).is_ok() {
        let length = u32::from_be_bytes(head[4..].try_into().unwrap());
        let copied = std::io::copy(&mut (&mut attached.connection).take(length.into()), &mut std::io::sink());
        total += copied.unwrap();
    }
    assert_eq!(total, 40_000_000);
    assert_eq!(s.end_of("box"), 0);
}

#[test]
fn the_killed_session_of_an_exec_is_noticed() {
    let Some(s) = server::start() else { return };
    if s.docker.is_oracle() {
        return;
    }
    s.run("box", "sleep 300", json!({}));
    let exec = s.create_exec("box", &json!({"Cmd": ["sleep", "299"], "AttachStdout": true}));
    let mut started = s.start_exec(&exec, &json!({}));
    let file = s.scenario.run_root().join("exec").join(format!("{exec}.json"));
    let session = eventually_some("its session is recorded", || {
        let text = fs::read_to_string(&file).ok()?;
        let line: serde_json::Value = serde_json::from_str(text.lines().nth(1)?).ok()?;
        line["session"]["pid"].as_i64()
    });
    eventually("it runs", || s.inspect_exec(&exec).ok(200)["Pid"] != 0);
    let pid = s.inspect_exec(&exec).ok(200)["Pid"].as_i64().unwrap();
    kill_it(session as i32);
    assert_eq!(rest(&mut started), b"");
    // The program may have gone with its session.
    let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
    assert_eq!(s.end_of_exec(&exec), 137);
    assert_eq!(s.client().delete("/v1.41/containers/box?force=1").status, 204);
    s.leaves_nothing();
}

/// More clients wait than a user has inotify instances.
#[test]
fn two_hundred_clients_wait_for_one_container() {
    let Some(s) = server::start() else { return };
    s.create("box", "echo one; exit 3", json!({}));
    let waits: Vec<_> = (0..150).map(|_| s.wait("box", "next-exit")).collect();
    let attached: Vec<_> = (0..50).map(|_| s.attach("box", "stream=1&stdout=1")).collect();
    s.start("box");
    for mut client in attached {
        assert_eq!(outputs(&mut client).0, "one\n");
    }
    assert!(waits.into_iter().map(code).all(|code| code == 3));
}

#[test]
fn of_several_that_start_an_exec_at_once_one_does() {
    let Some(s) = server::start() else { return };
    s.run("box", "sleep 300", json!({}));
    for _ in 0..5 {
        let exec = s.create_exec("box", &json!({"Cmd": ["sh", "-c", "echo x >> /started; sleep 0.05"]}));
        let target = format!("/v1.41/exec/{exec}/start");
        let starters: Vec<_> = (0..4)
            .map(|_| (s.client(), target.clone()))
            .map(|(mut client, target)| {
                std::thread::spawn(move || client.post_json(&target, &json!({"Detach": true})).status)
            })
            .collect();
        let mut statuses: Vec<_> = starters.into_iter().map(|one| one.join().unwrap()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409, 409, 409]);
        assert_eq!(s.end_of_exec(&exec), 0);
    }
    let exec = s.create_exec("box", &json!({"Cmd": ["wc", "-l", "/started"], "AttachStdout": true}));
    assert_eq!(outputs(&mut s.start_exec(&exec, &json!({}))).0, "5 /started\n");
}

#[test]
fn the_killed_process_of_an_attached_exec_leaves_the_program_its_end() {
    let Some(s) = server::start() else { return };
    if s.docker.is_oracle() {
        return;
    }
    s.run("box", "sleep 300", json!({}));
    let request = json!({"Cmd": ["sh", "-c", "cat; exit 8"], "AttachStdin": true, "AttachStdout": true});
    let exec = s.create_exec("box", &request);
    let before = serving(&s);
    let mut started = s.start_exec(&exec, &json!({}));
    let pid = newest(&s, &before);
    eventually("it runs", || s.inspect_exec(&exec).ok(200)["Pid"] != 0);
    kill_it(pid);
    rest(&mut started);
    assert_eq!(s.end_of_exec(&exec), 8, "its stdin has ended");
    assert_eq!(s.client().delete("/v1.41/containers/box?force=1").status, 204);
    s.leaves_nothing();
}

#[test]
fn a_log_that_nobody_reads_costs_little_memory() {
    let Some(s) = server::start() else { return };
    if s.docker.is_oracle() {
        return;
    }
    s.run("box", "yes 0123456789012345678901234567890123456789 | head -n 200000", json!({}));
    assert_eq!(s.end_of("box"), 0);
    let before = serving(&s);
    let mut log = s.client().open("GET", "/v1.41/containers/box/logs?stdout=1", &[], b"");
    let pid = newest(&s, &before);
    assert_stays("memory is bounded", Duration::from_millis(300), || memory(pid) < 4096);
    assert_eq!(outputs(&mut log).0.len(), 200_000 * 41);
}
