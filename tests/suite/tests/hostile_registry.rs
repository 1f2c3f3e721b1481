//! Registries that lie, stall or redirect to other hosts: hull reports an error that says so, and stores nothing.

mod fake_registry;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fake_registry::{Content, INDEX, MANIFEST, assert_fails_with, nothing_visible, pull, simple, tar};
use hull_test_support::Scenario;
use hull_test_support::server::{Body, Reply, Request, Server};
use serde_json::json;

#[test]
fn it_may_be_busy_for_a_while_and_not_for_ever() {
    let Some(t) = Scenario::start() else { return };
    let refusals = AtomicUsize::new(0);
    let busy = simple().serve(move |request, _| match refusals.fetch_add(1, Ordering::Relaxed) {
        1 => Some(Reply::new(429, "").header("retry-after", "0")),
        3 if request.path != "/v2/" => Some(Reply::new(503, "")),
        _ => None,
    });
    pull(&t, &busy, "x:1").ok();
    t.ok(&["rmi", &format!("{}/x:1", busy.host)]);
    let always = |request: &Request, _: &Content| {
        (request.path != "/v2/").then(|| {
            Reply::new(429, r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#)
                .header("retry-after", "0")
        })
    };
    let refused = assert_fails_with(&t, simple(), always, "slow down (429)");
    assert!(refused.stderr.contains("hint: wait"), "{refused}");
    const SECONDS: &[(&str, &str)] = &[("retry-after", "86400")];
    const DATE: &[(&str, &str)] =
        &[("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("retry-after", "Mon, 07 Nov 1994 08:49:37 GMT")];
    for retry_after in [SECONDS, DATE] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let retry_after = move |request: &Request, _: &Content| {
            count.fetch_add(usize::from(request.path.contains("/manifests/")), Ordering::Relaxed);
            let reply =
                retry_after.iter().fold(Reply::new(503, ""), |reply, (key, value)| reply.header(key, *value));
            (request.path != "/v2/").then_some(reply)
        };
        assert_fails_with(&t, simple(), retry_after, "Service Unavailable (503)");
        assert_eq!(asked.load(Ordering::Relaxed), 1, "nobody waits a day");
    }
}

#[test]
fn redirects_end_and_take_no_credentials_along() {
    let Some(t) = Scenario::start() else { return };
    let circle = |request: &Request, _: &Content| {
        request
            .path
            .contains("/blobs/")
            .then(|| Reply::new(307, "").header("location", request.path.as_str()))
    };
    assert_fails_with(&t, simple(), circle, "around in circles");
    let nowhere = |request: &Request, _: &Content| {
        request.path.contains("/blobs/").then(|| Reply::new(302, "").header("location", "file:///etc/passwd"))
    };
    assert_fails_with(&t, simple(), nowhere, "an address that makes no sense");

    let storage = simple().serve(|_, _| None);
    let elsewhere = storage.host.clone();
    let server = simple().serve(move |request, _| {
        if request.header("authorization").is_empty() {
            return Some(Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\""));
        }
        let there = format!("http://{elsewhere}{}", request.path);
        request.path.contains("/blobs/").then(|| Reply::new(307, "").header("location", there))
    });
    t.ok(&["pull", "--creds", "me:secret", &format!("{}/x:1", server.host)]);
    let seen = storage.requests();
    assert_eq!(seen.len(), 2, "layer and configuration: {seen:?}");
    assert!(seen.iter().all(|request| request.header("authorization").is_empty()), "{seen:?}");
}

#[test]
fn documents_that_are_none_are_refused() {
    let Some(t) = Scenario::start() else { return };
    let manifest = |body: Body| {
        move |request: &Request, _: &Content| {
            request
                .path
                .contains("/manifests/")
                .then(|| Reply::with(200, body.clone()).header("content-type", MANIFEST))
        }
    };
    let whole = |text: &str| Body::Whole(text.into());
    assert_fails_with(&t, simple(), manifest(whole("{ not json")), "is not JSON");
    assert_fails_with(&t, simple(), manifest(whole("[]")), "is invalid");
    assert_fails_with(&t, simple(), manifest(whole(r#"{"schemaVersion":2}"#)), "missing field");
    assert_fails_with(&t, simple(), manifest(whole(r#"{"schemaVersion":1,"name":"x"}"#)), "schema 1");
    assert_fails_with(&t, simple(), manifest(Body::Whole(vec![b' '; 50 << 20])), "larger than 4 MiB");
    assert_fails_with(&t, simple(), manifest(Body::Endless(vec![b' '; 65536])), "larger than 4 MiB");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_fails_with(
        &t,
        simple(),
        manifest(whole(&format!(r#"{{"schemaVersion":2,"x":{deep}}}"#))),
        "is invalid",
    );

    let mut many = Content::default();
    let mut image = many.image("1", &[tar(&[("x", b"x")])]);
    image["layers"] = vec![image["layers"][0].clone(); 10_000].into();
    many.tag("1", MANIFEST, &image);
    assert_fails_with(&t, many, |_, _| None, "has 10000 layers");
    let mut huge = Content::default();
    let mut image = huge.image("1", &[tar(&[("x", b"x")])]);
    image["layers"][0]["size"] = u64::MAX.into();
    huge.tag("1", MANIFEST, &image);
    assert_fails_with(&t, huge, |_, _| None, "No space left");
    let mut huge = Content::default();
    let mut image = huge.image("1", &[tar(&[("x", b"x")])]);
    image["config"]["size"] = (1u64 << 40).into();
    huge.tag("1", MANIFEST, &image);
    assert_fails_with(&t, huge, |_, _| None, "larger than 4 MiB");
    let mut odd = Content::default();
    let mut image = odd.image("1", &[tar(&[("x", b"x")])]);
    image["layers"][0]["mediaType"] = "text/\u{1b}[31mplain".into();
    odd.tag("1", MANIFEST, &image);
    let refused = assert_fails_with(&t, odd, |_, _| None, "one of its layers is a");
    assert!(!refused.stderr.contains('\u{1b}'), "no control characters: {refused}");
}

#[test]
fn indexes_lead_to_an_image_in_a_few_steps() {
    let Some(t) = Scenario::start() else { return };
    let mut content = simple();
    let mut inner = "1".to_owned();
    for _ in 0..6 {
        let (_, bytes) = content.manifests[&inner].clone();
        let kind = if inner == "1" { MANIFEST } else { INDEX };
        let platform = json!({ "architecture": "amd64", "os": "linux" });
        let entry = json!({ "mediaType": kind, "digest": fake_registry::digest(&bytes), "size": bytes.len(), "platform": platform });
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] });
        inner = content.tag("deep", INDEX, &index);
    }
    let (kind, bytes) = content.manifests["deep"].clone();
    content.manifests.insert("1".into(), (kind, bytes));
    assert_fails_with(&t, content.clone(), |_, _| None, "nested too deep");
    // An index that names itself as its child. The content does not match the digest that was asked for.
    let (_, itself) = content.manifests["deep"].clone();
    let circle = move |request: &Request, _: &Content| {
        request
            .path
            .contains("/manifests/")
            .then(|| Reply::new(200, itself.clone()).header("content-type", INDEX))
    };
    assert_fails_with(&t, content, circle, "asked for the manifest");
    let mut foreign = simple();
    let (_, bytes) = foreign.manifests["1"].clone();
    let entry = |arch: &str| json!({ "mediaType": MANIFEST, "digest": fake_registry::digest(&bytes), "size": bytes.len(), "platform": { "architecture": arch, "os": "linux" } });
    let index =
        json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry("s390x"), entry("riscv64")] });
    foreign.tag("1", INDEX, &index);
    let refused = assert_fails_with(&t, foreign, |_, _| None, "linux/s390x, linux/riscv64");
    assert!(refused.stderr.contains("linux/amd64"), "{refused}");
}

#[test]
fn a_token_comes_from_where_nobody_listens_in() {
    let Some(t) = Scenario::start() else { return };
    let thief = Server::start("127.0.0.1:0", |_| Reply::new(200, r#"{"token":"t"}"#));
    let realm =
        format!("Bearer realm=\"http://thief.test:{}/token\"", thief.host.rsplit(':').next().unwrap());
    let away = move |request: &Request, _: &Content| {
        request
            .header("authorization")
            .is_empty()
            .then(|| Reply::new(401, "").header("www-authenticate", realm.as_str()))
    };
    assert_fails_with(&t, simple(), away, "sends us to thief.test");
    assert!(thief.requests().is_empty());
    for (answer, words) in [
        (Reply::new(200, "{}"), "sent no token"),
        (Reply::new(200, "not json"), "sent an invalid token"),
        (Reply::new(200, r#"{"token":"a\r\nx: y"}"#), "sent an invalid token"),
        (Reply::new(404, ""), "gives no token"),
        (Reply::with(200, Body::Endless(vec![b' '; 65536])), "endless"),
    ] {
        let token = Server::start("127.0.0.1:0", move |_| answer.clone());
        let realm = format!("Bearer realm=\"http://{}/token\"", token.host);
        let asks = move |request: &Request, _: &Content| {
            request
                .header("authorization")
                .is_empty()
                .then(|| Reply::new(401, "").header("www-authenticate", realm.as_str()))
        };
        assert_fails_with(&t, simple(), asks, words);
    }
}

#[test]
fn what_it_says_cannot_write_on_the_terminal() {
    let Some(t) = Scenario::start() else { return };
    let rude = |request: &Request, _: &Content| {
        let said = r#"{"errors":[{"code":"X","message":"\u001b]0;owned\u0007 hello"}]}"#;
        request.path.contains("/manifests/").then(|| Reply::new(400, said))
    };
    let refused = assert_fails_with(&t, simple(), rude, "hello (400)");
    assert!(!refused.stderr.contains(['\u{1b}', '\u{7}']), "{refused}");
    let long = |request: &Request, _: &Content| {
        request
            .path
            .contains("/manifests/")
            .then(|| Reply::new(500, "").header("x-long", "y".repeat(200_000)))
    };
    let server = simple().serve(long);
    assert!(!pull(&t, &server, "x:1").success());
    nothing_visible(&t);
}

#[test]
fn lists_end() {
    let Some(t) = Scenario::start() else { return };
    let page = |request: &Request, _: &Content| {
        let last = request.path.split("last=").nth(1).and_then(|last| last.parse::<u32>().ok()).unwrap_or(0);
        let tags = format!(r#"{{"name":"x","tags":["t{last}"]}}"#);
        let next = format!("</v2/x/tags/list?last={}>; rel=\"next\"", last + 1);
        let reply = Reply::new(200, tags);
        request.path.contains("/tags/list").then(|| if last < 4 { reply.header("link", next) } else { reply })
    };
    let server = simple().serve(page);
    let tags = t.ok(&["image", "tags", "--format", "{{.Tag}}", &format!("{}/x", server.host)]);
    assert_eq!(tags.lines().collect::<Vec<_>>(), ["t0", "t1", "t2", "t3", "t4"]);
    let circle = |request: &Request, _: &Content| {
        let reply =
            Reply::new(200, r#"{"tags":["a"]}"#).header("link", "</v2/x/tags/list?last=a>; rel=\"next\"");
        request.path.contains("/tags/list").then_some(reply)
    };
    let server = simple().serve(circle);
    let refused = t.hull(&["image", "tags", &format!("{}/x", server.host)]);
    assert!(refused.fails(1).contains("around in circles"), "{refused}");
    let rude = |request: &Request, _: &Content| {
        request.path.contains("/tags/list").then(|| Reply::new(200, r#"{"tags":["a\u001b[2J"]}"#))
    };
    let server = simple().serve(rude);
    let refused = t.hull(&["image", "tags", &format!("{}/x", server.host)]);
    assert!(refused.fails(1).contains("names that no image can have"), "{refused}");
}

#[test]
fn a_manifest_with_any_byte_changed_is_an_error_or_an_image() {
    let Some(t) = Scenario::start() else { return };
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % bound
    };
    let bytes = b"\"{}[]:,0123456789-.eE\\u tfnull\x00\xff/";
    for round in 0..15 {
        let mut content = simple();
        let (kind, mut manifest) = content.manifests["1"].clone();
        for _ in 0..=random(3) {
            let at = random(manifest.len());
            match random(3) {
                0 => manifest[at] = bytes[random(bytes.len())],
                1 => drop(manifest.remove(at)),
                _ => manifest.insert(at, bytes[random(bytes.len())]),
            }
        }
        let shown = String::from_utf8_lossy(&manifest).into_owned();
        content.manifests.insert("1".into(), (kind, manifest));
        let server = content.serve(|_, _| None);
        let outcome = pull(&t, &server, "x:1");
        if outcome.success() {
            t.ok(&["rmi", &format!("{}/x:1", server.host)]);
        } else {
            assert!(outcome.fails(1).starts_with("hull: "), "round {round}: {shown}: {outcome}");
        }
        nothing_visible(&t);
    }
}
