//! Templates of images, which make files of a system.

use hull_test_support::{Scenario, System};

use super::Archives;

/// An image with templates: `events` is written at three events, `once` if it is missing, and `each` at every start.
fn import_with_templates(t: &Scenario, archives: &Archives, more: (&str, &str)) -> String {
    let (metadata, text) = more;
    let all = "templates:
  /etc/events:
    when: [create, copy, rename]
    template: events.tpl
    properties: {greeting: hello}
  /var/lib/new/once:
    when: [create]
    create_only: true
    template: once.tpl
  /etc/each:
    when: [start]
    template: each.tpl
";
    let directory = archives.path("whole");
    let metadata = format!("architecture: {}\ncreation_date: 1\n{all}{metadata}", std::env::consts::ARCH);
    std::fs::write(directory.join("metadata.yaml"), metadata).unwrap();
    for (name, text) in [
        ("events.tpl", "{{ trigger }} {{ container.name }} {{ properties.greeting }}\n"),
        ("once.tpl", "once\n"),
        (
            "each.tpl",
            "{% if config_get(\"user.mode\", \"\") == \"\" %}none{% else %}{{ config[\"user.mode\"] }}{% endif %}\n",
        ),
        ("more.tpl", text),
    ] {
        std::fs::write(directory.join("templates").join(name), text).unwrap();
    }
    archives.run("tar", &["-C", "whole", "-cf", "templates.tar", "metadata.yaml", "templates", "rootfs"]);
    t.ok(&["image", "import", &archives.name("templates.tar"), "--alias", "with-templates"]);
    "with-templates".into()
}

#[test]
fn templates_follow_the_configuration() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    let Some(archives) = Archives::make(&t) else { return };
    let image = import_with_templates(&t, &archives, ("", ""));
    t.ok(&["launch", &image, "box", "-n", "none"]);
    let show = |name: &str| t.ok(&["exec", name, "sh", "-c", "cat /etc/events /etc/each /var/lib/new/once"]);
    assert_eq!(show("box"), "create box hello\nnone\nonce");
    let owner = t.ok(&["exec", "box", "stat", "-c", "%u:%g %a", "/etc/events", "/var/lib/new/once"]);
    assert_eq!(owner, "0:0 644\n0:0 644");
    // A start is no creation: what was changed stays, and only the file of every start is written.
    t.ok(&[
        "exec",
        "box",
        "sh",
        "-c",
        "echo mine >/etc/events; echo mine >/etc/each; chmod 600 /etc/each; rm -r /var/lib/new",
    ]);
    t.ok(&["container", "config", "set", "box", "user.mode=fast"]);
    t.ok(&["restart", "box"]);
    let script = "cat /etc/events /etc/each; stat -c %a /etc/each; ls /var/lib";
    assert_eq!(t.ok(&["exec", "box", "sh", "-c", script]), "mine\nfast\n600");
    // A copy is an event of its own, also of a container that was renamed; the image is not needed any more.
    t.ok(&["stop", "box"]);
    t.ok(&["snapshot", "box", "before"]);
    t.ok(&["copy", "box", "twin"]);
    t.ok(&["copy", "box/before", "third"]);
    t.ok(&["rename", "box", "other"]);
    t.ok(&["rmi", "-f", &image]);
    t.ok(&["start", "other", "twin", "third"]);
    for (name, expected) in
        [("other", "rename other hello"), ("twin", "copy twin hello"), ("third", "copy third hello")]
    {
        assert_eq!(t.ok(&["exec", name, "cat", "/etc/events"]), expected);
    }
    // What was published has them, too.
    t.ok(&["stop", "twin"]);
    t.ok(&["publish", "twin", "--alias", "published"]);
    t.ok(&["launch", "published", "fourth", "-n", "none"]);
    assert_eq!(t.ok(&["exec", "fourth", "cat", "/etc/events"]), "create fourth hello");
    // A container that runs no system takes the image as it is.
    assert_eq!(
        t.hull(&["run", "--rm", "--network", "none", "published", "cat", "/etc/events"]).stdout,
        "copy twin hello\n"
    );
}

#[test]
fn a_hostile_template_stops_its_container_and_nothing_else() {
    let Some(t) = Scenario::with_systems(&[System::Busybox]) else { return };
    let Some(archives) = Archives::make(&t) else { return };
    let outside = t.write("outside", "the host's\n");
    let doubled = "{% set x = 'x' %}".to_owned() + &"{% set x = x ~ x %}".repeat(40);
    for (path, text, why) in [
        ("/etc/more", "{{ name", "more.tpl"),
        ("/etc/more", "{% include '/etc/passwd' %}", "more.tpl"),
        ("/etc/more", doubled.as_str(), "make files from the image's templates"),
        ("/etc", "x", "write /etc of the container"),
    ] {
        let metadata = format!("  {path}:\n    when: [create]\n    template: more.tpl\n");
        let image = import_with_templates(&t, &archives, (&metadata, text));
        let error = t.hull(&["launch", &image, "box", "-n", "none"]).fails(1).to_owned();
        assert!(error.contains(why), "{text}: {error}");
        t.ok(&["rm", "-f", "box"]);
    }
    // Links of the image lead nowhere.
    archives.run("ln", &["-s", outside.to_str().unwrap(), "whole/rootfs/etc/more"]);
    let metadata = "  /etc/more:\n    when: [create]\n    template: more.tpl\n";
    let image = import_with_templates(&t, &archives, (metadata, "of the image\n"));
    t.ok(&["launch", &image, "box", "-n", "none"]);
    assert_eq!(t.ok(&["exec", "box", "cat", "/etc/more"]), "of the image");
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "the host's\n");
}
