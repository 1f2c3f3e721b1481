//! A `config.json` of random bytes, or of valid JSON with wild values, is an error or a container: never a panic.
//!
//! The seeds are in `corpus/`, one for each part of the specification, and what is found is added there. A name says
//! what a seed is: `process-` and `resources-` are for `exec` and `update`, `refused-` is no config, and all others
//! are. `HULL_FUZZ_SECONDS` says how long: continuous integration takes a minute.

use std::time::{Duration, Instant};

use hull_runtime::config;
use hull_runtime::security::seccomp;
use hull_runtime::spec;
use serde_json::{Value, json};

/// xorshift64*: enough to wander about, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let name = |file: &std::path::Path| file.file_stem().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|file| (name(file), std::fs::read(file).unwrap())).collect()
}

fn wild(random: &mut Random) -> Value {
    let long = "x".repeat(70_000);
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(4294967296_u64),
        json!(1.5e300),
        json!(""),
        json!("/"),
        json!(".."),
        json!("/../../x"),
        json!("a\0b"),
        json!("ä\u{202e}\n"),
        json!("0-4294967295"),
        json!("SCMP_ACT_NOTIFY"),
        json!("rrrrro"),
        json!(long),
        json!([]),
        json!({}),
        json!([[[[]]]]),
        json!({"type": {"type": {}}}),
        json!(vec!["x"; 2_000]),
    ];
    values[random.below(values.len())].clone()
}

/// Puts a wild value somewhere into the tree.
fn disturb(value: &mut Value, random: &mut Random) {
    let inner = match value {
        _ if random.below(6) == 0 => None,
        Value::Object(members) => {
            let index = random.below(members.len());
            members.values_mut().nth(index)
        }
        Value::Array(items) => {
            let index = random.below(items.len());
            items.get_mut(index)
        }
        _ => None,
    };
    match inner {
        Some(inner) => disturb(inner, random),
        None => *value = wild(random),
    }
}

fn changed(seed: &[u8], random: &mut Random) -> Vec<u8> {
    if let (Ok(mut value), true) = (serde_json::from_slice::<Value>(seed), random.below(4) != 0) {
        for _ in 0..=random.below(3) {
            disturb(&mut value, random);
        }
        return serde_json::to_vec(&value).unwrap();
    }
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        match random.below(3) {
            0 if at < bytes.len() => bytes[at] = random.next() as u8,
            1 => bytes.insert(at, random.next() as u8),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn try_all(text: &[u8]) {
    let _ = config::parse_process(text);
    let _ = config::parse_resources(text);
    if let Ok(spec) = config::parse(text) {
        let again = serde_json::to_vec(&spec).unwrap();
        // What is kept beside a running container is read again by every later command.
        assert_eq!(serde_json::from_slice::<spec::Spec>(&again).unwrap(), spec);
        if let Some(policy) = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref()) {
            let _ = seccomp::compile(policy);
        }
    }
}

#[test]
fn no_text_makes_it_panic() {
    let seconds = std::env::var("HULL_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let (seeds, end) = (seeds(), Instant::now() + Duration::from_secs(seconds));
    seeds.iter().for_each(|(_, seed)| try_all(seed));
    let started = std::time::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_nanos() as u64) | 1;
    let mut random = Random(started);
    while Instant::now() < end {
        let (_, seed) = &seeds[random.below(seeds.len())];
        let text = changed(seed, &mut random);
        if std::panic::catch_unwind(|| try_all(&text)).is_err() {
            let file = std::env::temp_dir().join("hull-config-that-panics.json");
            std::fs::write(&file, &text).unwrap();
            panic!("a panic: its text is in {}, and belongs in the corpus", file.display());
        }
    }
}

/// A seed that is refused for another reason than it was made for is one of the parser's only.
#[test]
fn each_seed_is_what_its_name_says() {
    for (name, text) in seeds() {
        let said = match name.split('-').next() {
            Some("process") if name.contains('-') => config::parse_process(&text).map(drop),
            Some("resources") => config::parse_resources(&text).map(drop),
            _ => config::parse(&text).and_then(|spec| {
                let policy = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
                policy.map_or(Ok(()), |policy| seccomp::compile(policy).map(drop))
            }),
        };
        assert_eq!(said.is_err(), name.starts_with("refused-"), "{name}: {said:?}");
    }
}

#[test]
fn the_whole_specification_is_read_and_written_again() {
    let text = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/whole.json")).unwrap();
    let value: Value = serde_json::from_slice(&text).unwrap();
    let spec = config::parse(&text).unwrap();
    let written = serde_json::to_value(&spec).unwrap();
    let mut lost = Vec::new();
    compare("", &value, &written, &mut lost);
    assert!(lost.is_empty(), "not in the specification as hull knows it: {lost:?}");
}

/// The parts of `given` that are missing in `kept`; an empty list or object does not count.
fn compare(path: &str, given: &Value, kept: &Value, lost: &mut Vec<String>) {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            for (name, value) in given {
                let empty = value.as_array().is_some_and(Vec::is_empty);
                match kept.get(name) {
                    Some(kept) => compare(&format!("{path}/{name}"), value, kept, lost),
                    None if empty => {}
                    None => lost.push(format!("{path}/{name}")),
                }
            }
        }
        (Value::Array(given), Value::Array(kept)) if given.len() == kept.len() => {
            for (index, (given, kept)) in given.iter().zip(kept).enumerate() {
                compare(&format!("{path}/{index}"), given, kept, lost);
            }
        }
        (given, kept) if given == kept => {}
        _ => lost.push(path.to_owned()),
    }
}
