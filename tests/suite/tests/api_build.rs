//! `POST /build`: docker's classic builder.

use std::io::Write;

use hull_test_support::http::{Api, Client, Response, encoded};
use hull_test_support::outcome::eventually;
use hull_test_support::server::{Reply, Server};
use hull_test_support::{Registry, Scenario};
use serde_json::{Value, json};

const TAR: (&str, &str) = ("Content-Type", "application/x-tar");

/// The tar of a context.
fn context(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(1234);
        archive.append_data(&mut header, name, content.as_bytes()).expect("a tar in memory");
    }
    archive.into_inner().expect("a tar in memory")
}

fn post(client: &mut Client, query: &str, files: &[(&str, &str)]) -> Response {
    client.send("POST", &format!("/build?{query}"), &[TAR], &context(files))
}

fn dockerfile(client: &mut Client, query: &str, text: &str) -> Response {
    post(client, query, &[("Dockerfile", text)])
}

/// The text that a terminal would show, with `ID` for each id.
fn shown(response: &Response) -> String {
    assert_eq!(response.status, 200, "{response}");
    let lines = response.lines();
    let text: String = lines.iter().filter_map(|line| line["stream"].as_str()).collect();
    let is_id = |word: &&str| word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').map(|word| if is_id(&word) { "ID" } else { word }).collect();
        words.join(" ") + "\n"
    };
    text.lines().map(line).collect()
}

fn error_of(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{response}");
    let last = response.lines().pop().expect("a line");
    assert_eq!(last["error"], last["errorDetail"]["message"], "{response}");
    last["errorDetail"].clone()
}

/// The id that the stream ends with.
fn built(response: &Response) -> String {
    let ids = response.lines();
    let mut ids = ids.iter().filter_map(|line| line["aux"]["ID"].as_str());
    ids.next_back().unwrap_or_else(|| panic!("no image: {response}")).to_owned()
}

fn compressed(scenario: &Scenario, bytes: &[u8], program: &str) -> Vec<u8> {
    let input = std::fs::File::open(scenario.write("plain", bytes)).expect("it was written");
    let output = std::process::Command::new(program).arg("-c").stdin(input).output();
    output.unwrap_or_else(|error| panic!("{program} is installed: {error}")).stdout
}

#[test]
fn a_build_is_told_in_the_words_of_the_classic_builder() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    let text = "ARG IMAGE=busybox\nFROM $IMAGE\nENV A=b\nRUN echo hello; echo wrong >&2\nCOPY f /g\nCMD [\"cat\", \"/g\"]\n";
    let files = [("Dockerfile", text), ("f", "content")];
    let first = post(client, "t=made:1&t=other", &files);
    let id = built(&first);
    let expected = "Step 1/6 : ARG IMAGE=busybox\nStep 2/6 : FROM $IMAGE\n ---> ID\nStep 3/6 : ENV A=b\n ---> ID\n\
        Step 4/6 : RUN echo hello; echo wrong >&2\n ---> Running in ID\nhello\n\u{1b}[91mwrong\n\u{1b}[0m \
        ---> Removed intermediate container ID\n ---> ID\nStep 5/6 : COPY f /g\n ---> ID\n\
        Step 6/6 : CMD [\"cat\", \"/g\"]\n ---> ID\nSuccessfully built ID\nSuccessfully tagged made:1\n\
        Successfully tagged other:latest\n";
    assert_eq!(shown(&first), expected);
    let short = &id["sha256:".len()..][..12];
    assert!(first.text().contains(&format!("Successfully built {short}\\n")), "{first}");
    assert_eq!(client.get("/images/made:1/json").ok(200)["Id"], json!(id));
    assert_eq!(scenario.ok(&["run", "--rm", "other"]), "content");

    let again = post(client, "rm=0", &files);
    assert_eq!(built(&again), id);
    assert_eq!(shown(&again).matches(" ---> Using cache\n").count(), 2, "{again}");
    let fresh = client.send("POST", "/v1.41/build?nocache=1", &[TAR], &context(&files));
    assert!(shown(&fresh).contains("Removing intermediate container ID\n"), "{fresh}");
    let kept = post(client, "nocache=1&rm=0", &files);
    assert!(!shown(&kept).contains("intermediate"), "{kept}");
    let quiet = format!("{}\n", built(&kept));
    assert_eq!(post(client, "q=1", &files).lines(), [json!({"stream": quiet})]);
    assert_eq!(scenario.ok(&["ps", "-aq"]), "");
    let base = client.get("/images/busybox/json").ok(200)["Id"].clone();
    let same = dockerfile(client, "t=same", "FROM busybox\n");
    assert_eq!(json!(built(&same)), base);
    assert_eq!(client.get("/images/same/json").ok(200)["Id"], base);
}

#[test]
fn a_step_that_fails_ends_the_stream_with_its_code() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    let failed = dockerfile(client, "", "FROM busybox\nRUN echo before; exit 3\n");
    let message = "The command '/bin/sh -c echo before; exit 3' returned a non-zero code: 3";
    assert_eq!(error_of(&failed), json!({"code": 3, "message": message}));
    let quiet = dockerfile(client, "q=1&forcerm=1", "FROM busybox\nRUN echo before; exit 3\n");
    assert_eq!(error_of(&quiet)["code"], json!(3));
    assert!(shown(&quiet).contains("before\n ---> Removed intermediate container ID\n"), "{quiet}");
    let missing = dockerfile(client, "", "FROM busybox\nCOPY nope /\n");
    let message = "COPY failed: file not found in build context or excluded by .dockerignore: stat nope: file does not exist";
    assert_eq!(error_of(&missing), json!({"message": message}));
    let image = dockerfile(client, "", "FROM 127.0.0.1:9/nope\n");
    assert!(shown(&image).starts_with("Step 1/1 : FROM 127.0.0.1:9/nope\n"), "{image}");
    error_of(&image);
}

#[test]
fn what_cannot_be_built_is_refused_before_the_stream() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    let good = "FROM busybox\nRUN true\n";
    let mut fails = |query: &str, text: &str, status| dockerfile(client, query, text).fails(status);
    assert_eq!(
        fails("", "FRM busybox\n", 400),
        "dockerfile parse error on line 1: unknown instruction: FRM (did you mean FROM?)"
    );
    assert_eq!(fails("dockerfile=nope", good, 500), "Cannot locate specified Dockerfile: nope");
    assert!(
        fails("dockerfile=../x", good, 400).starts_with("forbidden path outside the build context: ../x")
    );
    assert!(fails("t=UPPER", good, 400).contains("must be lowercase"));
    let digest = format!("t=a@sha256:{}", "0".repeat(64));
    assert_eq!(fails(&digest, good, 400), "build tag cannot contain a digest");
    assert!(fails("version=2", good, 400).contains("DOCKER_BUILDKIT=0"));
    assert_eq!(fails("version=3", good, 400), "invalid version \"3\"");
    assert_eq!(fails("squash=1", good, 400), "squash is only supported with experimental mode");
    assert_eq!(fails("isolation=hyperv", good, 400), "unsupported isolation: \"hyperv\"");
    assert_eq!(fails("securityopt=x", good, 400), "security options are not supported on linux");
    assert!(fails("target=nope", good, 400).contains("target stage \"nope\" could not be found"));
    assert!(fails("remote=/etc", good, 400).contains("could not be recognized as URL"));
    assert!(fails("platform=windows/amd64", good, 400).contains("platform"));
    for (query, what) in [
        ("buildargs=x", "error reading build args"),
        ("labels=x", "error reading labels"),
        ("cachefrom=x", "error reading cache-from"),
        ("ulimits=x", "error reading ulimit settings"),
        ("outputs=x", "error reading outputs"),
    ] {
        assert!(fails(query, good, 400).starts_with(what), "{query}");
    }
    for query in ["memory=x", "shmsize=x", "cpuperiod=x", "memory=-1", "extrahosts=x"] {
        fails(query, good, 400);
    }
    let outputs = encoded(r#"[{"Type":"local","Attrs":{"dest":"/"}}]"#);
    assert!(fails(&format!("outputs={outputs}"), good, 400).contains("needs BuildKit"));
    let empty = client.send("POST", "/build", &[TAR], b"");
    assert_eq!(empty.fails(500), "Cannot locate specified Dockerfile: Dockerfile");
    client.send("POST", "/build", &[TAR], b"FROM busybox\n").fails(500);
    client.post("/build/cancel").fails(400);
    client.post("/build/cancel?id=x").ok(200);
}

#[test]
fn parameters_reach_the_build() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    let text = "FROM busybox AS one\nARG V=none\nRUN echo v=$V; grep -c bla /etc/hosts; ulimit -n; df -k /dev/shm | tail -1 | \
        awk '{print \"shm=\" $2}'; ip link | grep -c lo:\nFROM one\nRUN echo second\n";
    let query = [
        ("buildargs", r#"{"V":"2","W":"3","N":null}"#),
        ("labels", r#"{"x":"y","a":"b c"}"#),
        ("ulimits", r#"[{"Name":"nofile","Soft":99,"Hard":100}]"#),
        ("extrahosts", "bla:1.2.3.4"),
        ("shmsize", "1048576"),
        ("networkmode", "none"),
        ("target", "one"),
        ("memory", "100000000"),
        ("memswap", "-1"),
        ("cpushares", "512"),
        ("cpuperiod", "100000"),
        ("cpuquota", "100000"),
        ("cpusetcpus", "0"),
        ("cachefrom", "[]"),
        ("outputs", "[]"),
        ("platform", "linux/amd64"),
        ("pull", "0"),
        ("dockerfile", "sub/Other"),
    ];
    let query: Vec<String> = query.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect();
    let made = post(client, &query.join("&"), &[("sub/Other", text)]);
    let output = shown(&made);
    assert!(output.contains("v=2\n1\n99\nshm=1024\n1\n"), "{output}");
    assert!(output.contains("Step 4/4 : LABEL a=b c x=y\n ---> ID\n"), "{output}");
    assert!(output.contains("[Warning] One or more build-args [W] were not consumed\n"), "{output}");
    assert!(!output.contains("second"), "{output}");
    let image = client.get(&format!("/images/{}/json", built(&made))).ok(200);
    assert_eq!(image["Config"]["Labels"], json!({"x": "y", "a": "b c"}));
}

#[test]
fn an_archive_may_be_compressed() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    let archive =
        context(&[("Dockerfile", "FROM busybox\nCOPY f /f\nRUN ls -ln /f | awk '{print $3}'\n"), ("f", "1")]);
    let mut ids = Vec::new();
    for program in ["cat", "gzip", "bzip2", "xz", "zstd"] {
        let bytes = match program {
            "cat" => archive.clone(),
            program => compressed(&scenario, &archive, program),
        };
        let made = client.send("POST", "/build", &[TAR], &bytes);
        ids.push(built(&made));
        // Everything in the context is root's.
        assert!(program != "cat" || shown(&made).contains("\n0\n"), "{made}");
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn the_dockerfile_may_be_ignored() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    let text = "FROM busybox\nCOPY . /all\nRUN ls -A /all\n";
    let files = [
        ("Dockerfile", text),
        (".dockerignore", "Dockerfile\n.dockerignore\nother\n"),
        ("other", ""),
        ("f", ""),
    ];
    let made = shown(&post(client, "", &files));
    assert!(made.contains("ID\nf\nother\n ---> Removed"), "{made}");
}

#[test]
fn a_context_may_be_on_another_server() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    let archive = context(&[("Dockerfile", "FROM busybox\nCOPY f /\n"), ("f", "1")]);
    let server = Server::start("10.99.0.1:0", move |request| match request.path.as_str() {
        "/context.tar" => Reply::new(200, archive.clone()),
        "/Dockerfile" => Reply::new(200, "FROM busybox\nENV A=b\n"),
        "/add" => Reply::new(200, "FROM busybox\nADD http://10.99.0.1:8099/away /x\n"),
        _ => Reply::new(404, "none"),
    });
    let secret = Server::start("127.0.0.1:0", |_| Reply::new(200, "FROM busybox\n"));
    let to = format!("http://{}/secret", secret.host);
    let _away = Server::start("10.99.0.1:8099", move |_| Reply::new(302, "").header("location", to.clone()));
    let api = Api::start(&scenario);
    let client = &mut api.client();
    let mut remote = |url: &str| client.post(&format!("/build?remote={}", encoded(url)));
    built(&remote(&format!("http://{}/context.tar", server.host)));
    built(&remote(&format!("http://{}/Dockerfile", server.host)));
    let missing = remote(&format!("http://{}/nope", server.host));
    missing.fails(404);
    // Neither the context nor ADD leads to what only this machine reaches.
    let refused = "a redirect to this machine or its link is not followed";
    let context = remote("http://10.99.0.1:8099/x");
    assert!(context.text().contains(refused), "{context}");
    let add = remote(&format!("http://{}/add", server.host));
    assert!(error_of(&add)["message"].as_str().unwrap().contains(refused), "{add}");
    let import = client.post(&format!("/images/create?fromSrc={}", encoded("http://10.99.0.1:8099/x")));
    assert!(import.text().contains(refused), "{import}");
    assert!(secret.requests().is_empty());
}

#[test]
fn a_base_image_is_pulled_with_the_clients_credentials() {
    use base64::Engine as _;
    use hull_test_support::registry::{Kind, USER};
    let Some(scenario) = Scenario::with_busybox() else { return };
    let Some(registry) = Registry::start(&scenario, Kind::Locked, "127.0.0.1", 5001) else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    let name = registry.name("base");
    scenario.ok(&["tag", "busybox", &name]);
    scenario.ok(&["push", "--creds", &format!("{}:{}", USER.0, USER.1), &name]);
    scenario.ok(&["rmi", &name]);
    let text = format!("FROM {name}\nENV A=b\n");
    let refused = dockerfile(client, "", &text);
    assert!(shown(&refused).starts_with("Step 1/2 : FROM"), "{refused}");
    error_of(&refused);
    let auth = json!({registry.host.clone(): {"username": USER.0, "password": USER.1}, "other:1": {}});
    let auth = base64::engine::general_purpose::URL_SAFE.encode(auth.to_string());
    let made = client.send(
        "POST",
        "/build",
        &[TAR, ("X-Registry-Config", &auth)],
        &context(&[("Dockerfile", &text)]),
    );
    built(&made);
}

#[test]
fn a_build_ends_with_its_client() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    let api = Api::start(&scenario);
    let files = context(&[("Dockerfile", "FROM busybox\nRUN echo begun; exec sleep 987\n")]);
    let mut opened = api.client().open("POST", "/build", &[TAR], &files);
    while !opened.line().expect("the step begins").contains(r#"{"stream":"begun\n"}"#) {}
    let is_running = || {
        let ps = std::process::Command::new("pgrep")
            .args(["-fx", "sleep 987"])
            .output()
            .expect("pgrep is installed");
        !ps.stdout.is_empty()
    };
    assert!(is_running());
    drop(opened);
    eventually("the step is killed", || !is_running());
    // In the middle of the upload.
    let mut stream = std::os::unix::net::UnixStream::connect(api.socket()).expect("it listens");
    let head = format!("POST /build HTTP/1.1\r\nHost: d\r\nContent-Length: {}\r\n\r\n", files.len() + 1000);
    stream.write_all(head.as_bytes()).expect("it reads");
    stream.write_all(&files).expect("it reads");
    drop(stream);
    let contexts = scenario.data_root().join("build/contexts");
    eventually("nothing is left of the contexts", || {
        std::fs::read_dir(&contexts).is_ok_and(|entries| entries.count() == 0)
    });
    let next = dockerfile(&mut api.client(), "", "FROM busybox\nRUN true\n");
    built(&next);
}

#[test]
fn nonsense_is_refused_and_leaves_nothing() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    let mut outside = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_old();
    header.as_old_mut().name[..9].copy_from_slice(b"../../bad");
    header.set_size(1);
    header.set_mode(0o644);
    header.set_cksum();
    outside.append(&header, &b"x"[..]).expect("a tar in memory");
    let outside = outside.into_inner().expect("a tar in memory");
    client.send("POST", "/build", &[TAR], &outside);
    assert!(!scenario.data_root().join("build/bad").exists() && !scenario.data_root().join("bad").exists());
    let good = context(&[("Dockerfile", "FROM busybox\n"), ("f", &"x".repeat(10_000))]);
    for bytes in [&good[..700], &good[..good.len() / 2], &[0; 512], &[0xff; 100_000]] {
        let answer = client.send("POST", "/build", &[TAR], bytes);
        assert!((400..=500).contains(&answer.status), "{answer}");
    }
    let bomb = compressed(&scenario, &vec![0; 64 << 20], "gzip");
    let answer = client.send("POST", "/build", &[TAR], &bomb);
    assert!((400..=500).contains(&answer.status), "{answer}");
    let link = {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive.append_link(&mut header, "Dockerfile", "/etc/passwd").expect("a tar in memory");
        archive.into_inner().expect("a tar in memory")
    };
    let answer = client.send("POST", "/build", &[TAR], &link);
    assert!(!answer.text().contains("root:"), "{answer}");
    let contexts = scenario.data_root().join("build/contexts");
    eventually("nothing is left of the contexts", || {
        std::fs::read_dir(&contexts).is_ok_and(|entries| entries.count() == 0)
    });
}

#[test]
fn the_cache_is_pruned() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    let api = Api::start(&scenario);
    let client = &mut api.client();
    assert_eq!(client.post("/build/prune").ok(200), json!({"CachesDeleted": null, "SpaceReclaimed": 0}));
    let made = dockerfile(client, "", "FROM busybox\nRUN echo 12345 > /f\n");
    client.delete(&format!("/images/{}", built(&made))).ok(200);
    let kept = client.post("/build/prune?keep-storage=1000000000").ok(200);
    assert_eq!(kept["CachesDeleted"], Value::Null);
    let pruned = client.post("/build/prune?all=1").ok(200);
    assert_eq!(pruned["CachesDeleted"].as_array().map(Vec::len), Some(1), "{pruned}");
    assert!(pruned["SpaceReclaimed"].as_u64() >= Some(6), "{pruned}");
    client.post("/build/prune?filters=%7B%22x%22:%5B%221%22%5D%7D").fails(400);
    client.post("/build/prune?keep-storage=x").fails(400);
}

#[test]
fn two_builds_at_a_time_on_one_server_do_not_wait() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    let api = Api::start(&scenario);
    let slow = context(&[("Dockerfile", "FROM busybox\nRUN echo begun; exec sleep 986\n")]);
    let mut opened = api.client().open("POST", "/build", &[TAR], &slow);
    while !opened.line().expect("the step begins").contains(r#"{"stream":"begun\n"}"#) {}
    let made = dockerfile(&mut api.client(), "", "FROM busybox\nRUN echo quick\n");
    built(&made);
    assert_eq!(api.client().get("/_ping").status, 200);
    drop(opened);
}
