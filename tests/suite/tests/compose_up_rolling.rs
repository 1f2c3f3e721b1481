//! `compose up --rolling`: clients that never fail while the containers of a service are replaced.

#[path = "compose_up/project.rs"]
mod project;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hull_test_support::Scenario;
use hull_test_support::outcome::{eventually, run};
use project::{Project, SLEEP};

/// A web server that answers with its version, and clients on its network that ask it by its alias.
fn file(version: &str, ready: bool) -> String {
    let check = if ready { "wget -q -O /dev/null http://127.0.0.1/" } else { "false" };
    format!(
        "services:\n  web:\n    image: busybox\n    init: true\n    stop_signal: SIGKILL\n    \
         command: sh -c 'mkdir /www; sleep 0.3; echo {version} >/www/index.html; exec httpd -f -p 80 -h /www'\n    \
         ports: ['8080:80']\n    networks: {{default: {{aliases: [site]}}}}\n    \
         healthcheck: {{test: [CMD-SHELL, '{check}'], interval: 0.2s, retries: 2}}\n  \
         client:\n    image: busybox\n    {SLEEP}\n"
    )
}

/// The answer to one request, or why there is none.
fn get(address: SocketAddr) -> Result<String, String> {
    let answer = || {
        let mut connection = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        connection.set_read_timeout(Some(Duration::from_secs(5)))?;
        connection.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        connection.read_to_string(&mut text)?;
        Ok(text)
    };
    let text: Result<String, std::io::Error> = answer();
    let text = text.map_err(|error| error.to_string())?;
    match text.lines().last() {
        Some(line) if line.starts_with('v') => Ok(line.to_owned()),
        _ => Err(format!("answered {text:?}")),
    }
}

#[test]
fn nobody_fails_while_a_service_is_replaced() {
    let Some(t) = Scenario::with_busybox() else { return };
    run(Command::new("ip").args(["link", "set", "lo", "up"])).ok();
    let p = Project::new(&t, "p", &file("v1", true));
    p.ok(&["up", "-d", "--wait"]);
    let addresses: [SocketAddr; 2] = ["127.0.0.1:8080".parse().unwrap(), "[::1]:8080".parse().unwrap()];
    let ask = "n=0; while [ ! -e /done ]; do wget -q -O - http://site/ || echo FAILED; n=$((n + 1)); done; echo $n asked";
    let inside = p.spawn(&["exec", "-T", "client", "sh", "-c", ask]);

    let is_over = AtomicBool::new(false);
    let (asked, failed) = std::thread::scope(|scope| {
        let client = |address: SocketAddr| {
            let is_over = &is_over;
            scope.spawn(move || {
                let (mut answers, mut failed) = (Vec::<String>::new(), Vec::new());
                while !is_over.load(Ordering::Relaxed) {
                    match get(address) {
                        Ok(answer) if answers.last() == Some(&answer) => {}
                        Ok(answer) => answers.push(answer),
                        Err(why) => {
                            failed.push(format!("{address}: {why}"));
                            std::thread::sleep(Duration::from_millis(20));
                        }
                    }
                }
                (answers, failed)
            })
        };
        let clients = addresses.map(client);
        let old = p.id("web-1");
        for version in ["v2", "v3"] {
            p.write(&file(version, true));
            let up = p.ok(&["up", "-d", "--rolling"]);
            assert!(up.contains("Container p-web-1  Recreated"), "{up}");
        }
        assert_ne!(p.id("web-1"), old);
        // One that does not become healthy changes nothing.
        let before = p.ids();
        p.write(&file("v4", false));
        let refused = p.fails(&["up", "-d", "--rolling"]);
        assert!(refused.contains("is unhealthy; p-web-1 keeps running"), "{refused}");
        assert_eq!(p.ids(), before);
        p.write(&file("v3", true));
        p.ok(&["up", "-d"]);
        assert_eq!(p.ids(), before);
        is_over.store(true, Ordering::Relaxed);
        let results: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        (
            results.iter().map(|(answers, _)| answers.clone()).collect::<Vec<_>>(),
            results.into_iter().flat_map(|(_, failed)| failed).collect::<Vec<_>>(),
        )
    });
    assert_eq!(failed, Vec::<String>::new());
    // Each has seen each version, and none came back.
    assert_eq!(asked, vec![vec!["v1", "v2", "v3"]; 2]);
    t.ok(&["exec", "p-client-1", "touch", "/done"]);
    let inside = inside.wait();
    let lines: Vec<&str> = inside.stdout.lines().collect();
    assert!(!lines.contains(&"FAILED") && lines.contains(&"v1") && lines.contains(&"v3"), "{inside}");
    assert!(t.ok(&["ps"]).contains("0.0.0.0:8080->80/tcp"));
    p.ok(&["down"]);
}

#[test]
fn a_killed_replacement_is_finished_without_it() {
    let Some(t) = Scenario::with_busybox() else { return };
    run(Command::new("ip").args(["link", "set", "lo", "up"])).ok();
    let p = Project::new(&t, "p", &file("v1", true));
    p.ok(&["up", "-d", "--wait"]);
    let address: SocketAddr = "127.0.0.1:8080".parse().unwrap();
    for (round, version) in ["v2", "v3", "v4"].into_iter().enumerate() {
        p.write(&file(version, true));
        let mut up = p.spawn(&["up", "-d", "--rolling"]);
        // While the new one is not healthy, when it is, and after the ports were handed over.
        std::thread::sleep(Duration::from_millis([150, 900, 1500][round]));
        up.kill();
        up.wait();
        // The old one answers, or the new one.
        assert!(get(address).is_ok(), "round {round}");
        p.ok(&["up", "-d"]);
        eventually("the new one answers", || get(address).as_deref() == Ok(version));
        assert_eq!(p.names(), ["p-client-1", "p-web-1"], "round {round}");
    }
    p.ok(&["down"]);
}
