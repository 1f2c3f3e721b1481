//! The output of a step, up to a limit: a step that prints without end must fill neither the memory nor the log of its
//! build.

use std::collections::VecDeque;

/// BuildKit's limit of a step, in bytes.
const LIMIT: usize = 2 << 20;

/// How much of the end is kept, for a step that fails.
const TAIL: usize = 16 << 10;

/// Hands on what a step prints.
pub struct Limited<'a> {
    output: &'a mut dyn FnMut(bool, &[u8]),
    left: usize,
    tail: VecDeque<u8>,
}

impl<'a> Limited<'a> {
    pub fn new(output: &'a mut dyn FnMut(bool, &[u8])) -> Self {
        Self { output, left: LIMIT, tail: VecDeque::new() }
    }

    pub fn write(&mut self, is_stderr: bool, bytes: &[u8]) {
        let (shown, clipped) = bytes.split_at(bytes.len().min(self.left));
        if !shown.is_empty() {
            (self.output)(is_stderr, shown);
            self.left -= shown.len();
            if self.left == 0 {
                (self.output)(true, b"\n[output clipped, log limit 2MiB reached]\n");
            }
        }
        self.tail.extend(&clipped[clipped.len().saturating_sub(TAIL)..]);
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
    }

    /// Hands on the end of what was clipped, if the step has failed: it says why.
    pub fn finish(mut self, has_failed: bool) {
        if has_failed && !self.tail.is_empty() {
            let tail = self.tail.make_contiguous();
            // A line whose beginning is missing would mislead.
            let line = tail.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            (self.output)(true, &tail[line..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_output_is_cut_and_the_end_of_a_failure_is_kept() {
        for has_failed in [false, true] {
            let mut seen = Vec::new();
            let mut collect = |_: bool, bytes: &[u8]| seen.extend_from_slice(bytes);
            let mut limited = Limited::new(&mut collect);
            for number in 0..600_000 {
                limited.write(false, format!("line {number}\n").as_bytes());
            }
            limited.finish(has_failed);
            assert!(seen.len() < LIMIT + TAIL + 100);
            let text = String::from_utf8(seen).unwrap();
            assert!(text.contains("\n[output clipped, log limit 2MiB reached]\n"));
            assert_eq!(text.ends_with("line 599999\n"), has_failed);
        }
    }
}
