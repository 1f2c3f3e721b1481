//! Images from a real registry and back: Debian's docker-registry, on an address in the test's own network.

use hull_test_support::outcome::run;
use hull_test_support::registry::{ADDRESS, Kind, USER};
use hull_test_support::{Registry, Scenario, skip};

/// The image `busybox`, which exists only in the registry and under this name.
fn pushed(t: &Scenario, registry: &Registry, name: &str) -> String {
    let name = registry.name(name);
    t.busybox();
    t.ok(&["tag", "busybox", &name]);
    t.ok(&["push", &name]);
    t.ok(&["rmi", "-f", "busybox", &name]);
    name
}

fn digest_in(printed: &str) -> String {
    let at = printed.find("sha256:").unwrap_or_else(|| panic!("a digest: {printed}"));
    printed[at..at + 71].to_owned()
}

#[test]
fn an_image_is_pushed_pulled_and_run() {
    let Some(t) = Scenario::start() else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let name = registry.name("team/box:1.2");
    t.busybox();
    t.ok(&["tag", "busybox", &name]);
    let id = t.ok(&["images", "-q", "--no-trunc", "busybox"]);
    let said = t.ok(&["push", &name]);
    assert!(
        said.starts_with(&format!("The push refers to repository [{}]", registry.name("team/box"))),
        "{said}"
    );
    let digest = digest_in(&said);
    assert!(said.contains(&format!("1.2: digest: {digest} size: ")), "{said}");
    t.ok(&["rmi", "-f", "busybox", &name]);

    let pulled = t.ok(&["pull", &name]);
    let expected = format!("Digest: {digest}\nStatus: Downloaded newer image for {name}\n{name}");
    assert_eq!(pulled, expected);
    assert_eq!(t.ok(&["images", "-q", "--no-trunc"]), id, "the id is the configuration's, wherever it was");
    assert_eq!(
        t.ok(&["image", "inspect", "-f", "{{index .RepoDigests 0}}", &name]),
        format!("{}@{digest}", registry.name("team/box"))
    );
    assert_eq!(t.ok(&["run", "--rm", &name, "cat", "/etc/issue-of-image"]), "made for tests");
}

#[test]
fn a_second_pull_moves_no_byte_of_a_layer() {
    let Some(t) = Scenario::start() else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let name = pushed(&t, &registry, "box");
    t.ok(&["pull", &name]);
    let before = registry.requests("GET", "/blobs/").len();
    assert_eq!(before, 2, "a layer and a configuration");
    let again = t.ok(&["pull", &name]);
    assert!(again.contains("Status: Image is up to date for"), "{again}");
    assert_eq!(registry.requests("GET", "/blobs/").len(), before);
    assert!(
        registry.requests("GET", "/manifests/").len() == 1,
        "a question for the digest is enough: {}",
        registry.log()
    );
    let other = t.ok(&["pull", "-q", &name]);
    assert_eq!(other, format!("{name}:latest"), "quiet prints the name");
}

#[test]
fn run_pulls_what_is_missing_and_only_that() {
    let Some(t) = Scenario::start() else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let name = pushed(&t, &registry, "box:1");
    let never = t.hull(&["run", "--rm", "--pull", "never", &name, "true"]);
    assert!(never.fails(125).contains("No such image"), "{never}");
    let first = t.hull(&["run", "--rm", &name, "echo", "there"]);
    assert_eq!(first.ok(), "there");
    assert!(first.stderr.contains(&format!("Unable to find image '{name}' locally")), "{first}");
    assert!(first.stderr.contains("Pull complete"), "{first}");
    let asked = registry.log().len();
    let second = t.hull(&["run", "--rm", &name, "echo", "still"]);
    assert_eq!((second.ok(), second.stderr.as_str()), ("still", ""));
    assert_eq!(registry.log().len(), asked, "nobody was asked");
    t.ok(&["run", "--rm", "--pull", "always", &name, "true"]);
    assert!(registry.log().len() > asked);
    let missing = t.hull(&["run", "--rm", &registry.name("none"), "true"]);
    assert!(missing.fails(125).contains("manifest unknown (404)"), "{missing}");
    assert_eq!(missing.stderr.matches("hull:").count(), 1, "said once: {missing}");
    let created = t.ok(&["create", "--quiet", &name, "true"]);
    assert_eq!(created.len(), 64);
}

#[test]
fn a_layer_that_two_images_share_is_moved_once_either_way() {
    let Some(t) = Scenario::start() else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let (one, two) = (registry.name("one:1"), registry.name("two:1"));
    t.busybox();
    t.ok(&["tag", "busybox", &one]);
    t.ok(&["tag", "busybox", &two]);
    t.ok(&["push", &one]);
    let uploads = registry.requests("PATCH", "").len() + registry.requests("PUT", "/blobs/").len();
    let pushed = t.hull(&["push", &two]);
    pushed.ok();
    assert!(pushed.stderr.contains("Mounted from another repository"), "{pushed}");
    let again = registry.requests("PATCH", "").len() + registry.requests("PUT", "/blobs/").len();
    assert_eq!(again - uploads, 1, "the configuration only: {}", registry.log());
    let third = t.hull(&["push", &two]);
    assert!(third.stderr.contains("Layer already exists"), "{third}");

    t.ok(&["rmi", "-f", "busybox", &one, &two]);
    t.ok(&["pull", &one]);
    let before = registry.requests("GET", "/blobs/").len();
    let pulled = t.hull(&["pull", &two]);
    assert!(pulled.ok().contains("Downloaded newer image"), "{pulled}");
    assert!(pulled.stderr.contains("Already exists"), "{pulled}");
    assert_eq!(registry.requests("GET", "/blobs/").len() - before, 1, "the configuration only");
    assert_eq!(t.ok(&["images", "-q"]).lines().count(), 1, "one image with two names");
}

#[test]
fn large_blobs_may_go_in_pieces() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let name = registry.name("pieces:1");
    t.ok(&["push", "--chunk-size", "100k", "busybox", &name]);
    assert!(registry.requests("PATCH", "").len() > 5, "{}", registry.log());
    t.ok(&["rmi", "busybox"]);
    assert_eq!(t.ok(&["run", "--rm", &name, "cat", "/etc/issue-of-image"]), "made for tests");
}

#[test]
fn pull_all_tags_and_by_digest() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let repository = registry.name("many");
    for tag in ["a", "b", "c"] {
        t.ok(&["tag", "busybox", &format!("{repository}:{tag}")]);
    }
    let digest = digest_in(&t.ok(&["push", "-a", &repository]));
    t.ok(&[
        "rmi",
        "-f",
        "busybox",
        &format!("{repository}:a"),
        &format!("{repository}:b"),
        &format!("{repository}:c"),
    ]);
    let refused = t.hull(&["pull", "-a", &format!("{repository}:a")]);
    assert!(refused.fails(1).contains("names one image"), "{refused}");
    t.ok(&["pull", "-a", &repository]);
    assert_eq!(t.ok(&["images", "--format", "{{.Tag}}", &repository]).lines().count(), 3);
    t.ok(&["rmi", "-f", &t.ok(&["images", "-q"])]);

    let by_digest = format!("{repository}@{digest}");
    t.ok(&["pull", &by_digest]);
    let listed = t.ok(&["images", "--digests", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}"]);
    assert_eq!(listed, format!("{repository} <none> {digest}"));
    assert_eq!(t.ok(&["run", "--rm", &by_digest, "echo", "exactly"]), "exactly");
    let again = t.ok(&["pull", &by_digest]);
    assert!(again.contains("up to date"), "{again}");
    let wrong = format!("{repository}@sha256:{}", "0".repeat(64));
    assert!(t.hull(&["pull", &wrong]).fails(1).contains("manifest unknown"));
}

#[test]
fn a_private_authority_and_a_password_are_needed_where_they_are_asked_for() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(registry) = Registry::start(&t, Kind::Locked, ADDRESS, 5443) else { return };
    let name = registry.name("locked/box");
    let unknown = t.hull(&["push", "busybox", &name]);
    assert!(unknown.fails(1).contains("UnknownIssuer"), "{unknown}");
    assert!(
        unknown.stderr.contains(&format!(
            "hint: put the authority's certificate into /etc/docker/certs.d/{}",
            registry.host
        )),
        "{unknown}"
    );

    let certificates = t.path("home/.docker/certs.d").join(&registry.host);
    std::fs::create_dir_all(&certificates).unwrap();
    std::fs::copy(registry.authority(), certificates.join("ca.crt")).unwrap();
    let unnamed = t.hull(&["push", "busybox", &name]);
    assert!(unnamed.fails(1).contains("it wants a name and a password"), "{unnamed}");
    assert!(unnamed.stderr.contains(&format!("log in: hull login {}", registry.host)), "{unnamed}");

    let wrong = t.hull_with_input(&["login", "-u", USER.0, "--password-stdin", &registry.host], b"wrong\n");
    assert!(wrong.fails(1).contains("name or password is wrong"), "{wrong}");
    assert!(!t.path("home/.docker/config.json").exists(), "what is wrong is not kept");
    let right =
        t.hull_with_input(&["login", "-u", USER.0, "--password-stdin", &registry.host], USER.1.as_bytes());
    assert_eq!(right.ok(), "Login Succeeded");
    let kept = t.path("home/.docker/config.json");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&kept).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "nobody else reads it");
    assert_eq!(t.ok(&["login", "--get-login", &registry.host]), USER.0);
    t.ok(&["push", "busybox", &name]);
    t.ok(&["rmi", "busybox"]);
    t.ok(&["pull", &name]);
    assert_eq!(t.ok(&["image", "tags", "--format", "{{.Tag}}", &name]), "latest");
    t.ok(&["push", &name, &format!("{name}:gone")]);
    t.ok(&["rmi", "--remote", &format!("{name}:gone")]);
    assert!(!t.hull(&["image", "inspect", "--remote", &name]).success(), "all tags of a manifest go with it");
    t.ok(&["push", &name]);

    assert_eq!(
        t.ok(&["logout", &registry.host]),
        format!("Removing login credentials for {}", registry.host)
    );
    assert_eq!(t.ok(&["logout", &registry.host]), format!("Not logged in to {}", registry.host));
    let creds = format!("{}:{}", USER.0, USER.1);
    assert!(!t.hull(&["pull", &name]).success());
    t.ok(&["pull", "--creds", &creds, &name]);
    std::fs::remove_file(certificates.join("ca.crt")).unwrap();
    // An authority that the whole system trusts.
    let mut trusting = t.command(&["pull", "--creds", &creds, &name]);
    run(trusting.env("SSL_CERT_FILE", registry.authority())).ok();
    assert!(!t.hull(&["pull", "--creds", &creds, &name]).success());
    t.ok(&["pull", "--creds", &creds, "--tls-verify=false", &name]);
}

#[test]
fn a_client_shows_its_certificate() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(registry) = Registry::start(&t, Kind::Mutual, ADDRESS, 5444) else { return };
    let name = registry.name("mutual/box");
    let directory = t.path("certificates");
    std::fs::create_dir(&directory).unwrap();
    std::fs::copy(registry.authority(), directory.join("ca.crt")).unwrap();
    let given = directory.to_str().unwrap();
    assert!(!t.hull(&["push", "--cert-dir", given, "busybox", &name]).success());
    let (certificate, key) = registry.client();
    std::fs::copy(certificate, directory.join("client.cert")).unwrap();
    let no_key = t.hull(&["push", "--cert-dir", given, "busybox", &name]);
    assert!(no_key.fails(1).contains("client.key"), "{no_key}");
    std::fs::copy(key, directory.join("client.key")).unwrap();
    t.ok(&["push", "--cert-dir", given, "busybox", &name]);
}

#[test]
fn settings_of_registries_are_obeyed() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(registry) = Registry::start(&t, Kind::Plain, ADDRESS, 5000) else { return };
    let name = registry.name("mirrored/box:1");
    let secure = t.hull(&["push", "busybox", &name]);
    assert!(!secure.success(), "elsewhere than on this machine TLS is needed: {secure}");
    let settings = format!(
        "unqualified-search-registries = [\"{host}/nowhere\", \"{host}/mirrored\"]\n\
         [aliases]\n\"short\" = \"{host}/mirrored/box\"\n\
         [[registry]]\nlocation = \"{host}\"\ninsecure = true\n\
         [[registry]]\nprefix = \"blocked.test\"\nblocked = true\n\
         [[registry]]\nprefix = \"away.test\"\nlocation = \"127.0.0.1:9\"\ninsecure = true\n\
         [[registry.mirror]]\nlocation = \"127.0.0.1:9\"\ninsecure = true\n\
         [[registry.mirror]]\nlocation = \"{host}/mirrored\"\ninsecure = true\n",
        host = registry.host
    );
    t.write("home/.config/containers/registries.conf", settings);
    t.ok(&["push", "busybox", &name]);
    t.ok(&["rmi", "busybox"]);

    let blocked = t.hull(&["pull", "blocked.test/x"]);
    assert!(blocked.fails(1).contains("registries.conf blocks blocked.test"), "{blocked}");
    let mirrored = t.hull(&["pull", "away.test/box:1"]);
    assert!(mirrored.ok().ends_with("\naway.test/box:1"), "{mirrored}");
    assert!(mirrored.stderr.contains("the mirror fails"), "{mirrored}");
    assert!(t.ok(&["pull", "short:1"]).ends_with(&format!("\n{name}")));
    let searched = t.ok(&["pull", "box:1"]);
    assert!(searched.ends_with(&format!("\n{name}")), "{searched}");
    assert_eq!(t.ok(&["run", "--rm", "box:1", "echo", "by its short name"]), "by its short name");
    let nowhere = t.hull(&["pull", "box:2"]);
    assert!(
        nowhere.fails(1).contains("nowhere/box:2") && nowhere.stderr.contains("mirrored/box:2"),
        "{nowhere}"
    );
}

#[test]
fn a_short_name_is_searched_for_wherever_an_image_is_fetched() {
    let Some(t) = Scenario::start() else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    pushed(&t, &registry, "there/box:1");
    let settings = format!(
        "unqualified-search-registries = [\"{host}/nowhere\", \"{host}/there\"]\n\
         [[registry]]\nprefix = \"away.test\"\nlocation = \"127.0.0.1:9\"\ninsecure = true\n\
         [[registry.mirror]]\nlocation = \"{host}/there\"\ninsecure = true\n",
        host = registry.host
    );
    t.write("home/.config/containers/registries.conf", settings);
    let name = registry.name("there/box");
    let tagged = format!("{name}:1");
    assert_eq!(t.ok(&["image", "tags", "--format", "{{.Name}} {{.Tag}}", "box"]), format!("{name} 1"));
    let template = "{{index .RepoTags 0}}";
    assert_eq!(t.ok(&["image", "inspect", "--remote", "-f", template, "box:1"]), tagged);
    let gone = t.hull(&["image", "inspect", "--remote", "box:2"]);
    assert!(gone.fails(1).contains("nowhere/box:2") && gone.stderr.contains("there/box:2"), "{gone}");
    // A mirror is used also by commands that pull nothing.
    assert_eq!(t.ok(&["image", "inspect", "--remote", "-f", template, "away.test/box:1"]), "away.test/box:1");
    assert_eq!(t.ok(&["image", "tags", "--format", "{{.Name}}", "away.test/box"]), "away.test/box");
    for verb in [&["pull"][..], &["pull", "-a"], &["run", "--rm"], &["create"]] {
        let (short, program) = match verb {
            ["pull", "-a"] => ("box", &[][..]),
            ["pull"] => ("box:1", &[][..]),
            _ => ("box:1", &["true"][..]),
        };
        t.ok(&[verb, &[short], program].concat());
        assert_eq!(t.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]), tagged, "{verb:?}");
        if verb != ["create"] {
            t.ok(&["rmi", &tagged]);
        }
    }
}

#[test]
fn an_unprivileged_user_pushes_and_pulls_too() {
    let Some(t) = Scenario::rootless() else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let name = pushed(&t, &registry, "mine/box:1");
    t.ok(&["pull", &name]);
    assert_eq!(t.ok(&["run", "--rm", &name, "cat", "/etc/issue-of-image"]), "made for tests");
}

#[test]
fn skopeo_reads_what_hull_pushed_and_hull_what_skopeo_did() {
    if skip::find_program("skopeo").is_none() {
        skip!("skopeo is not installed");
    }
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let name = registry.name("by-hull:1");
    let digest = digest_in(&t.ok(&["push", "busybox", &name]));
    let skopeo = |args: &[&str]| {
        let mut command = std::process::Command::new("skopeo");
        run(command.arg("--insecure-policy").args(args)).ok().to_owned()
    };
    let seen =
        skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &format!("docker://{name}")]);
    assert_eq!(seen, digest);
    // The image copied as it is, and in docker's format with docker's own compression.
    for (kind, extra) in [
        ("oci", vec![]),
        ("v2s2", vec!["--format", "v2s2"]),
        ("zstd", vec!["--dest-compress-format", "zstd", "--format", "oci"]),
    ] {
        let copy = registry.name(&format!("by-skopeo:{kind}"));
        let (from, to) = (format!("docker://{name}"), format!("docker://{copy}"));
        let mut args = vec!["copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"];
        args.extend(extra);
        args.extend([from.as_str(), to.as_str()]);
        skopeo(&args);
        let seen = skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &to]);
        let pulled = t.ok(&["pull", &copy]);
        assert_eq!(digest_in(&pulled), seen, "{kind}");
        assert_eq!(t.ok(&["run", "--rm", &copy, "cat", "/etc/issue-of-image"]), "made for tests");
    }
}

#[test]
fn a_registry_is_looked_at_without_pulling() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(registry) = Registry::plain(&t) else { return };
    let repository = registry.name("look/box");
    for tag in ["one", "two"] {
        t.ok(&["push", "-q", "busybox", &format!("{repository}:{tag}")]);
    }
    let digest = t.ok(&["push", "-q", "busybox", &registry.name("look/other:1")]);
    t.ok(&["rmi", "-f", "busybox"]);
    assert_eq!(t.ok(&["image", "tags", "--format", "{{.Tag}}", &repository]), "one\ntwo");
    let found = t.ok(&["search", "--format", "{{.Name}}", &registry.name("box")]);
    assert_eq!(found, repository);
    let name = format!("{repository}:two");
    let template = "{{.Digest}} {{.Architecture}} {{index .Config.Cmd 0}} {{len .Layers}}";
    let seen = t.ok(&["image", "inspect", "--remote", "-f", template, &name]);
    assert!(seen.starts_with(&digest) && seen.ends_with(" sh 1"), "{seen}");
    assert_eq!(t.ok(&["images", "-q"]), "", "nothing came");
    assert_eq!(registry.requests("GET", "/blobs/").len(), 1, "the configuration: {}", registry.log());

    assert_eq!(t.ok(&["rmi", "--remote", &name]), format!("Deleted: {digest}"));
    assert!(t.hull(&["pull", &name]).fails(1).contains("manifest unknown"));
    let gone = t.hull(&["image", "inspect", "--remote", &name]);
    assert!(gone.fails(1).contains("manifest unknown"), "{gone}");
}
