//! Real services in a project of five: nginx, a Python app in two containers, PostgreSQL, Redis, and a migration that has
//! to complete before the app starts. All are Debian's packages, in images that compose builds.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use hull_test_support::composer::Kind;
use hull_test_support::outcome::{eventually, eventually_some, run};
use hull_test_support::{Composer, Outcome, fixtures, skip};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What nginx answers with status 200.
fn get() -> Option<String> {
    let mut stream = TcpStream::connect("127.0.0.1:8090").ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\nHost: site\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.trim().to_owned())
}

/// The number of rows in the table, and the counter in the cache.
fn visit() -> (u32, u32) {
    let text = get().expect("the site answers");
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        ["stored", stored, "counted", counted, "by", _] => {
            (stored.parse().unwrap(), counted.parse().unwrap())
        }
        _ => panic!("{text}"),
    }
}

#[test]
fn a_site_of_real_services_comes_up_survives_a_kill_and_keeps_its_data() {
    let image = match fixtures::debian_services() {
        Ok(image) => image,
        Err(why) => return skip::skip(&why),
    };
    let Some(composer) = Composer::start(Kind::Hull) else { return };
    let scenario = composer.scenario();
    scenario.ok(&["import", image.to_str().expect("a plain path"), "debian-services"]);
    let project = composer.copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose_services"));
    std::fs::write(project.join("password"), "a secret").unwrap();
    let compose = |words: &str| -> Outcome {
        run(&mut composer.shell(&project, &format!("docker compose --progress plain {words}")))
    };

    compose("up -d --wait").ok();
    let states = compose("ps -a --format '{{.Service}} {{.State}} {{.ExitCode}}'");
    let mut states: Vec<&str> = states.ok().lines().collect();
    states.sort_unstable();
    let all = [
        "app running 0",
        "app running 0",
        "cache running 0",
        "db running 0",
        "migrate exited 0",
        "web running 0",
    ];
    assert_eq!(states, all);
    assert_eq!(compose("logs --no-log-prefix migrate").ok(), "migrated");
    assert_eq!(visit(), (1, 1));
    assert_eq!(visit(), (2, 2));
    // Both containers of the app answer in turn.
    let mut by = std::collections::BTreeSet::new();
    eventually("each container of the app has answered", || {
        by.extend(get().and_then(|text| text.split(' ').next_back().map(str::to_owned)));
        by.len() == 2
    });
    let (stored, _) = visit();

    let first = scenario.pid_of("site-db-1");
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    let second = eventually_some("the restart policy starts the database again", || {
        let pid = scenario.hull(&["inspect", "-f", "{{.State.Pid}}", "site-db-1"]);
        pid.stdout.trim().parse::<i32>().ok().filter(|pid| *pid > 0 && *pid != first)
    });
    assert_ne!(first, second);
    eventually("the site answers again", || get().is_some());
    assert!(visit().0 > stored, "what was stored is still there");

    // Nothing is made again by another `up`, and the data outlive the containers.
    let before = compose("ps -q").ok().to_owned();
    compose("up -d").ok();
    assert_eq!(compose("ps -q").ok(), before);
    let (stored, _) = visit();
    compose("down").ok();
    assert!(get().is_none());
    compose("up -d --wait").ok();
    let (again, counted) = visit();
    assert_eq!((again, counted), (stored + 1, 1), "the database is kept, and the cache is new");

    compose("down -v --rmi local").ok();
    assert_eq!(scenario.ok(&["ps", "-aq"]), "");
    assert_eq!(scenario.ok(&["volume", "ls", "-q"]), "");
    let networks = scenario.ok(&["network", "ls", "--format", "{{.Name}}"]);
    assert!(!networks.contains("site"), "{networks}");
}
