//! `compose up`, `down` and their relatives: what the engine has afterwards.

#[path = "compose_up/project.rs"]
mod project;

use hull_test_support::Scenario;
use hull_test_support::outcome::eventually;
use project::{Project, SLEEP};

#[test]
fn a_project_comes_up_stays_and_goes_down() {
    let Some(t) = Scenario::with_busybox() else { return };
    let file = format!(
        "services:\n  db:\n    image: busybox\n    {SLEEP}\n    volumes: [data:/data]\n    healthcheck: {{test: [CMD, test, -f, /data/ready], interval: 0.2s}}\n  \
         api:\n    image: busybox\n    {SLEEP}\n    depends_on: {{db: {{condition: service_healthy}}}}\n  \
         web:\n    image: busybox\n    {SLEEP}\n    depends_on: [api]\nvolumes:\n  data:\n"
    );
    let p = Project::new(&t, "shop", &file);
    let up = p.spawn(&["up", "-d"]);
    eventually("the database runs", || p.status("db-1") == "running");
    assert_eq!((p.status("api-1"), p.status("web-1")), ("created".into(), "created".into()));
    eventually("it takes commands", || t.hull(&["exec", "shop-db-1", "touch", "/data/ready"]).success());
    let up = up.wait();
    assert!(up.success(), "{up}");
    assert!(up.stderr.contains("Container shop-db-1  Healthy\n Container shop-api-1  Starting"), "{up}");
    let before = p.ids();
    assert_eq!(before.len(), 3);

    // Nothing to do.
    p.ok(&["up", "-d"]);
    assert_eq!(p.ids(), before);
    // A killed container is started again, and nothing else changes.
    t.ok(&["kill", "shop-api-1"]);
    p.ok(&["up", "-d"]);
    assert_eq!((p.ids(), p.status("api-1")), (before, "running".into()));

    let down = p.ok(&["down"]);
    assert!(down.contains("Network shop_default  Removed") && !down.contains("Volume"), "{down}");
    assert_eq!((t.ok(&["ps", "-aq"]), t.ok(&["volume", "ls", "-q"])), (String::new(), "shop_data".into()));
    // By the name alone, from what is left.
    let gone = t.hull(&["compose", "-p", "shop", "down", "-v"]);
    assert!(gone.stderr.contains("Volume shop_data  Removed"), "{gone}");
    assert_eq!(t.ok(&["volume", "ls", "-q"]), "");
    let nothing = t.hull(&["compose", "-p", "shop", "down"]);
    assert!(nothing.success() && nothing.stderr.contains("No resource found to remove"), "{nothing}");
}

#[test]
fn what_differs_is_recreated_with_its_anonymous_volumes() {
    let Some(t) = Scenario::with_busybox() else { return };
    let file = |command: &str| {
        format!(
            "services:\n  a:\n    image: busybox\n    init: true\n    stop_grace_period: 1s\n    command: {command}\n    volumes: [/data]\n  \
             b:\n    image: busybox\n    {SLEEP}\n    depends_on: {{a: {{condition: service_started, restart: true}}}}\n"
        )
    };
    let p = Project::new(&t, "p", &file("sleep 1000"));
    p.ok(&["up", "-d"]);
    t.ok(&["exec", "p-a-1", "sh", "-c", "echo kept >/data/file; echo gone >/file"]);
    let (a, b) = (p.id("a-1"), p.id("b-1"));
    let started = |name: &str| t.inspect(name, "{{.State.StartedAt}}");
    let b_started = started("p-b-1");

    p.write(&file("sleep 1001"));
    let up = p.ok(&["up", "-d"]);
    assert!(
        up.contains("Container p-a-1  Recreate\n") && up.contains("Container p-a-1  Recreated\n"),
        "{up}"
    );
    assert_ne!(p.id("a-1"), a);
    assert_eq!(t.ok(&["exec", "p-a-1", "cat", "/data/file"]), "kept");
    assert!(!t.hull(&["exec", "p-a-1", "cat", "/file"]).success());
    // The other one restarted with it, and is the same container.
    assert_eq!(p.id("b-1"), b);
    assert_ne!(started("p-b-1"), b_started);

    let a = p.id("a-1");
    p.fails(&["up", "-d", "--no-recreate", "--force-recreate"]);
    p.write(&file("sleep 1002"));
    p.ok(&["up", "-d", "--no-recreate"]);
    assert_eq!(p.id("a-1"), a);
    p.ok(&["up", "-d", "-V"]);
    assert_ne!((p.id("a-1"), p.id("b-1")), (a, b), "with -V everything is made again");
    assert!(!t.hull(&["exec", "p-a-1", "cat", "/data/file"]).success());

    // Dependencies that were not named have a policy of their own.
    let (a, b) = (p.id("a-1"), p.id("b-1"));
    p.ok(&["up", "-d", "--force-recreate", "b"]);
    assert_eq!(p.id("a-1"), a);
    assert_ne!(p.id("b-1"), b);
    p.ok(&["up", "-d", "--always-recreate-deps", "b"]);
    assert_ne!(p.id("a-1"), a);
    let a = p.id("a-1");
    p.ok(&["up", "-d", "--force-recreate", "--no-deps", "b"]);
    assert_eq!(p.id("a-1"), a);
    // The volumes that -V has left belong to nobody.
    p.ok(&["down", "-v"]);
    t.ok(&["volume", "prune", "-f"]);
    assert_eq!(t.ok(&["volume", "ls", "-q"]), "");
}
