//! What varies from run to run and from machine to machine.

use serde_json::Value;

/// The names of values that were captured, and of places.
#[derive(Debug, Clone, Default)]
pub struct Names {
    known: Vec<(String, String)>,
}

impl Names {
    pub fn set(&mut self, name: &str, value: &str) {
        self.known.retain(|(known, _)| known != name);
        self.known.push((name.to_owned(), value.to_owned()));
    }

    /// Puts values into a request: `{NAME}`, and `{NAME:12}` for its first characters.
    pub fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.known {
            filled = filled.replace(&format!("{{{name}}}"), value);
            let beginning = format!("{{{name}:");
            while let Some(at) = filled.find(&beginning) {
                let rest = &filled[at + beginning.len()..];
                let (count, _) = rest.split_once('}').expect("a brace is closed");
                let length = beginning.len() + count.len() + 1;
                let count = count.parse::<usize>().expect("a number of characters");
                let part: String = value.trim_start_matches("sha256:").chars().take(count).collect();
                filled.replace_range(at..at + length, &part);
            }
        }
        filled
    }

    /// Replaces what varies in a text.
    pub fn replace(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.known {
            if name == "now" || value.is_empty() {
                continue;
            }
            text = text.replace(value.as_str(), &format!("{{{name}}}"));
            let bare = value.trim_start_matches("sha256:");
            if bare.len() == 64 {
                text = text.replace(bare, &format!("{{{name}}}"));
                text = text.replace(&bare[..12], &format!("{{{name}:12}}"));
            }
        }
        let is_part_of_word = |c: char| c.is_ascii_alphanumeric() || ".:-+".contains(c);
        let mut replaced = String::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let end = rest.find(|c| !is_part_of_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let bare = word.trim_end_matches([':', '.']);
            replaced.push_str(&placeholder(bare));
            replaced.push_str(&word[bare.len()..]);
            let mut characters = after.chars();
            replaced.extend(characters.next());
            rest = characters.as_str();
        }
        replaced
    }
}

/// The ids of entries of a build cache.
fn is_cache_id(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_digit())
}

fn placeholder(word: &str) -> String {
    if let Some((kind, rest)) = word.split_once(':')
        && kind == "sha256"
    {
        return format!("sha256:{}", placeholder(rest));
    }
    if word.starts_with("docker-import-") || word.starts_with("docker-builder") {
        return word.trim_end_matches(|digit: char| digit.is_ascii_digit()).to_owned() + "<number>";
    }
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let known = match word.len() {
        64 if is_hex => Some("<id>"),
        12 if is_hex => Some("<short id>"),
        25 if is_cache_id(word) => Some("<cache id>"),
        17 if word.split(':').count() == 6 => Some("<mac>"),
        // No container has the times at which the test images were made.
        20.. if word.starts_with("202") && word.as_bytes()[10] == b'T' && !word.starts_with("2020-01-01") => {
            Some(if word.ends_with('Z') { "<time>" } else { "<local time>" })
        }
        _ => None,
    };
    if let Some(known) = known {
        return known.to_owned();
    }
    let private = word.strip_prefix("172.").is_some_and(|rest| {
        let octet = rest.split('.').next().and_then(|octet| octet.parse::<u8>().ok());
        octet.is_some_and(|octet| (16..32).contains(&octet)) && rest.split('.').count() == 3
    });
    if private { "<address>".into() } else { word.to_owned() }
}

/// Keys of numbers that vary, anywhere.
const NUMBERS: [&str; 16] = [
    "Pid",
    "Created",
    "time",
    "timeNano",
    "SizeRw",
    "SizeRootFs",
    "VirtualSize",
    "SharedSize",
    "Size",
    "LayersSize",
    "CreatedAt",
    "mtime",
    "size",
    "StartedAt",
    "FinishedAt",
    "SpaceReclaimed",
];

/// Endpoints and keys with values of the machine or of the program. `*` is any text.
#[rustfmt::skip]
const OF_MACHINE: &[(&str, &str)] = &[
    ("GET /info", ".ID"), ("GET /info", ".NCPU"), ("GET /info", ".MemTotal"), ("GET /info", ".NFd"),
    ("GET /info", ".NGoroutines"), ("GET /info", ".NEventsListener"), ("GET /info", ".KernelVersion"),
    ("GET /info", ".OperatingSystem"), ("GET /info", ".OSVersion"), ("GET /info", ".Name"), ("GET /info", ".SystemTime"),
    ("GET /info", ".ServerVersion"), ("GET /info", ".Architecture"), ("GET /info", ".*Commit.*"),
    ("GET /info", ".CgroupVersion"), ("GET /info", ".Cgroup*Driver"), ("GET /info", ".DockerRootDir"),
    ("GET /info", ".InitBinary"), ("GET /info", ".*Proxy"), ("GET /info", ".DriverStatus*"),
    ("GET /info", ".SecurityOptions*"), ("GET /info", ".Warnings*"),
    ("GET /version", "*.KernelVersion"), ("GET /version", "*.Arch"), ("GET /version", "*.Version"),
    ("GET /version", "*.GitCommit"), ("GET /version", "*.GoVersion"), ("GET /version", "*.BuildTime"),
    ("GET /version", ".Platform.Name"),
    ("GET /containers/*/json", ".ResolvConfPath"), ("GET /containers/*/json", ".HostnamePath"),
    ("GET /containers/*/json", ".HostsPath"), ("GET /containers/*/json", ".LogPath"),
    ("GET /containers/*/json", ".Mounts*.Source"), ("GET /containers/*/json", ".GraphDriver.*"),
    ("GET /containers/*/json", ".NetworkSettings.SandboxKey"), ("GET /containers/json", "*.Mounts*.Source"),
    ("GET /containers/*/json", ".NetworkSettings.Ports*HostPort"),
    ("GET /images/*/json", ".GraphDriver.*"), ("GET /images/*/json", ".DockerVersion"),
    ("GET /images/*/json", ".Metadata.LastTagTime"), ("GET /images/*/json", ".Architecture"),
    ("GET /exec/*/json", ".Pid"), ("*", "*Mountpoint"),
    ("GET /containers/*/stats", "*_stats*"), ("GET /containers/*/stats", ".networks.*.*"),
    ("GET /containers/*/top", ".Processes*"),
];

/// Lists that are sets.
pub fn is_set(key: &str) -> bool {
    let sets = [
        "ContainersDeleted",
        "VolumesDeleted",
        "NetworksDeleted",
        "MaskedPaths",
        "ReadonlyPaths",
        "Aliases",
        "DNSNames",
        "RepoTags",
        "Mounts",
        ".Ports",
        "RepoDigests",
    ];
    sets.iter().any(|set| key.ends_with(set))
}

/// What is shown where a value is not compared: its type.
pub fn mask(endpoint: &str, key: &str, value: &Value) -> Option<String> {
    let kind = match value {
        Value::Number(_) => "<number>",
        Value::String(text) if !text.is_empty() => "<string>",
        Value::Bool(_) => "<bool>",
        _ => return None,
    };
    let name = key.rsplit('.').next().unwrap_or_default();
    let varies = value.as_i64().is_some_and(|number| number != 0 && number != -1) && NUMBERS.contains(&name);
    let of_machine = || OF_MACHINE.iter().any(|(at, path)| matches(at, endpoint) && matches(path, key));
    (varies || of_machine()).then(|| kind.to_owned())
}

/// Whether a text is as the pattern, in which `*` is any text.
pub fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| matches(after, &rest[at..]))
        }),
    }
}
