//! The same images, networks, volumes and containers, made with any engine that has docker's command line, and the JSON that
//! the engine then prints about them.

use hull_test_support::{Outcome, fixtures};
use serde_json::{Map, Value};

/// An engine with docker's command line.
pub struct Engine<'a> {
    pub run: &'a dyn Fn(&[&str]) -> Outcome,
    /// The directory of its files. Its path is replaced in the engine's output.
    pub directory: String,
}

/// The containers, each with the words of `create`. `BASE` stands for the engine's directory.
const CONTAINERS: [(&str, &str); 16] = [
    ("plain", "base"),
    (
        "flags",
        "-it --hostname h --domainname d --user 1:2 -w /x -e K=v --label l=m --annotation a=b --stop-signal SIGUSR1 \
         --stop-timeout 5 --entrypoint sleep --rm --init base 100",
    ),
    (
        "limits",
        "-m 64m --memory-swap 128m --memory-reservation 32m --cpus 1.5 --cpuset-cpus 0 --pids-limit 50 --ulimit \
         nofile=10:20 --oom-score-adj 100 --shm-size 8m --sysctl net.ipv4.ip_forward=1 --device /dev/null:/dev/other:r \
         --device-cgroup-rule c_1:3_r base",
    ),
    ("shares", "-m 100m --cpu-shares 512 --cpu-period 10000 --cpu-quota 5000 --memory-swappiness 10 base"),
    ("largest", "-m 8191p base"),
    (
        "mounts",
        "-v BASE/src:/a:ro -v data:/b -v data:/c:ro -v /anonymous --tmpfs /t:size=1m --mount \
         type=bind,src=BASE/src,dst=/d,readonly,bind-propagation=rslave --mount \
         type=volume,src=data,dst=/e,volume-nocopy --mount type=tmpfs,dst=/f,tmpfs-size=1m,tmpfs-mode=0700 base",
    ),
    (
        "security",
        "--cap-add NET_ADMIN --cap-drop CHOWN --security-opt no-new-privileges --security-opt seccomp=unconfined \
         --read-only --group-add 5 base",
    ),
    ("privileged", "--privileged --pid host --ipc host --uts host --cgroupns host base"),
    ("ports", "-p 8080:80 -p 127.0.0.1:5353:53/udp -p 90 --expose 100 -P full"),
    (
        "net",
        "--network red --ip 10.77.0.9 --network-alias other --dns 1.1.1.1 --dns-search s --dns-option ndots:2 --add-host \
         there:1.2.3.4 base sleep 1000",
    ),
    ("host", "--network host base"),
    ("none", "--network none base"),
    ("policy", "--restart on-failure:3 --log-driver none base"),
    ("logs", "--restart unless-stopped --log-opt max-size=1m --log-opt max-file=3 base"),
    ("running", "-v data:/b base sleep 1000"),
    ("linked", "--link running:alias base sleep 1000"),
];

/// Makes everything, and returns the engine's JSON about it.
pub fn describe(engine: &Engine<'_>) -> Value {
    let ok = |words: &[&str]| (engine.run)(words).ok().trim().to_owned();
    let tar = fixtures::busybox();
    let tar = tar.to_str().expect("a plain path");
    std::fs::create_dir_all(format!("{}/src", engine.directory)).expect("the directory is the test's own");
    ok(&["import", "-c", "CMD [\"sh\"]", "-c", "ENV A=b", tar, "base"]);
    let full = ["CMD [\"sleep\",\"100\"]", "ENTRYPOINT [\"/bin/busybox\"]", "EXPOSE 80 53/udp", "LABEL x=y"];
    let full = full.into_iter().chain(["ENV A=b", "VOLUME /data", "WORKDIR /w", "USER 1000:1000"]);
    let changes: Vec<&str> = full.flat_map(|change| ["-c", change]).collect();
    ok(&[&["import"], &changes[..], &[tar, "full"]].concat());
    ok(&["network", "create", "--subnet", "10.77.0.0/24", "--gateway", "10.77.0.1", "--label", "n=1", "red"]);
    ok(&["network", "create", "--subnet", "10.78.0.0/24", "--internal", "blue"]);
    ok(&["volume", "create", "--label", "v=1", "data"]);
    for (name, words) in CONTAINERS {
        let words = words.replace("BASE", &engine.directory);
        // Underscores stand for blanks inside a word.
        let words: Vec<String> = words.split(' ').map(|word| word.replace("c_1:3_r", "c 1:3 r")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        ok(&[&["create", "--name", name], &words[..]].concat());
    }
    ok(&["create", "--name", "joined", "--network", "container:running", "base"]);
    ok(&["create", "--name", "ended", "base", "true"]);
    for name in ["running", "linked", "net"] {
        ok(&["start", name]);
    }
    ok(&["start", "-a", "ended"]);
    let described = read(engine);
    let names = CONTAINERS.map(|(name, _)| name);
    // A link is removed before its target.
    ok(&["rm", "-f", "linked"]);
    let names: Vec<&str> = names.into_iter().filter(|name| *name != "linked").collect();
    ok(&[&["rm", "-f", "-v", "joined", "ended"], &names[..]].concat());
    ok(&["network", "rm", "red", "blue"]);
    described
}

fn read(engine: &Engine<'_>) -> Value {
    let json = |words: &[&str]| -> Value {
        let text = (engine.run)(words).ok().to_owned();
        let mut value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        normalize(&mut value, &engine.directory);
        value
    };
    let each = |verb: &[&str], names: &[&str]| -> Value {
        let one = |name: &&str| ((*name).to_owned(), json(&[verb, &["inspect", name]].concat())[0].take());
        names.iter().map(one).collect::<Map<_, _>>().into()
    };
    let mut names = CONTAINERS.map(|(name, _)| name).to_vec();
    names.extend(["joined", "ended"]);
    let mut all = Map::new();
    all.insert("container".into(), each(&["container"], &names));
    all.insert("image".into(), each(&["image"], &["base", "full"]));
    all.insert("network".into(), each(&["network"], &["red", "blue", "bridge", "host", "none"]));
    all.insert("volume".into(), each(&["volume"], &["data"]));
    all.insert("info".into(), json(&["info", "--format", "json"]));
    all.insert("version".into(), json(&["version", "--format", "json"]));
    let row = |words: &[&str]| {
        let text = (engine.run)(&[words, &["--format", "json"]].concat()).ok().to_owned();
        let first = text.lines().find(|line| line.starts_with('{')).expect("there is a row").to_owned();
        let mut value: Value = serde_json::from_str(&first).expect("rows are JSON");
        normalize(&mut value, &engine.directory);
        value
    };
    let ps = ["ps", "-a", "--no-trunc", "--filter", "name=^running$"];
    all.insert("row of ps".into(), row(&ps));
    all.insert("row of images".into(), row(&["images", "--no-trunc", "base"]));
    all.insert("row of history".into(), row(&["history", "--no-trunc", "base"]));
    all.insert("row of network ls".into(), row(&["network", "ls", "--filter", "name=red"]));
    all.insert("row of volume ls".into(), row(&["volume", "ls", "--filter", "name=^data$"]));
    all.insert("row of system df".into(), row(&["system", "df"]));
    all.into()
}

/// Lists in which the order has a meaning.
const ORDERED: [&str; 3] = ["Args", "Cmd", "Entrypoint"];

/// Replaces values that differ from run to run, and sorts the lists in which the order has no meaning.
fn normalize(value: &mut Value, directory: &str) {
    match value {
        Value::String(text) => *text = steady(text, directory),
        Value::Array(items) => {
            items.iter_mut().for_each(|item| normalize(item, directory));
            items.sort_by_cached_key(sort_key);
        }
        Value::Object(map) => {
            let entries = std::mem::take(map).into_iter().map(|(key, mut value)| {
                let ordered = ORDERED.contains(&key.as_str()).then(|| value.clone());
                normalize(&mut value, directory);
                replace_what_passes(&key, &mut value);
                // The containers of a network are listed by their ids, and all ids are replaced by the same word.
                let name = value.get("EndpointID").and(value.get("Name")).and_then(Value::as_str);
                let key = name.map_or_else(|| steady(&key, directory), str::to_owned);
                (key, ordered.unwrap_or(value))
            });
            *map = entries.collect();
        }
        _ => {}
    }
}

/// Process ids and times.
fn replace_what_passes(key: &str, value: &mut Value) {
    match (key, &*value) {
        ("Pid", Value::Number(pid)) if pid.as_u64() != Some(0) => *value = 1.into(),
        ("CreatedSince" | "RunningFor" | "CreatedAt", Value::String(_)) => *value = "WHEN".into(),
        ("Status", Value::String(status)) if status.starts_with("Up ") => *value = "Up".into(),
        _ => {}
    }
}

/// Mounts are sorted by their target in the container, and everything else by its text.
fn sort_key(value: &Value) -> String {
    let place = value.get("Destination").or(value.get("Target"));
    place.map_or_else(|| value.to_string(), Value::to_string)
}

fn steady(text: &str, directory: &str) -> String {
    let text = text.replace(directory, "BASE");
    let ids = replace_words(&text, |c| c.is_ascii_alphanumeric(), id).replace("sha256:ID", "DIGEST");
    replace_words(&ids, |c| c.is_ascii_alphanumeric() || ":.+-".contains(c), address_or_time)
}

fn replace_words(
    text: &str,
    is_part_of_word: impl Fn(char) -> bool,
    placeholder: fn(&str) -> Option<&'static str>,
) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_part_of_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        replaced.push_str(placeholder(word).unwrap_or(word));
        let mut chars = after.chars();
        replaced.extend(chars.next());
        rest = chars.as_str();
    }
    replaced
}

fn id(word: &str) -> Option<&'static str> {
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    match word.len() {
        64 if is_hex => Some("ID"),
        12 if is_hex => Some("SHORT-ID"),
        _ => None,
    }
}

fn address_or_time(word: &str) -> Option<&'static str> {
    if word.len() == 17 && word.split(':').count() == 6 {
        return Some("MAC");
    }
    if word.len() >= 20 && word.starts_with("20") && word.ends_with('Z') {
        return Some("TIME");
    }
    (word.starts_with("172.") && word.split('.').count() == 4).then_some("ADDRESS")
}
