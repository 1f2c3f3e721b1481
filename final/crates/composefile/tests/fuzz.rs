//! Whatever the bytes of a compose file are, they become a project or an error that says where: no panic, no endless loop.
//!
//! The seeds are the files of the suite `compose_config`. `HULL_FUZZ_SECONDS` is how long each test runs. Continuous
//! integration sets it to a minute.

use std::path::Path;
use std::time::{Duration, Instant};

use hull_composefile::interpolate::{Lookup, substitute};
use hull_composefile::print::{Form, json, yaml};
use hull_composefile::{LoadOptions, Loaded, load, load_model, model};
use hull_yaml::tree::{Node, Value, parse};

/// xorshift64*: a different walk each time, and told when it led somewhere.
struct Random(u64);

impl Random {
    fn new() -> Self {
        Self(std::time::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_nanos() as u64) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound.max(1) as u64) as usize
    }
}

/// The compose files of all cases.
fn seeds() -> Vec<String> {
    let directory =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/suite/tests/compose_config/cases");
    let mut lists: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    lists.sort();
    let texts = lists.iter().map(|list| std::fs::read_to_string(list).unwrap());
    let sections =
        texts.flat_map(|text| text.split("\n-- file ").skip(1).map(str::to_owned).collect::<Vec<_>>());
    let bodies = sections.filter_map(|section| {
        let (name, body) = section.split_once('\n')?;
        let end = body.find("\n-- ").map_or(body.len(), |end| end + 1);
        name.contains(".y").then(|| body[..end].to_owned())
    });
    let seeds: Vec<String> = bodies.collect();
    assert!(seeds.len() > 100, "{} seeds", seeds.len());
    seeds
}

fn changed(random: &mut Random, seeds: &[String]) -> String {
    const PIECES: [&str; 40] = [
        "- ",
        ": ",
        "? ",
        "\n",
        "\n  ",
        "  ",
        "#",
        "'",
        "\"",
        "|\n",
        ">-\n",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&a ",
        "*a",
        "!reset ",
        "!override ",
        "<<: *a",
        "---\n",
        "\t",
        "$",
        "${",
        "}",
        ":-",
        ":?",
        "${A:-",
        "null",
        "-1",
        "1e400",
        "0x",
        "99999999999999999999",
        "x-a: ",
        "é",
        "\u{202e}",
        "\0",
        "extends: {service: a}",
        "2001-01-01",
    ];
    let mut text = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(6) {
        let at = floor(&text, random.below(text.len() + 1));
        let end = floor(&text, (at + random.below(20)).min(text.len()));
        match random.below(4) {
            0 => text.replace_range(at..end, ""),
            1 => {
                let other = &seeds[random.below(seeds.len())];
                let from = floor(other, random.below(other.len() + 1));
                let to = floor(other, (from + random.below(80)).min(other.len()));
                text.insert_str(at, &other[from..to]);
            }
            // A line with another indentation.
            2 => {
                let start = text[..at].rfind('\n').map_or(0, |before| before + 1);
                text.insert_str(start, &" ".repeat(random.below(8)));
            }
            _ => text.insert_str(at, PIECES[random.below(PIECES.len())]),
        }
    }
    text
}

/// The border of a character at or before a byte.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Runs a check on each seed, and then on changed ones.
fn walk(check: impl Fn(&str) + std::panic::RefUnwindSafe) {
    let seconds = std::env::var("HULL_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let (mut random, seeds) = (Random::new(), seeds());
    let attempt = |text: &str| {
        let start = Instant::now();
        if std::panic::catch_unwind(|| check(text)).is_err() {
            panic!("this text did it: {text:?}");
        }
        assert!(start.elapsed() < Duration::from_secs(10), "this text took too long: {text:?}");
    };
    seeds.iter().for_each(|seed| attempt(seed));
    let mut count = 0;
    while Instant::now() < end {
        attempt(&changed(&mut random, &seeds));
        count += 1;
    }
    eprintln!("{count} changed files");
}

fn each(node: &Node, check: &impl Fn(&Node)) {
    check(node);
    match &node.value {
        Value::Sequence(items) => items.iter().for_each(|item| each(item, check)),
        Value::Mapping(entries) => entries.values().for_each(|entry| each(&entry.node, check)),
        _ => {}
    }
}

#[test]
fn any_text_is_documents_or_an_error_with_a_place() {
    walk(|text| {
        // The end of the text can count as a line.
        let lines = text.split(['\n', '\r']).count() + 1;
        match parse(text, 3) {
            Ok(documents) => documents.iter().for_each(|document| {
                each(document, &|node| {
                    let place = node.place;
                    assert!(
                        place.file == 3 && (1..=lines).contains(&(place.line as usize)) && place.column > 0
                    );
                });
            }),
            Err(error) => assert!((1..=lines).contains(&error.line) && error.column > 0, "{error}"),
        }
    });
}

struct Variables;

impl Lookup for Variables {
    fn get(&mut self, name: &str) -> Option<String> {
        name.len().is_multiple_of(2).then(|| "a ${B} $\n".to_owned())
    }

    fn unset(&mut self, _: &str) {}
}

#[test]
fn any_text_is_interpolated_or_refused() {
    walk(|text| {
        let _ = substitute(text, &mut Variables);
        // Braces within braces, which no seed has as many of.
        let _ = substitute(&text.replace(':', "${A:-"), &mut Variables);
    });
}

#[test]
fn any_text_is_a_project_or_an_error() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.env"), "A=1\nB=\"two ${A}\"\n").unwrap();
    std::fs::write(directory.path().join("common.yaml"), "services: {base: {image: a, extends: other}}\n")
        .unwrap();
    walk(|text| {
        let mut options = LoadOptions {
            files: vec!["-".into()],
            stdin: Some(text.into()),
            current_directory: directory.path().into(),
            project_name: Some("p".into()),
            environment: [("A".to_owned(), "1".to_owned())].into(),
            ..LoadOptions::default()
        };
        let Loaded { result, sources, .. } = load(&options);
        match result {
            Ok(project) => {
                let _ = yaml(&model::Print::tree(&project, Form::Yaml));
                let _ = json::pretty(&project);
            }
            Err(error) => {
                assert!(!error.why.is_empty());
                assert!(error.place.is_none_or(|place| sources.get(place).is_some()), "{error:?}");
            }
        }
        options.no_interpolate = true;
        let _ = load_model(&options);
    });
}
