//! Authorization at a registry: tokens, passwords, identity tokens, files, helpers.

mod fake_registry;

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use fake_registry::{Content, simple};
use hull_test_support::outcome::{eventually, wrapped};
use hull_test_support::registry::{ADDRESS, certificates, network_up};
use hull_test_support::server::{Reply, Request, Server};
use hull_test_support::{Running, Scenario, Terminal, skip};

/// An authorization server that issues `token-for-…` for name and password `me:secret`, or for the refresh token `stays`.
fn authority() -> Server {
    Server::start("127.0.0.1:0", |request: &Request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        // me:secret
        let by_password = request.header("authorization") == "Basic bWU6c2VjcmV0";
        let by_token = request.method == "POST"
            && body.contains("grant_type=refresh_token")
            && body.contains("refresh_token=stays");
        if !by_password && !by_token {
            return Reply::new(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}"#);
        }
        let refresh =
            if request.path.contains("offline_token=true") { r#","refresh_token":"stays""# } else { "" };
        Reply::new(200, format!(r#"{{"access_token":"good","expires_in":300{refresh}}}"#))
    })
}

/// A registry that demands a token of the authorization server for every request.
fn registry(authority: &Server) -> Server {
    let realm = format!("http://{}/token", authority.host);
    let challenge = format!("Bearer realm=\"{realm}\",service=\"the registry\",scope=\"repository:x:pull\"");
    simple().serve(move |request: &Request, _: &Content| {
        let known = request.header("authorization") == "Bearer good";
        (!known).then(|| Reply::new(401, "").header("www-authenticate", challenge.as_str()))
    })
}

#[test]
fn a_token_is_asked_for_once_and_used_for_all() {
    let Some(t) = Scenario::start() else { return };
    let authority = authority();
    let registry = registry(&authority);
    let name = format!("{}/x:1", registry.host);
    let refused = t.hull(&["pull", &name]);
    assert!(refused.fails(1).contains("gives no token: who are you (401)"), "{refused}");
    t.ok(&["pull", "--creds", "me:secret", &name]);
    let asked = authority.asked("GET", "/token");
    assert_eq!(asked.len(), 2, "one that failed, and one for manifest, configuration and layer: {asked:?}");
    let path = &asked[1].path;
    assert!(
        path.contains("scope=repository%3Ax%3Apull")
            && path.contains("service=the%20registry")
            && path.contains("account=me"),
        "{path}"
    );
}

#[test]
fn login_keeps_the_token_instead_of_the_password_where_there_is_one() {
    let Some(t) = Scenario::start() else { return };
    let authority = authority();
    let registry = registry(&authority);
    t.write("home/.docker/config.json", r#"{"detachKeys":"ctrl-x","auths":{"other":{"auth":"YTpi"}}}"#);
    let login = t.hull_with_input(&["login", "-u", "me", "--password-stdin", &registry.host], b"secret\n");
    assert_eq!(login.ok(), "Login Succeeded");
    let kept = std::fs::read_to_string(t.path("home/.docker/config.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["auths"][&registry.host]["identitytoken"], "stays");
    assert!(!kept.to_string().contains("c2VjcmV0"), "no password: {kept}");
    assert_eq!((&kept["detachKeys"], &kept["auths"]["other"]["auth"]), (&"ctrl-x".into(), &"YTpi".into()));
    t.ok(&["pull", &format!("{}/x:1", registry.host)]);
    assert_eq!(authority.asked("POST", "/token").len(), 1, "the token is exchanged");
}

#[test]
fn podmans_file_and_the_one_that_is_named_are_read() {
    let Some(t) = Scenario::start() else { return };
    let authority = authority();
    let registry = registry(&authority);
    let name = format!("{}/x:1", registry.host);
    let file = |auth: &str| format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, registry.host);
    let (right, wrong) = (file("bWU6c2VjcmV0"), file("bWU6d3Jvbmc="));
    t.write("home/.docker/config.json", &wrong);
    assert!(!t.hull(&["pull", &name]).success());
    t.write("home/.config/containers/auth.json", &right);
    t.ok(&["pull", &name]);
    t.ok(&["rmi", &name]);
    let named = t.write("named.json", &wrong);
    let named = named.to_str().unwrap();
    assert!(!t.hull(&["pull", "--authfile", named, &name]).success(), "nothing else is looked at");
    t.write("named.json", &right);
    let mut command = t.command(&["pull", &name]);
    hull_test_support::outcome::run(command.env("REGISTRY_AUTH_FILE", named)).ok();
}

#[test]
fn a_helper_keeps_what_the_file_does_not() {
    let Some(t) = Scenario::start() else { return };
    let authority = authority();
    let registry = registry(&authority);
    let name = format!("{}/x:1", registry.host);
    let kept = t.path("kept");
    let script = format!(
        "#!/bin/sh\nread input\necho \"$1 $input\" >> {log}\ncase $1 in\n\
         store) echo \"$input\" > {kept} ;;\n\
         get) [ -e {kept} ] && cat {kept} || {{ echo credentials not found in native keychain; exit 1; }} ;;\n\
         erase) rm {kept} ;;\nesac\n",
        kept = kept.display(),
        log = t.path("helper.log").display()
    );
    let helper = t.write("bin/docker-credential-test", script);
    std::fs::set_permissions(helper, PermissionsExt::from_mode(0o755)).unwrap();
    t.write("home/.docker/config.json", r#"{"credsStore":"test"}"#);
    let path = format!("{}:{}", t.path("bin").display(), std::env::var("PATH").unwrap());
    let hull = |args: &[&str], input: &[u8]| {
        let mut command = t.command(args);
        hull_test_support::outcome::run_with_input(command.env("PATH", &path), input)
    };
    assert!(hull(&["pull", &name], b"").fails(1).contains("who are you"));
    hull(&["login", "-u", "me", "--password-stdin", &registry.host], b"secret").ok();
    let file = std::fs::read_to_string(t.path("home/.docker/config.json")).unwrap();
    assert!(
        file.contains("credsStore") && file.contains(&registry.host) && !file.contains("identitytoken"),
        "{file}"
    );
    assert!(std::fs::read_to_string(&kept).unwrap().contains("<token>"));
    hull(&["pull", &name], b"").ok();
    hull(&["logout", &registry.host], b"").ok();
    assert!(!kept.exists());
    let broken = hull(&["pull", "--creds", "nothing", &name], b"");
    assert!(broken.fails(1).contains("--creds takes USER:PASSWORD"), "{broken}");
    t.write("home/.docker/config.json", r#"{"credsStore":"absent"}"#);
    assert!(hull(&["pull", &name], b"").fails(1).contains("docker-credential-absent"));
}

#[test]
fn a_registry_with_tls_leads_nobody_to_one_without() {
    if skip::find_program("openssl").is_none() {
        skip!("openssl is not installed");
    }
    let Some(t) = Scenario::start() else { return };
    network_up();
    let listener = Server::start(&format!("{ADDRESS}:5080"), |_| Reply::new(200, "{}"));
    let away = format!("HTTP/1.1 307 x\r\nLocation: http://{}/v2/x/manifests/1\r\n", listener.host);
    t.write("site/v2/x/manifests/1", format!("{away}Content-Length: 0\r\nConnection: close\r\n\r\n"));
    certificates(&t.path("site"), ADDRESS);
    std::fs::create_dir(t.path("trusted")).unwrap();
    std::fs::copy(t.path("site/ca.crt"), t.path("trusted/ca.crt")).unwrap();
    let host = format!("{ADDRESS}:5446");
    // With -HTTP, the server sends files as they are, including the headers in them: s_server(1).
    let mut server = std::process::Command::new("openssl");
    server.args([
        "s_server",
        "-quiet",
        "-HTTP",
        "-cert",
        "server.crt",
        "-key",
        "server.key",
        "-accept",
        &host,
    ]);
    let mut server = Running::start(server.current_dir(t.path("site")));
    eventually("it listens", || TcpStream::connect(&host).is_ok());
    let trusted = t.path("trusted");
    let pull = ["pull", "--creds", "me:secret", "--cert-dir", trusted.to_str().unwrap()];
    let refused = t.hull(&[&pull[..], &[&format!("{host}/x:1")]].concat());
    assert!(refused.fails(1).contains("it sends us from https to plain http"), "{refused}");
    assert!(listener.requests().is_empty(), "nobody was asked: {:?}", listener.requests());
    server.kill();
    server.wait();
}

#[test]
fn an_interrupted_password_leaves_the_terminal_as_it_was() {
    use rustix::termios::LocalModes;
    let Some(t) = Scenario::start() else { return };
    // The command begins when the terminal's modes are known.
    let login = t.command(&["login", "-u", "me", "127.0.0.1:9"]);
    let mut terminal = Terminal::start(&wrapped(&["sh", "-c", "read go && exec \"$@\"", "-"], &login));
    let before = terminal.modes();
    terminal.send("\n");
    assert!(before.contains(LocalModes::ECHO | LocalModes::ISIG));
    terminal.expect("Password: ");
    // Input before the prompt is discarded.
    eventually("a password is not shown", || !terminal.modes().contains(LocalModes::ECHO));
    terminal.send("secr\x03");
    terminal.expect("interrupted");
    eventually("the terminal is as it was", || terminal.modes() == before);
    assert!(!terminal.seen().contains("secr"), "{}", terminal.seen());
    assert_eq!(terminal.wait(), 1);
}
