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

#[test]
fn networks_and_volumes_that_differ_are_made_again() {
    let Some(t) = Scenario::with_busybox() else { return };
    let file = |internal: bool, label: &str| {
        format!(
            "services:\n  a:\n    image: busybox\n    {SLEEP}\n    volumes: [data:/data]\n    networks: {{n: {{aliases: [other]}}}}\n  \
             b:\n    image: busybox\n    {SLEEP}\n    networks: [n]\nnetworks:\n  n: {{internal: {internal}}}\n\
             volumes:\n  data: {{labels: {{l: {label}}}}}\n"
        )
    };
    let p = Project::new(&t, "p", &file(false, "x"));
    p.ok(&["up", "-d"]);
    let (before, data) = (p.ids(), "echo 1 >/data/file");
    t.ok(&["exec", "p-a-1", "sh", "-c", data]);
    p.write(&file(true, "x"));
    let planned = t.ok(&["compose", "-f", p.file(), "diff"]);
    assert!(
        planned.contains("network p_n: recreate") && planned.contains("internal: false → true"),
        "{planned}"
    );
    let up = p.ok(&["up", "-d"]);
    assert!(up.contains("Network p_n  Removed") && up.contains("Network p_n  Created"), "{up}");
    assert_eq!(t.ok(&["network", "inspect", "-f", "{{.Internal}}", "p_n"]), "true");
    // The same containers, which find each other as before.
    assert_eq!(p.ids(), before);
    t.ok(&["exec", "p-b-1", "ping", "-c", "1", "-W", "5", "other"]);

    // A volume keeps its data unless its loss is agreed to.
    p.write(&file(true, "y"));
    let kept = t.hull_with_input(&["compose", "-f", p.file(), "up", "-d"], b"n\n");
    assert!(kept.success(), "{kept}");
    t.ok(&["exec", "p-a-1", "cat", "/data/file"]);
    p.ok(&["up", "-d", "--yes"]);
    assert!(!t.hull(&["exec", "p-a-1", "cat", "/data/file"]).success());
    p.ok(&["down", "-v"]);

    // What was not made by the project stays.
    t.ok(&["network", "create", "p_n"]);
    let refused = p.fails(&["up", "-d"]);
    assert!(refused.contains("incorrect label com.docker.compose.network"), "{refused}");
    assert_eq!(p.ids(), Vec::<String>::new());
    t.ok(&["network", "rm", "p_n"]);
}

#[test]
fn an_error_leaves_the_project_as_it_was() {
    let Some(t) = Scenario::with_busybox() else { return };
    let file = |v: u32, image: &str| {
        format!(
            "services:\n  a:\n    image: busybox\n    {SLEEP}\n    environment: {{V: '{v}'}}\n    volumes: [/data]\n  \
             b:\n    image: {image}\n    {SLEEP}\n    pull_policy: never\n    networks: [default, other]\nnetworks:\n  other:\n"
        )
    };
    let p = Project::new(&t, "p", &file(1, "missing"));
    p.fails(&["up", "-d"]);
    let empty = |t: &Scenario| {
        (
            t.ok(&["ps", "-aq"]),
            t.ok(&["volume", "ls", "-q"]),
            t.ok(&["network", "ls", "--format", "{{.Name}}"]).contains("p_"),
        )
    };
    assert_eq!(empty(&t), (String::new(), String::new(), false));
    p.write(&file(1, "busybox"));
    p.ok(&["up", "-d"]);
    let before = p.ids();
    p.write(&file(2, "missing"));
    p.fails(&["up", "-d"]);
    assert_eq!((p.ids(), p.status("a-1")), (before, "running".into()));
    p.ok(&["down", "-v"]);
}

#[test]
fn services_are_scaled_and_orphans_are_removed() {
    let Some(t) = Scenario::with_busybox() else { return };
    let service = |name: &str| format!("  {name}:\n    image: busybox\n    {SLEEP}\n");
    let p = Project::new(&t, "p", &format!("services:\n{}{}", service("a"), service("b")));
    p.ok(&["up", "-d", "--scale", "a=3"]);
    assert_eq!(p.names(), ["p-a-1", "p-a-2", "p-a-3", "p-b-1"]);
    let first = p.id("a-1");
    p.ok(&["scale", "a=1", "b=2"]);
    assert_eq!((p.names(), p.id("a-1")), (vec!["p-a-1".into(), "p-b-1".into(), "p-b-2".into()], first));
    p.write(&format!("services:\n{}", service("a")));
    assert!(p.ok(&["up", "-d"]).contains("Warning: Found orphan containers ([p-b-1 p-b-2])"));
    assert_eq!(p.names().len(), 3);
    p.ok(&["up", "-d", "--remove-orphans"]);
    assert_eq!(p.names(), ["p-a-1"]);

    // A dry run changes nothing.
    p.write(&format!("services:\n{}{}", service("a"), service("c")));
    let rehearsal = p.ok(&["--dry-run", "up", "-d"]);
    assert!(rehearsal.contains("DRY-RUN MODE -  Container p-c-1  Creating"), "{rehearsal}");
    assert_eq!(p.names(), ["p-a-1"]);
    p.ok(&["create"]);
    assert_eq!(p.status("c-1"), "created");
    p.ok(&["up", "-d", "--no-start"]);
    assert_eq!(p.status("c-1"), "created");
    // Only what is named goes, with what depends on it.
    p.ok(&["down", "c"]);
    assert_eq!(p.names(), ["p-a-1"]);
    p.ok(&["down"]);
}

#[test]
fn conditions_of_dependencies_hold_or_end_the_command() {
    let Some(t) = Scenario::with_busybox() else { return };
    let file = |code: u32, condition: &str, required: bool| {
        format!(
            "services:\n  job:\n    image: busybox\n    command: sh -c 'sleep 0.2; exit {code}'\n    \
             healthcheck: {{test: [CMD, 'false'], interval: 0.1s, retries: 2}}\n  \
             web:\n    image: busybox\n    {SLEEP}\n    depends_on: {{job: {{condition: {condition}, required: {required}}}}}\n"
        )
    };
    let completed = "service_completed_successfully";
    let p = Project::new(&t, "p", &file(0, completed, true));
    let up = p.ok(&["up", "-d", "--wait", "--wait-timeout", "30", "--timeline"]);
    assert!(up.contains("Container p-job-1  Exited"), "{up}");
    assert_eq!((p.status("job-1"), p.status("web-1")), ("exited".into(), "running".into()));
    p.ok(&["down"]);
    p.write(&file(3, completed, true));
    let failed = p.fails(&["up", "-d"]);
    assert!(failed.contains("service \"job\" didn't complete successfully: exit 3"), "{failed}");
    assert_eq!(p.status("web-1"), "created");
    p.write(&file(3, completed, false));
    p.ok(&["up", "-d"]);
    assert_eq!(p.status("web-1"), "running");
    p.ok(&["down"]);
    p.write(&file(0, "service_healthy", true));
    let failed = p.fails(&["up", "-d"]);
    assert!(failed.contains("dependency failed to start: container p-job-1 "), "{failed}");
    p.ok(&["down"]);
    let never = format!(
        "services:\n  web:\n    image: busybox\n    {SLEEP}\n    healthcheck: {{test: [CMD, 'false'], interval: 60s}}\n"
    );
    p.write(&never);
    let late = p.fails(&["up", "-d", "--wait", "--wait-timeout", "1"]);
    assert!(late.contains("application not healthy after 1s"), "{late}");
    p.ok(&["down"]);
}

#[test]
fn verbs_change_the_state_of_services_and_nothing_else() {
    let Some(t) = Scenario::with_busybox() else { return };
    let file = format!(
        "services:\n  db:\n    image: busybox\n    {SLEEP}\n  \
         api:\n    image: busybox\n    {SLEEP}\n    depends_on: {{db: {{condition: service_started, restart: true}}}}\n  \
         web:\n    image: busybox\n    {SLEEP}\n    depends_on: [db]\n"
    );
    let p = Project::new(&t, "p", &file);
    p.ok(&["up", "-d"]);
    let ids = p.ids();
    let states = |p: &Project<'_>| [p.status("api-1"), p.status("db-1"), p.status("web-1")].join(" ");
    let started = |name: &str| t.inspect(name, "{{.State.StartedAt}}");
    let before = ["p-db-1", "p-api-1", "p-web-1"].map(started);
    p.ok(&["restart", "db"]);
    let after = ["p-db-1", "p-api-1", "p-web-1"].map(started);
    assert_eq!(
        [0, 1, 2].map(|n| before[n] != after[n]),
        [true, true, false],
        "what asks for it restarts with it"
    );
    p.ok(&["restart", "--no-deps", "db"]);
    assert_eq!(started("p-api-1"), after[1]);
    p.ok(&["pause", "web"]);
    assert_eq!(states(&p), "running running paused");
    p.ok(&["unpause", "web"]);
    p.ok(&["stop", "-t", "1", "db"]);
    assert_eq!(states(&p), "running exited running");
    p.ok(&["kill", "-s", "KILL", "api"]);
    assert_eq!(states(&p), "exited exited running");
    p.ok(&["start"]);
    assert_eq!((states(&p), p.ids()), ("running running running".into(), ids));
    p.ok(&["rm", "-f", "-s", "web"]);
    assert_eq!(p.names(), ["p-api-1", "p-db-1"]);
    assert!(p.ok(&["rm", "-f"]).contains("No stopped containers"));
    // By the name alone.
    let by_name = |args: &[&str]| t.hull(&[&["compose", "-p", "p"], args].concat());
    assert!(by_name(&["stop", "-t", "1"]).success());
    assert!(by_name(&["start"]).success());
    assert_eq!(p.status("api-1"), "running");
    assert!(by_name(&["down", "-t", "1"]).success());
    assert_eq!(p.ids(), Vec::<String>::new());
}

#[test]
fn images_go_with_a_project_that_is_told_so() {
    let Some(t) = Scenario::with_busybox() else { return };
    t.write("p/Dockerfile", "FROM busybox\nCMD [\"sleep\", \"1000\"]\n");
    let p = Project::new(
        &t,
        "p",
        "services:\n  a:\n    build: .\n    init: true\n  b:\n    image: busybox\n    init: true\n    command: sleep 1000\n",
    );
    p.ok(&["up", "-d", "--build"]);
    let images = |t: &Scenario| t.ok(&["images", "--format", "{{.Repository}}"]);
    assert!(images(&t).contains("p-a"));
    p.ok(&["down", "-t", "1", "--rmi", "local"]);
    assert_eq!(images(&t), "busybox");
    p.ok(&["up", "-d"]);
    p.ok(&["down", "-t", "1", "--rmi", "all"]);
    assert_eq!(images(&t), "");
}
