//! Two sides of a measurement, in turn.
//!
//! A machine drifts by more than what is to be measured, so each ratio is taken between two runs that follow each other,
//! and the median of all pairs counts.

use std::time::{Duration, Instant};

/// Times of both sides, pair by pair.
pub struct Pairs(Vec<(Duration, Duration)>);

impl Pairs {
    /// Runs `baseline` and `hull` in turn, each first every other time; `before` each of them, untimed.
    pub fn take(
        count: u32,
        mut before: impl FnMut(),
        mut baseline: impl FnMut(),
        mut hull: impl FnMut(),
    ) -> Self {
        // Caches are filled before anything counts.
        before();
        baseline();
        before();
        hull();
        let mut timed = |side: &mut dyn FnMut()| {
            before();
            let started = Instant::now();
            side();
            started.elapsed()
        };
        let mut pair = |number: u32| {
            if number.is_multiple_of(2) {
                let baseline = timed(&mut baseline);
                (baseline, timed(&mut hull))
            } else {
                let hull = timed(&mut hull);
                (timed(&mut baseline), hull)
            }
        };
        Self((0..count).map(&mut pair).collect())
    }

    pub fn median<T: PartialOrd>(&self, of: impl Fn(&(Duration, Duration)) -> T) -> T {
        let mut values: Vec<T> = self.0.iter().map(of).collect();
        values.sort_by(|a, b| a.partial_cmp(b).expect("no time is not a number"));
        values.swap_remove(values.len() / 2)
    }

    pub fn print(&self, what: &str, result: &str, target: &str) {
        let (baseline, hull) = (self.median(|p| p.0), self.median(|p| p.1));
        row(what, &milliseconds(baseline), &milliseconds(hull), result, target);
    }

    pub fn print_ratio(&self, what: &str, target: &str) {
        let ratio = self.median(|p| p.1.as_secs_f64() / p.0.as_secs_f64());
        self.print(what, &format!("x {ratio:.2}"), target);
    }
}

pub fn row(what: &str, baseline: &str, hull: &str, result: &str, target: &str) {
    println!("{what:<46} {baseline:>10} {hull:>10} {result:>10}   {target}");
}

pub fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

/// How many pairs stand behind each ratio.
pub fn count() -> u32 {
    std::env::var("HULL_BENCH_PAIRS").ok().and_then(|n| n.parse().ok()).unwrap_or(50)
}
