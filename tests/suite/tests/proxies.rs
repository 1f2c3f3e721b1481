//! Registries behind a proxy: the connections that use it, the process that resolves names, and the passwords that each
//! server gets.

mod fake_registry;

use fake_registry::simple;
use hull_test_support::outcome::run;
use hull_test_support::proxy::Proxy;
use hull_test_support::registry::{ADDRESS, Kind, USER};
use hull_test_support::server::{Reply, Server};
use hull_test_support::{Outcome, Registry, Scenario};

/// Basic of `who:at-the-proxy`.
const AT_THE_PROXY: &str = "d2hvOmF0LXRoZS1wcm94eQ==";
/// Basic of `me:secret`.
const AT_THE_REGISTRY: &str = "bWU6c2VjcmV0";

fn with(t: &Scenario, args: &[&str], environment: &[(&str, &str)]) -> Outcome {
    run(t.command(args).envs(environment.iter().copied()))
}

/// A registry without TLS. Only the proxy can resolve its name, `registry.test`.
fn hidden(t: &Scenario) -> Server {
    let settings = "[[registry]]\nlocation = \"registry.test\"\ninsecure = true\n";
    t.write("home/.config/containers/registries.conf", settings);
    simple().serve(|request, _| {
        let known = request.header("authorization").ends_with(AT_THE_REGISTRY);
        (!known).then(|| Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\""))
    })
}

#[test]
fn tls_goes_through_the_tunnel_of_a_proxy_or_past_it() {
    let Some(t) = Scenario::with_busybox() else { return };
    let Some(registry) = Registry::start(&t, Kind::Locked, ADDRESS, 5443) else { return };
    let proxy = Proxy::start(&format!("{ADDRESS}:0"), &[]);
    let (name, creds) = (registry.name("x:1"), format!("{}:{}", USER.0, USER.1));
    let certificates = t.path("trusted");
    std::fs::create_dir(&certificates).unwrap();
    std::fs::copy(registry.authority(), certificates.join("ca.crt")).unwrap();
    let access = ["--creds", &creds, "--cert-dir", certificates.to_str().unwrap()];
    t.ok(&[&["push", "-q"], &access[..], &["busybox", &name]].concat());
    let pull = [&["pull", "-q"], &access[..], &[name.as_str()]].concat();
    let (http, socks) =
        (format!("http://who:at-the-proxy@{}", proxy.host), format!("socks5://{}", proxy.host));
    let mut before = 0;
    for (environment, ways) in [
        (&[("HTTPS_PROXY", http.as_str())][..], true),
        (&[("https_proxy", &http)], true),
        (&[("ALL_PROXY", &http)], true),
        (&[("ALL_PROXY", &socks)], true),
        (&[("HTTPS_PROXY", &socks), ("ALL_PROXY", "http://127.0.0.1:9")], true),
        (&[("HTTPS_PROXY", &http), ("NO_PROXY", "example.com,10.99.0.0/16")], false),
        (&[("ALL_PROXY", &socks), ("no_proxy", &registry.host)], false),
        (&[("HTTP_PROXY", &http)], false),
    ] {
        with(&t, &pull, environment).ok();
        t.ok(&["rmi", &name]);
        let tunnels = proxy.tunnels().split_off(before);
        assert_eq!(!tunnels.is_empty(), ways, "{environment:?}: {tunnels:?}");
        before += tunnels.len();
        for tunnel in tunnels {
            assert_eq!(tunnel.target, registry.host, "{environment:?}");
            // A TLS handshake (RFC 8446, 5.1): the proxy cannot read what is meant for the registry.
            assert_eq!(tunnel.sent.first(), Some(&22), "{environment:?}");
            let is_http = environment[0].1 == http;
            let lower = tunnel.told.to_ascii_lowercase();
            assert_eq!(tunnel.told.contains(AT_THE_PROXY), is_http, "{}", tunnel.told);
            assert_eq!(lower.matches("authorization").count(), usize::from(is_http), "{lower}");
        }
    }
}

#[test]
fn a_proxy_resolves_names_and_neither_sees_the_other_ones_password() {
    let Some(t) = Scenario::start() else { return };
    let server = hidden(&t);
    let proxy = Proxy::start(&format!("{ADDRESS}:0"), &[("registry.test:80", &server.host)]);
    let pull = ["pull", "-q", "--creds", "me:secret", "registry.test/x:1"];
    for scheme in ["http", "socks5", "socks5h"] {
        let before = (proxy.tunnels().len(), server.requests().len());
        let url = format!("{scheme}://who:at-the-proxy@{}", proxy.host);
        with(&t, &pull, &[("ALL_PROXY", &url)]).ok();
        t.ok(&["rmi", "registry.test/x:1"]);
        let tunnels = proxy.tunnels().split_off(before.0);
        assert!(!tunnels.is_empty(), "{scheme}");
        for tunnel in tunnels {
            assert!(tunnel.target.starts_with("registry.test:"), "{scheme}: {}", tunnel.target);
            let told = if scheme == "http" { AT_THE_PROXY } else { "who:at-the-proxy" };
            assert!(tunnel.told.contains(told), "{scheme}: {}", tunnel.told);
            assert!(!tunnel.told.contains(AT_THE_REGISTRY), "{scheme}: {}", tunnel.told);
        }
        for request in server.requests().split_off(before.1) {
            let headers = format!("{:?}", request.headers);
            assert!(!headers.contains("proxy-authorization") && !headers.contains(AT_THE_PROXY), "{headers}");
        }
    }
}

#[test]
fn each_host_is_asked_the_way_that_is_its_own() {
    let Some(t) = Scenario::start() else { return };
    let other = simple().serve(|_, _| None);
    let near = Server::start(&format!("{ADDRESS}:0"), {
        let content = simple();
        move |request| content.answer(request)
    });
    t.write(
        "home/.config/containers/registries.conf",
        "[[registry]]\nlocation = \"registry.test\"\ninsecure = true\n",
    );
    let server = simple().serve({
        let near = near.host.clone();
        move |request, _| {
            let away = || Reply::new(307, "").header("location", format!("http://{near}{}", request.path));
            request.path.contains("/blobs/").then(away)
        }
    });
    let proxy = Proxy::start(&format!("{ADDRESS}:0"), &[("registry.test:80", &server.host)]);
    let url = format!("http://{}", proxy.host);
    with(&t, &["pull", "registry.test/x:1"], &[("HTTP_PROXY", &url), ("NO_PROXY", ADDRESS)]).ok();
    assert!(!near.asked("GET", "/blobs/").is_empty());
    assert!(
        proxy.tunnels().iter().all(|tunnel| tunnel.target == "registry.test:80"),
        "{:?}",
        proxy.tunnels()
    );
    // Connections to this machine's own addresses never use a proxy.
    let before = proxy.tunnels().len();
    with(&t, &["pull", &format!("{}/x:1", other.host)], &[("HTTP_PROXY", &url)]).ok();
    assert_eq!(proxy.tunnels().len(), before);
}

#[test]
fn a_proxy_that_does_not_lead_there_is_named() {
    let Some(t) = Scenario::start() else { return };
    let proxy = Proxy::start(&format!("{ADDRESS}:0"), &[("registry.test:443", "127.0.0.1:9")]);
    for scheme in ["http", "socks5"] {
        let url = format!("{scheme}://who:at-the-proxy@{}", proxy.host);
        let failed = with(&t, &["pull", "registry.test/x:1"], &[("HTTPS_PROXY", &url)]);
        let words = failed.fails(1);
        assert!(words.contains("proxy") && words.contains(&proxy.host), "{scheme}: {words}");
        assert!(!words.contains("at-the-proxy"), "{scheme}: {words}");
    }
    let refused = with(&t, &["pull", "registry.test/x:1"], &[("HTTPS_PROXY", "nonsense://x")]);
    assert!(refused.fails(1).contains("proxy"), "{refused}");
}
