//! The engine is asked for what Docker Compose asks it for: the records in the suite's `compose_requests/` have the bodies of
//! its requests, and each is compared with ours, key by key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hull_build::request::{CacheLocation, ContextSource, FileSource, Request, Secret};
use hull_compose::convert::{self, Around, Peer, Role, Wanted};
use hull_composefile::load::{LoadOptions, load};
use hull_composefile::model::Project;
use hull_docker::wire::container::CreateRequest;
use hull_docker::wire::{network, volume};
use serde_json::{Value, json};

/// Where the projects were when Compose read them.
const PLACE: &str = "/srv";

/// What is not Compose's, and why.
const DIFFERS: [(&str, &str); 2] = [
    (
        "mounts/containers/mounts-from-1/HostConfig/VolumesFrom",
        "Compose forgets the mode, which the specification has",
    ),
    (
        "process/containers/process-label-list-1/Labels/com.docker.compose.config-hash",
        "the path of label_file is in it",
    ),
];

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../tests/suite/tests/compose_requests")
        .canonicalize()
        .unwrap()
}

fn project(name: &str) -> Project {
    let variable = ("FROM_PROJECT".to_owned(), "value of the project".to_owned());
    let options = LoadOptions {
        files: vec![format!("{name}.yaml")],
        current_directory: cases(),
        environment: [variable].into(),
        ..LoadOptions::default()
    };
    load(&options).result.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The id that the recording server gave a container.
fn id(name: &str) -> String {
    let hex: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex:0<64.64}")
}

const IMAGE: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// All requests of a project, in the form of the records.
fn requests(project: &Project) -> Value {
    let peers = |service: &str| {
        let service = &project.services[service];
        let names =
            (1..=service.scale() as u32).map(|number| convert::container_name(project, service, number));
        names.map(|name| Peer { id: id(&name), name }).collect()
    };
    let proxies = BTreeMap::new();
    let around = Around { project, env_files: &[], proxies: &proxies, peers: &peers };
    let (mut containers, mut files) = (BTreeMap::new(), BTreeMap::new());
    for service in project.services.values() {
        for number in 1..=service.scale() as u32 {
            let name = convert::container_name(project, service, number);
            let wanted = Wanted {
                name: name.clone(),
                role: Role::Number(number),
                image: Some(IMAGE),
                ..Wanted::default()
            };
            let made = convert::create_request(&around, service, &wanted)
                .unwrap_or_else(|error| panic!("{}: {error}", service.name));
            let mut body = serde_json::to_value(&made.request).unwrap();
            if let Some(platform) = made.platform {
                body["platform"] = json!(platform);
            }
            let copies: Vec<Value> = convert::copies(project, service)
                .unwrap()
                .into_iter()
                .map(|copy| {
                    let mode = format!("{:o}", copy.mode);
                    json!({"path": copy.path, "mode": mode, "uid": copy.uid, "gid": copy.gid, "text": copy.content})
                })
                .collect();
            if !copies.is_empty() {
                files.insert(name.clone(), copies);
            }
            containers.insert(name, body);
        }
    }
    let networks: BTreeMap<_, _> = project
        .networks
        .iter()
        .filter(|(_, network)| !network.external)
        .map(|(key, network)| (&network.name, convert::network_request(project, key, network)))
        .collect();
    let volumes: BTreeMap<_, _> = project
        .volumes
        .iter()
        .filter(|(_, volume)| !volume.external)
        .map(|(key, volume)| (&volume.name, convert::volume_request(project, key, volume)))
        .collect();
    json!({"networks": networks, "volumes": volumes, "containers": containers, "files": files})
}

#[test]
fn requests_are_those_of_compose() {
    let mut differences = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(cases()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "builds" {
            continue;
        }
        let recorded: Value =
            serde_json::from_str(&std::fs::read_to_string(path.with_extension("json")).unwrap()).unwrap();
        let ours = requests(&project(&name)).to_string().replace(cases().to_str().unwrap(), PLACE);
        let ours = settled(serde_json::from_str(&ours).unwrap());
        let theirs = settled(recorded);
        count += theirs["containers"].as_object().unwrap().len();
        compare(&name, &theirs, &ours, &mut differences);
    }
    assert!(count > 60, "only {count} containers are recorded");
    differences.retain(|(path, _)| !DIFFERS.iter().any(|(known, _)| known == path));
    let text: Vec<String> = differences.into_iter().map(|(path, what)| format!("{path}: {what}\n")).collect();
    assert!(text.is_empty(), "\n{}", text.concat());
}

/// A record's values as the wire types have them, which is also how ours are written, without the accidental order of lists.
fn settled(mut record: Value) -> Value {
    for (name, body) in record["containers"].as_object_mut().unwrap() {
        without_path_in_hash(body);
        let platform = body.get("platform").cloned();
        let request = CreateRequest::from_slice(body.to_string().as_bytes()).unwrap();
        let mut known = serde_json::to_value(&request).unwrap();
        unknown(name, body, &known);
        if let Some(platform) = platform {
            known["platform"] = platform;
        }
        *body = known;
        for pointer in [
            "/Env",
            "/HostConfig/Binds",
            "/HostConfig/Mounts",
            "/HostConfig/Ulimits",
            "/HostConfig/ExtraHosts",
        ] {
            if let Some(Value::Array(list)) = body.pointer_mut(pointer) {
                list.sort_by_key(Value::to_string);
            }
        }
    }
    for (_, body) in record["networks"].as_object_mut().into_iter().flatten() {
        *body = serde_json::to_value(serde_json::from_value::<network::CreateRequest>(body.take()).unwrap())
            .unwrap();
    }
    for (_, body) in record["volumes"].as_object_mut().into_iter().flatten() {
        *body = serde_json::to_value(serde_json::from_value::<volume::CreateRequest>(body.take()).unwrap())
            .unwrap();
    }
    for (_, files) in record["files"].as_object_mut().into_iter().flatten() {
        let Value::Array(files) = files else { continue };
        for file in files.iter_mut() {
            file.as_object_mut().unwrap().remove("query");
            // The archive is unpacked at /.
            let path = file["path"].as_str().unwrap();
            file["path"] = json!(format!("/{}", path.trim_start_matches('/')));
            for key in ["uid", "gid"] {
                if file.get(key).is_none() {
                    file[key] = json!(0);
                }
            }
        }
        files.sort_by_key(Value::to_string);
    }
    prune(&mut record);
    record
}

/// A service with a path of the project has another hash in another place.
fn without_path_in_hash(body: &mut Value) {
    let labels = body["Labels"].take();
    let has_path = body.to_string().contains(PLACE);
    body["Labels"] = labels;
    if has_path {
        body["Labels"].as_object_mut().unwrap().remove("com.docker.compose.config-hash");
    }
}

/// Fails if the record has a key that the wire types do not have.
fn unknown(path: &str, body: &Value, known: &Value) {
    match (body, known) {
        (Value::Object(body), Value::Object(known)) => {
            for (key, value) in body {
                match known.get(key) {
                    Some(known) => unknown(&format!("{path}.{key}"), value, known),
                    None => assert!(key == "platform", "{path}.{key} is no key of the request: {value}"),
                }
            }
        }
        (Value::Array(body), Value::Array(known)) => {
            body.iter().zip(known).for_each(|(body, known)| unknown(path, body, known));
        }
        _ => {}
    }
}

#[test]
fn builds_are_those_of_compose() {
    let project = project("builds");
    let text = std::fs::read_to_string(cases().join("builds.json")).unwrap();
    let recorded: Value = serde_json::from_str(&text).unwrap();
    let agent = Some("/agent".into());
    let options = convert::BuildOptions { ssh_agent: agent, ..Default::default() };
    let mut targets = serde_json::Map::new();
    for service in project.services.values() {
        let request = convert::build_request(&project, service, &options).unwrap().unwrap();
        targets.insert(service.name.clone(), bake(&project, request));
    }
    let ours = json!(targets).to_string().replace(cases().to_str().unwrap(), PLACE);
    let ours: Value = serde_json::from_str(&ours).unwrap();
    let mut theirs = recorded["target"].clone();
    for target in theirs.as_object_mut().unwrap().values_mut() {
        settle_target(target);
    }
    let mut differences = Vec::new();
    compare("builds", &theirs, &ours, &mut differences);
    assert!(differences.is_empty(), "{differences:#?}");
    let order = convert::build_order(&project, &["everything", "git"]).unwrap();
    assert_eq!(order, ["short", "everything", "git"]);
}

/// bake spells some things as the builder does not.
fn settle_target(target: &mut Value) {
    let list = |value: &mut Value| value.as_array_mut().unwrap().sort_by_key(Value::to_string);
    list(&mut target["tags"]);
    if let Some(value) = target.pointer_mut("/contexts/other") {
        *value = json!("docker-image://builds-short");
    }
    if let Some(Value::String(text)) = target.get_mut("dockerfile-inline") {
        *text = text.replace("$${", "${");
    }
    for (from, to) in [("cache-from/0", "type=registry,ref=registry.test/cache")] {
        if let Some(value) = target.pointer_mut(&format!("/{from}")) {
            *value = json!(to);
        }
    }
    // What this record has is kept in the engine's store.
    target.as_object_mut().unwrap().remove("output");
}

/// A request as bake writes it.
fn bake(project: &Project, request: Request) -> Value {
    let context = |source: &ContextSource| match source {
        ContextSource::Directory(path) => path.display().to_string(),
        ContextSource::Image(name) => format!("docker-image://{name}"),
        ContextSource::Git(url) | ContextSource::Url(url) => url.clone(),
        other => panic!("{other:?}"),
    };
    let secret = |(id, secret): (&String, &Secret)| match secret {
        Secret::File(path) => format!("id={id},type=file,src={}", path.display()),
        Secret::Value(value) => {
            assert_eq!(value, project.environment["FROM_PROJECT"].as_bytes());
            format!("id={id},type=env,env=FROM_PROJECT")
        }
    };
    let cache = |at: &CacheLocation| {
        let pairs = at.attributes.iter().map(|(key, value)| format!("{key}={value}"));
        let mut pairs: Vec<String> = pairs.collect();
        pairs.sort_by_key(|pair| !(pair.starts_with("src") || pair.starts_with("dest")));
        format!("type={},{}", at.kind, pairs.join(","))
    };
    let limit = |one: &hull_docker::wire::host_config::Ulimit| match one.soft == one.hard {
        true => format!("{}={}", one.name, one.soft),
        false => format!("{}={}:{}", one.name, one.soft, one.hard),
    };
    let mut tags: Vec<String> = request.tags.iter().map(|tag| tag.familiar().to_string()).collect();
    tags.iter_mut().for_each(|tag| *tag = tag.strip_suffix(":latest").unwrap_or(tag).to_owned());
    tags.sort_unstable();
    let (file, inline) = match &request.file {
        Some(FileSource::Path(path)) => (path.display().to_string(), String::new()),
        Some(FileSource::Inline(text)) => (String::new(), text.clone()),
        other => panic!("{other:?}"),
    };
    let hosts: BTreeMap<_, _> = request.run.add_hosts.iter().filter_map(|one| one.split_once(':')).collect();
    let mut target = json!({
        "context": context(&request.context),
        "contexts": request.contexts.iter().map(|(name, one)| (name, context(one))).collect::<BTreeMap<_, _>>(),
        "dockerfile": file,
        "dockerfile-inline": inline,
        "args": request.args,
        "labels": request.labels,
        "tags": tags,
        "cache-from": request.cache_from.iter().map(cache).collect::<Vec<_>>(),
        "cache-to": request.cache_to.iter().map(cache).collect::<Vec<_>>(),
        "target": request.target,
        "secret": request.secrets.iter().map(secret).collect::<Vec<_>>(),
        "ssh": request.ssh.iter().map(|(id, paths)| format!("{id}={}", paths[0].display())).collect::<Vec<_>>(),
        "platforms": request.platforms.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "pull": request.pull,
        "no-cache": request.no_cache,
        "network": request.run.network,
        "shm-size": request.run.shm_size.map(|size| size.to_string()),
        "ulimits": request.run.ulimits.iter().map(limit).collect::<Vec<_>>(),
        "entitlements": request.allow,
        "extra-hosts": hosts,
    });
    let says_nothing =
        |value: &Value| [json!(null), json!(false), json!(""), json!([]), json!({})].contains(value);
    target.as_object_mut().unwrap().retain(|_, value| !says_nothing(value));
    target
}

fn prune(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            entries.values_mut().for_each(prune);
            let says_nothing =
                |value: &Value| [json!(null), json!(false), json!(""), json!(0), json!({})].contains(value);
            entries.retain(|key, value| key.contains(['.', '/']) || !says_nothing(value));
        }
        Value::Array(values) => values.iter_mut().for_each(prune),
        _ => {}
    }
}

fn compare(path: &str, theirs: &Value, ours: &Value, differences: &mut Vec<(String, String)>) {
    match (theirs, ours) {
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys().filter(|key| !one.contains_key(*key))) {
                let (theirs, ours) =
                    (one.get(key).unwrap_or(&Value::Null), other.get(key).unwrap_or(&Value::Null));
                compare(&format!("{path}/{key}"), theirs, ours, differences);
            }
        }
        _ if theirs == ours => {}
        _ => differences.push((path.to_owned(), format!("Compose has {theirs}, we have {ours}"))),
    }
}
