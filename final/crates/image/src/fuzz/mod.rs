//! Fuzz tests of layers and of JSON documents. Any input must become an error or an image; none may cause a panic or a
//! change outside the image's directory.
//!
//! The seeds are in `corpus/`; an input that finds a bug is added there. `HULL_FUZZ_SECONDS` is how long both targets run
//! together. Continuous integration sets it to a minute.

mod documents;
mod layers;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// xorshift64*: enough to wander about, and the same everywhere.
struct Random(u64);

impl Random {
    /// A different walk each time, and told when it led somewhere.
    fn new() -> Self {
        Self(std::time::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_nanos() as u64) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

/// The files of a corpus, in the order of their names.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<_> =
        std::fs::read_dir(corpus(name)).unwrap().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Tries the seeds as they are, and then changed, for as long as there is time. `check` panics at what must not be; the
/// input that made it do so is kept.
fn fuzz(name: &str, change: impl Fn(&mut Random, &[Vec<u8>]) -> Vec<u8>, check: impl Fn(&[u8])) {
    let seconds = std::env::var("HULL_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4.0);
    let end = Instant::now() + Duration::from_secs_f64(seconds / 2.0);
    let (seeds, mut random) = (seeds(name), Random::new());
    let attempt = |input: &[u8]| {
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(input)));
        if tried.is_err() {
            let file = std::env::temp_dir().join(format!("hull-fuzz-{name}"));
            std::fs::write(&file, input).unwrap();
            panic!("what did it is in {}, and belongs in {}", file.display(), corpus(name).display());
        }
    };
    seeds.iter().for_each(|seed| attempt(seed));
    let mut count = 0;
    while Instant::now() < end {
        attempt(&change(&mut random, &seeds));
        count += 1;
    }
    eprintln!("{count} changed {name}");
}

/// A few bytes of anything changed, put in, or cut off.
fn scramble(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        match random.below(4) {
            0 | 1 if at < bytes.len() => bytes[at] = random.next() as u8,
            2 => bytes.insert(at, random.next() as u8),
            3 if random.below(4) == 0 => bytes.truncate(at),
            _ => {}
        }
    }
}
