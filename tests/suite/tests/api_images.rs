//! Docker's API on images: lists, names, archives and registries.

use hull_test_support::http::{Api, Client, Response, encoded};
use hull_test_support::registry::{Kind, USER};
use hull_test_support::{Registry, Scenario};
use serde_json::{Value, json};

const TAR: (&str, &str) = ("Content-Type", "application/x-tar");

/// A tar with one file.
fn tar(name: &str, content: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, name, content.as_bytes()).expect("a tar in memory");
    archive.into_inner().expect("a tar in memory")
}

fn import(client: &mut Client, query: &str, name: &str, content: &str) -> Response {
    let target = format!("/images/create?fromSrc=-&{query}");
    client.send("POST", &target, &[TAR], &tar(name, content))
}

/// The texts of a stream, without the lines of progress.
fn statuses(response: &Response) -> Vec<String> {
    let lines = response.lines();
    let lines = lines.iter().filter(|line| line.get("progressDetail").is_none());
    lines.filter_map(|line| line["status"].as_str().map(str::to_owned)).collect()
}

fn error_of(response: &Response) -> String {
    assert_eq!(response.status, 200, "{response}");
    let last = response.lines().pop().expect("a line");
    assert_eq!(last["error"], last["errorDetail"]["message"], "{response}");
    last["error"].as_str().unwrap_or_else(|| panic!("no error: {response}")).to_owned()
}

fn id_of(client: &mut Client, name: &str) -> String {
    client.get(&format!("/images/{name}/json")).ok(200)["Id"].as_str().expect("an id").to_owned()
}

#[test]
fn an_image_is_imported_listed_inspected_and_removed() {
    let Some(scenario) = Scenario::start() else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    let changes = format!("changes={}&changes={}", encoded(r#"CMD ["sh"]"#), encoded("LABEL a=b"));
    let imported = import(client, &format!("repo=base&tag=1&message=hello&{changes}"), "f", "content");
    assert_eq!(imported.field("content-type"), Some("application/json"));
    let id = imported.lines()[0]["status"].as_str().unwrap().to_owned();
    assert!(id.starts_with("sha256:"), "{imported}");

    let image = client.get("/images/base:1/json").ok(200);
    assert_eq!((&image["Id"], &image["RepoTags"]), (&json!(id), &json!(["base:1"])));
    assert_eq!((&image["Comment"], &image["Config"]["Cmd"]), (&json!("hello"), &json!(["sh"])));
    let hex = id.trim_start_matches("sha256:");
    for name in [&id, hex, &hex[..12]] {
        assert_eq!(client.get(&format!("/images/{name}/json")).ok(200)["Id"], json!(id));
    }
    let list = client.get("/images/json").ok(200);
    assert_eq!((&list[0]["Id"], &list[0]["Labels"]), (&json!(id), &json!({"a": "b"})));
    assert_eq!((&list[0]["Containers"], &list[0]["SharedSize"]), (&json!(0), &json!(-1)));
    assert!(list[0].get("VirtualSize").is_none());
    let old = client.get("/v1.40/images/json?shared-size=1").ok(200);
    assert_eq!((&old[0]["Containers"], &old[0]["SharedSize"]), (&json!(-1), &json!(0)));
    assert_eq!(old[0]["VirtualSize"], old[0]["Size"]);

    let history = client.get("/images/base:1/history").ok(200);
    assert_eq!((&history[0]["Id"], &history[0]["Tags"]), (&json!(id), &json!(["base:1"])));

    assert_eq!(client.post("/images/base:1/tag?repo=other&tag=2").status, 201);
    let removed = client.delete("/images/other:2").ok(200);
    assert_eq!(removed, json!([{"Untagged": "other:2"}]));
    let removed = client.delete(&format!("/images/{hex}")).ok(200);
    assert_eq!(removed, json!([{"Untagged": "base:1"}, {"Deleted": id}]));
    assert_eq!(client.get("/images/json").ok(200), json!([]));
}

#[test]
fn the_list_has_filters() {
    let Some(scenario) = Scenario::start() else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    import(client, "repo=a&tag=1&changes=LABEL+x%3Dy", "f", "1");
    import(client, "repo=a&tag=2", "f", "2");
    import(client, "", "f", "3");
    let mut names = |target: &str, filters: Value| {
        let separator = if target.contains('?') { '&' } else { '?' };
        let listed =
            client.get(&format!("{target}{separator}filters={}", encoded(&filters.to_string()))).ok(200);
        let listed = listed.as_array().expect("a list").iter();
        let names = listed.map(|image| image["RepoTags"][0].as_str().unwrap_or("-").to_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    };
    assert_eq!(names("/images/json", json!({"label": ["x=y"]})), ["a:1"]);
    assert_eq!(names("/images/json", json!({"label": {"x": true}})), ["a:1"]);
    assert_eq!(names("/images/json", json!({"dangling": ["true"]})), ["-"]);
    assert_eq!(names("/v1.41/images/json", json!({"dangling": ["1"]})), ["<none>:<none>"]);
    assert_eq!(names("/images/json", json!({"reference": ["a:2"]})), ["a:2"]);
    assert_eq!(names("/v1.40/images/json?filter=a:1", json!({})), ["a:1"]);
    assert_eq!(names("/images/json", json!({"before": ["a:2"]})), ["a:1"]);
    assert_eq!(names("/images/json", json!({"since": ["a:2"]})), ["-"]);
    let mut fails = |filters: &str, status| {
        client.get(&format!("/images/json?filters={}", encoded(filters))).fails(status)
    };
    assert!(fails(r#"{"color":["x"]}"#, 400).starts_with("invalid filter"));
    assert!(fails(r#"{"dangling":["x"]}"#, 400).starts_with("invalid filter"));
    assert_eq!(fails("nonsense", 400), "invalid filter");
    assert_eq!(fails(r#"{"before":["nope"]}"#, 404), "No such image: nope:latest");
}

#[test]
fn wrong_names_are_told_in_dockers_words() {
    let Some(scenario) = Scenario::start() else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    import(client, "repo=a&tag=1", "f", "1");
    let missing = "No such image: nope:latest";
    assert_eq!(client.get("/images/nope/json").fails(404), missing);
    assert_eq!(client.get("/images/nope/history").fails(404), missing);
    assert_eq!(client.delete("/images/nope").fails(404), missing);
    assert_eq!(client.post("/images/nope/tag?repo=x").fails(404), missing);
    assert_eq!(client.get("/images/nope/get").fails(404), "No such image: nope");
    assert_eq!(client.get("/images/get?names=a:1&names=nope").fails(404), "No such image: nope");
    let upper = "invalid reference format: repository name (library/UPPER) must be lowercase";
    assert_eq!(client.post("/images/a:1/tag?repo=UPPER").fails(400), upper);
    assert_eq!(client.post("/images/UPPER/push").fails(400), upper);
    assert_eq!(client.post("/images/create?fromImage=UPPER").fails(400), upper);
    assert_eq!(client.get("/images/@@/json").fails(400), "invalid reference format");
    assert_eq!(client.post("/images/a:1/tag").fails(400), "invalid reference format");
    assert_eq!(client.get("/images/a/b/../../../etc/passwd/json").status, 301);
    for path in ["/images/..%2F..%2Fetc/json", "/images/a%00b/json", "/images/%2Fetc%2Fpasswd/get"] {
        let answer = client.get(path);
        assert!([301, 400, 404].contains(&answer.status), "{answer}");
    }
}

#[test]
fn an_image_in_use_is_kept() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    let body = json!({"Image": "busybox", "Cmd": ["true"]});
    let container = client.post_json("/containers/create?name=box", &body).ok(201)["Id"].clone();
    let container = &container.as_str().expect("an id")[..12];
    let id = id_of(client, "busybox");
    let short = &id["sha256:".len()..][..12];
    assert_eq!(
        client.delete("/images/busybox").fails(409),
        format!(
            "conflict: unable to remove repository reference \"busybox\" (must force) - container {container} is using \
             its referenced image {short}"
        )
    );
    assert_eq!(
        client.delete(&format!("/images/{short}")).fails(409),
        format!(
            "conflict: unable to delete {short} (must be forced) - image is being used by stopped container {container}"
        )
    );
    assert_eq!(client.post("/images/busybox/tag?repo=other").status, 201);
    assert_eq!(
        client.delete(&format!("/images/{short}")).fails(409),
        format!(
            "conflict: unable to delete {short} (must be forced) - image is referenced in multiple repositories"
        )
    );
    assert_eq!(client.delete("/images/other?noprune=1").ok(200), json!([{"Untagged": "other:latest"}]));
    assert_eq!(client.delete("/images/busybox?force=1").ok(200), json!([{"Untagged": "busybox:latest"}]));
    client.delete("/containers/box?force=1").ok(204);
}

#[test]
fn unused_images_are_pruned() {
    let Some(scenario) = Scenario::start() else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    import(client, "repo=a&tag=1", "f", "1");
    import(client, "", "f", "22");
    let pruned = client.post("/images/prune").ok(200);
    assert_eq!(pruned["ImagesDeleted"].as_array().map(Vec::len), Some(1), "{pruned}");
    assert_eq!(pruned["SpaceReclaimed"], json!(2));
    assert_eq!(client.post("/images/prune").ok(200), json!({"ImagesDeleted": null, "SpaceReclaimed": 0}));
    let filters = encoded(r#"{"dangling":["false"]}"#);
    let pruned = client.post(&format!("/images/prune?filters={filters}")).ok(200);
    assert_eq!(pruned["ImagesDeleted"][0], json!({"Untagged": "a:1"}), "{pruned}");
    assert!(
        client
            .post("/images/prune?filters=%7B%22x%22:%5B%221%22%5D%7D")
            .fails(400)
            .contains("invalid filter")
    );
}

#[test]
fn an_image_is_saved_and_loaded() {
    let Some(scenario) = Scenario::start() else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    import(client, "repo=a&tag=1", "f", "1");
    import(client, "repo=b&tag=1", "f", "2");
    let ids = [id_of(client, "a:1"), id_of(client, "b:1")];
    let saved = client.get("/images/get?names=a:1&names=b:1");
    assert_eq!((saved.status, saved.field("content-type")), (200, Some("application/x-tar")));
    let one = client.get("/images/a:1/get");
    assert!(one.body.len() < saved.body.len());
    client.delete("/images/a:1").ok(200);
    client.delete("/images/b:1").ok(200);
    let loaded = client.send("POST", "/images/load?quiet=1", &[TAR], &saved.body);
    let texts: Vec<_> =
        loaded.lines().iter().filter_map(|line| line["stream"].as_str().map(str::to_owned)).collect();
    assert_eq!(texts, ["Loaded image: a:1\n", "Loaded image: b:1\n"]);
    assert_eq!([id_of(client, "a:1"), id_of(client, "b:1")], ids);
    let by_id = client.get(&format!("/images/{}/get", ids[0]));
    let loaded = client.send("POST", "/images/load", &[TAR], &by_id.body);
    assert!(loaded.text().contains(&format!("Loaded image ID: {}", ids[0])), "{loaded}");
    let nonsense = client.send("POST", "/images/load", &[TAR], &tar("f", "1"));
    assert!(error_of(&nonsense).contains("manifest.json"));
    let cut = client.send("POST", "/images/load", &[TAR], &saved.body[..saved.body.len() / 2]);
    error_of(&cut);
}

#[test]
fn an_image_goes_to_a_registry_and_comes_back() {
    let Some(scenario) = Scenario::start() else { return };
    let Some(registry) = Registry::plain(&scenario) else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    let name = registry.name("team/tool");
    import(client, &format!("repo={name}&tag=1"), "f", "content");
    let pushed = client.post(&format!("/images/{name}/push?tag=1"));
    let lines = pushed.lines();
    assert_eq!(lines[0], json!({"status": format!("The push refers to repository [{name}]")}));
    let aux = &lines.last().expect("a line")["aux"];
    let digest = aux["Digest"].as_str().expect("a digest").to_owned();
    assert_eq!((&aux["Tag"], aux["Size"].is_u64()), (&json!("1"), true), "{pushed}");
    assert_eq!(statuses(&pushed)[1], format!("1: digest: {digest} size: {}", aux["Size"]));
    assert!(pushed.text().contains(r#""status":"Pushed","progressDetail":{},"id""#), "{pushed}");

    let digests = json!([format!("{name}@{digest}")]);
    assert_eq!(client.get("/images/json?digests=1").ok(200)[0]["RepoDigests"], digests);
    assert!(pushed.text().contains(r#"{"status":"Preparing","progressDetail":{},"id":"#), "{pushed}");
    let removed = client.delete(&format!("/images/{name}:1")).ok(200);
    assert_eq!(removed[1], json!({"Untagged": format!("{name}@{digest}")}), "{removed}");

    let pulled = client.post(&format!("/images/create?fromImage={name}&tag=1"));
    let status = |what: &str| format!("Status: {what} for {name}:1");
    let expected =
        ["Pulling from team/tool".into(), format!("Digest: {digest}"), status("Downloaded newer image")];
    assert_eq!(statuses(&pulled), expected, "{pulled}");
    for state in ["Pulling fs layer", "Download complete", "Pull complete"] {
        assert!(
            pulled.text().contains(&format!(r#""status":"{state}","progressDetail":{{}},"id""#)),
            "{pulled}"
        );
    }
    let again = client.post(&format!("/images/create?fromImage={name}:1"));
    assert_eq!(statuses(&again)[2], status("Image is up to date"));
    let by_digest = client.post(&format!("/images/create?fromImage={name}&tag={digest}"));
    assert!(statuses(&by_digest)[2].contains(&format!("{name}@{digest}")), "{by_digest}");

    client.post(&format!("/images/{name}:1/tag?repo={name}&tag=2")).ok(201);
    let all = client.post(&format!("/images/{name}/push"));
    assert!(all.text().contains(r#""Tag":"1""#) && all.text().contains(r#""Tag":"2""#), "{all}");
    let all = client.post(&format!("/images/create?fromImage={name}"));
    assert_eq!(statuses(&all).last().unwrap(), &format!("Status: Image is up to date for {name}"), "{all}");

    let offered = client.get(&format!("/distribution/{name}:1/json")).ok(200);
    assert_eq!(offered["Descriptor"]["digest"], json!(digest), "{offered}");
    assert_eq!(offered["Platforms"][0]["os"], json!("linux"), "{offered}");
    let found = client.get(&format!("/images/search?term={name}")).ok(200);
    assert_eq!(found[0]["name"], json!("team/tool"), "{found}");
    assert!(client.get("/images/search?term=x&limit=101").fails(400).contains("outside the range"));
}

#[test]
fn what_a_registry_refuses_has_a_status_of_its_own() {
    let Some(scenario) = Scenario::start() else { return };
    let Some(registry) = Registry::plain(&scenario) else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    let name = registry.name("nope");
    let missing = client.post(&format!("/images/create?fromImage={name}&tag=1")).fails(404);
    assert!(missing.starts_with(&format!("manifest for {name}:1 not found: manifest unknown")), "{missing}");
    assert!(client.get(&format!("/distribution/{name}:1/json")).fails(404).contains("manifest unknown"));
    client.post("/images/create?fromImage=127.0.0.1:9/nope&tag=1").fails(500);
    let unknown = client.post("/images/nope/push?tag=1");
    assert_eq!(error_of(&unknown), "An image does not exist locally with the tag: nope");
    client.post("/images/create?fromImage=a&platform=x/y/z/w").fails(400);
    client.post("/images/create").fails(400);
}

#[test]
fn credentials_come_with_the_request() {
    let Some(scenario) = Scenario::start() else { return };
    let Some(registry) = Registry::start(&scenario, Kind::Locked, "127.0.0.1", 5001) else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    let name = registry.name("private");
    import(client, &format!("repo={name}&tag=1"), "f", "content");
    let auth = |user: &str, password: &str| {
        use base64::Engine as _;
        let json = json!({"username": user, "password": password, "serveraddress": registry.host});
        base64::engine::general_purpose::URL_SAFE.encode(json.to_string())
    };
    let right = auth(USER.0, USER.1);
    let mut push =
        |fields: &[(&str, &str)]| client.send("POST", &format!("/images/{name}/push?tag=1"), fields, b"");
    for auth in ["e30=", "!!!", &auth(USER.0, "wrong")] {
        let refused = error_of(&push(&[("X-Registry-Auth", auth)]));
        assert!(refused.contains("authentication required"), "{refused}");
    }
    let pushed = push(&[("X-Registry-Auth", &right)]);
    assert!(pushed.text().contains("\"aux\""), "{pushed}");
    let pull = format!("/images/create?fromImage={name}&tag=1");
    let refused = client.post(&pull).fails(404);
    assert!(refused.starts_with(&format!("pull access denied for {name}")), "{refused}");
    let pulled = client.send("POST", &pull, &[("X-Registry-Auth", &right)], b"");
    assert!(pulled.text().contains("Image is up to date"), "{pulled}");
    let body =
        |password: &str| json!({"username": USER.0, "password": password, "serveraddress": registry.host});
    let answer = client.post_json("/auth", &body(USER.1)).ok(200);
    assert_eq!(answer, json!({"IdentityToken": "", "Status": "Login Succeeded"}));
    client.post_json("/auth", &body("wrong")).fails(401);
    assert!(!scenario.path("home/.docker/config.json").exists(), "the client keeps credentials");
}

#[test]
fn a_container_becomes_an_image() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    let body = json!({"Image": "busybox", "Cmd": ["sh", "-c", "echo x > /made"], "Labels": {"a": "b"}});
    client.post_json("/containers/create?name=box", &body).ok(201);
    client.post("/containers/box/start").ok(204);
    client.post("/containers/box/wait").ok(200);
    let changes = format!("changes={}", encoded(r#"CMD ["cat","/made"]"#));
    let target = format!("/commit?container=box&repo=made&tag=1&comment=hello&author=me&pause=0&{changes}");
    let made = client.post_json(&target, &json!({"Env": ["Q=1"], "Labels": {"c": "d"}})).ok(201);
    let image = client.get("/images/made:1/json").ok(200);
    assert_eq!(image["Id"], made["Id"]);
    assert_eq!((&image["Comment"], &image["Author"]), (&json!("hello"), &json!("me")));
    assert_eq!(image["Config"]["Cmd"], json!(["cat", "/made"]));
    assert_eq!(image["Config"]["Labels"], json!({"a": "b", "c": "d"}));
    assert!(image["Config"]["Env"].as_array().unwrap().contains(&json!("Q=1")), "{image}");
    assert_eq!(scenario.ok(&["run", "--rm", "made:1"]), "x");
    let plain = client.post("/commit?container=box").ok(201);
    assert!(plain["Id"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(client.post("/commit?container=nope").fails(404), "No such container: nope");
    client.post("/commit").fails(400);
    client.post("/commit?container=box&repo=UP").fails(400);
    client.delete("/containers/box").ok(204);
}
