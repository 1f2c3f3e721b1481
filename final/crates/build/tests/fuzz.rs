//! Whatever a Dockerfile's bytes are, they become instructions or an error with a line: no panic, no endless loop.
//!
//! `HULL_FUZZ_SECONDS` is how long it runs. Continuous integration sets it to a minute.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use hull_build::dockerfile::device::Device;
use hull_build::dockerfile::mount::{self, Mount};
use hull_build::dockerfile::{Dockerfile, Instruction, Kind, parse, statements, trigger};
use hull_build::lint::{self, Options, hadolint};
use hull_build::outline::{outline, targets};
use hull_build::variables::{heredoc, word, words};
use hull_image::config::ImageConfig;
use hull_image::platform::Platform;

/// xorshift64*: a different walk each time, and told when it led somewhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound.max(1) as u64) as usize
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dockerfiles");
    let mut lists: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    lists.sort();
    let texts = lists.iter().map(|list| std::fs::read_to_string(list).unwrap());
    let mut seeds: Vec<Vec<u8>> = texts
        .flat_map(|text| text.split("%%%% ").skip(1).map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|file| Some(file.split_once('\n')?.1.as_bytes().to_vec()))
        .collect();
    seeds.push(include_bytes!("expansions/Dockerfile").to_vec());
    seeds.push(include_bytes!("docker-errors.tsv").to_vec());
    seeds
}

fn changed(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    const PIECES: [&str; 24] = [
        "\\", "`", "\"", "'", "$", "${", "}", ":-", "#", "##", "%", "/", "\n", "\\\n", "[\"", "]", "=",
        "--mount=", "<<A ", "\nA\n", "ONBUILD ", "\u{2003}", "é", "\0",
    ];
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        match random.below(4) {
            0 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            1 => drop(bytes.splice(at..(at + random.below(12)).min(bytes.len()), [])),
            2 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                let piece = other[from..(from + random.below(60)).min(other.len())].to_vec();
                drop(bytes.splice(at..at, piece));
            }
            _ => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
        }
    }
    bytes
}

fn check(bytes: &[u8]) {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u32 + 1;
    let parsed = parse("Dockerfile", bytes);
    if statements("Dockerfile", bytes).is_err() {
        assert!(parsed.is_err(), "an instruction without a statement");
    }
    match parsed {
        Ok(file) => check_file(&file, lines),
        Err(error) => {
            let text = error.to_string();
            let line =
                text.strip_prefix("Dockerfile:").and_then(|rest| rest.split_once(": ")?.0.parse().ok());
            assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "no line: {text}");
        }
    }
}

fn check_file(file: &Dockerfile, lines: u32) {
    let mut before = 0;
    for instruction in &file.instructions {
        let span = instruction.span;
        assert!(before < span.first && span.first <= span.last && span.last <= lines, "{instruction:?}");
        assert!(instruction.original.len() >= instruction.keyword.len(), "{instruction:?}");
        before = span.last;
        expand(file, instruction);
    }
    assert!(!targets(file).targets.is_empty());
    let args = BTreeMap::new();
    let _ = outline(file, &args, None, &Platform::host());
    let hadolint = hadolint::Configuration::default();
    let options = Options {
        args: &args,
        target: None,
        all_stages: true,
        platform: Platform::host(),
        ignore: None,
        base: &|_, _| Some(ImageConfig::default()),
        hadolint: Some(&hadolint),
    };
    let _ = lint::check(file, &options);
}

fn expand(file: &Dockerfile, instruction: &Instruction) {
    let lookup = |name: &str| name.len().is_multiple_of(2).then(|| "a b/*\n".to_owned());
    let _ = word(&instruction.original, file.escape, &lookup);
    let _ = words(&instruction.original, file.escape, &lookup);
    match &instruction.kind {
        Kind::Run(run) => {
            let _ = run.script();
            for text in &run.mounts {
                let _ = (mount::source(text), Mount::parse(text, file.escape, &lookup));
            }
            assert!(run.devices.iter().all(|text| Device::parse(text).is_ok()));
        }
        Kind::Copy(copy) | Kind::Add(copy) => {
            copy.heredocs.iter().for_each(|doc| drop(heredoc(&doc.content, &lookup)));
        }
        // What is stored in an image is read again when another is built on it.
        Kind::OnBuild(text, inner) if file.escape == '\\' => {
            let again = trigger("ONBUILD", text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!(again.kind, inner.kind, "{text:?}");
        }
        _ => {}
    }
}

#[test]
fn any_bytes_are_instructions_or_an_error() {
    let seconds = std::env::var("HULL_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2.0);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut random = Random(std::time::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_nanos() as u64) | 1);
    let seeds = seeds();
    let attempt = |bytes: &[u8]| {
        if std::panic::catch_unwind(|| check(bytes)).is_err() {
            panic!("these bytes did it: {}", bytes.escape_ascii());
        }
    };
    seeds.iter().for_each(|seed| attempt(seed));
    let mut count = 0;
    while Instant::now() < end {
        attempt(&changed(&mut random, &seeds));
        count += 1;
    }
    eprintln!("{count} changed Dockerfiles");
}
