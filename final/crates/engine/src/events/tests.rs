//! The log under load, and what a kill, a full disk or a slow reader does to it.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hull_docker::wire::events::Message;
use rustix::fs::{FlockOperation, flock};

use super::log::append_and_rotate;
use super::reader::{EventReader, EventSink};

/// A directory of a test's own, on the tmpfs that a run root is on.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let base =
            Some(PathBuf::from("/dev/shm")).filter(|shm| shm.is_dir()).unwrap_or_else(std::env::temp_dir);
        let path = base.join(format!("hull-events-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Default)]
struct Sink {
    actions: Vec<String>,
    missed: bool,
}

impl EventSink for Sink {
    fn take(&mut self, event: Message) -> io::Result<()> {
        self.actions.push(event.action);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn missed(&mut self) {
        self.missed = true;
    }

    fn reader(&self) -> BorrowedFd<'_> {
        rustix::stdio::stdout()
    }
}

fn line(action: &str, padding: usize) -> Vec<u8> {
    let message = Message { action: action.into(), from: "x".repeat(padding), ..Message::default() };
    format!("\n{}\n", serde_json::to_string(&message).unwrap()).into_bytes()
}

fn append(directory: &Path, action: &str) {
    append_and_rotate(directory, &line(action, 0), u64::MAX).unwrap();
}

fn read(reader: &mut EventReader) -> Sink {
    let mut sink = Sink::default();
    reader.read(&mut sink, &mut |_| true).unwrap();
    sink
}

fn all(directory: &Path) -> Vec<String> {
    read(&mut EventReader::open(directory.into(), true).unwrap()).actions
}

#[test]
fn under_load_no_reader_loses_an_event_or_has_one_twice_over_rotations() {
    const WRITERS: usize = 4;
    const READERS: usize = 20;
    const EACH: usize = 750;
    const ROTATIONS: u32 = 3;
    let scratch = Scratch::new();
    let directory = &scratch.0;
    let (ready, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let follow = || {
        let mut reader = EventReader::open(directory.clone(), false).unwrap();
        ready.fetch_add(1, Ordering::SeqCst);
        let mut sink = Sink::default();
        loop {
            let is_over = done.load(Ordering::SeqCst);
            reader.read(&mut sink, &mut |_| true).unwrap();
            if is_over {
                return sink;
            }
            hull_sys::wait::until_readable(reader.descriptor().unwrap(), Some(Duration::from_millis(20)))
                .unwrap();
        }
    };
    let rotations =
        || scratch.files().iter().find_map(|name| name.strip_prefix("log.")?.parse().ok()).unwrap_or(0);
    // A writer leaves the rotation to a later one while another holds the lock, so on a busy machine it takes more events.
    let is_enough = |number| number == 10 * EACH || number >= EACH && rotations() >= ROTATIONS;
    let write = |writer: usize| {
        let begun = Instant::now();
        let mut number = 0;
        while !is_enough(number) {
            let line = line(&format!("{writer}-{number}"), 500);
            // One rotation in some 750 events.
            append_and_rotate(directory, &line, 512 << 10).unwrap();
            // All writers together append a thousand events a second.
            let due = begun + Duration::from_millis((number * WRITERS) as u64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            number += 1;
        }
        number
    };
    let mut written = 0;
    let sinks = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(follow)).collect();
        while ready.load(Ordering::SeqCst) < READERS {
            std::thread::yield_now();
        }
        let write = &write;
        let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
        written = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
        done.store(true, Ordering::SeqCst);
        readers.into_iter().map(|reader| reader.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(rotations() >= ROTATIONS, "{} rotations in {written} events", rotations());
    for sink in sinks {
        assert!(!sink.missed);
        assert_eq!(sink.actions.len(), written);
        assert_eq!(sink.actions.iter().collect::<HashSet<_>>().len(), written);
        for writer in 0..WRITERS {
            let own = sink.actions.iter().filter_map(|action| action.strip_prefix(&format!("{writer}-")));
            let own: Vec<usize> = own.map(|number| number.parse().unwrap()).collect();
            assert!(own.is_sorted(), "the events of one writer keep their order");
        }
    }
}

#[test]
fn one_old_file_is_kept_and_a_reader_from_the_start_has_both() {
    let scratch = Scratch::new();
    for number in 0..7 {
        // Two lines fill a file.
        append_and_rotate(&scratch.0, &line(&number.to_string(), 100), 300).unwrap();
    }
    assert_eq!(scratch.files(), ["log", "log.3"]);
    assert_eq!(all(&scratch.0), ["4", "5", "6"]);
}

#[test]
fn a_reader_that_was_too_slow_is_told_so_and_goes_on() {
    let scratch = Scratch::new();
    append(&scratch.0, "first");
    let mut reader = EventReader::open(scratch.0.clone(), true).unwrap();
    assert_eq!(read(&mut reader).actions, ["first"]);
    for number in 0..3 {
        append_and_rotate(&scratch.0, &line(&number.to_string(), 0), 1).unwrap();
    }
    append(&scratch.0, "last");
    // "first" and "0" are in a file that it holds, "1" in one that is gone.
    let sink = read(&mut reader);
    assert!(sink.missed);
    assert_eq!(sink.actions, ["0", "2", "last"]);
    append(&scratch.0, "more");
    let sink = read(&mut reader);
    assert!(!sink.missed);
    assert_eq!(sink.actions, ["more"]);
}

#[test]
fn a_line_that_was_cut_does_not_swallow_the_next_one() {
    let scratch = Scratch::new();
    append(&scratch.0, "before");
    let mut file = OpenOptions::new().append(true).open(scratch.0.join("log")).unwrap();
    let mut reader = EventReader::open(scratch.0.clone(), true).unwrap();
    assert_eq!(read(&mut reader).actions, ["before"]);
    let cut = line("cut", 20);
    file.write_all(&cut[..cut.len() / 2]).unwrap();
    assert_eq!(read(&mut reader).actions, [""; 0]);
    append(&scratch.0, "after");
    assert_eq!(read(&mut reader).actions, ["after"]);
    file.write_all(b"not JSON\n\0\xff\n{}\n[1]\n").unwrap();
    append(&scratch.0, "last");
    assert_eq!(read(&mut reader).actions, ["", "last"], "an empty object is an event without an action");
    assert_eq!(all(&scratch.0), ["before", "after", "", "last"]);
}

#[test]
fn a_line_without_end_takes_no_memory() {
    let scratch = Scratch::new();
    append(&scratch.0, "before");
    let mut file = OpenOptions::new().append(true).open(scratch.0.join("log")).unwrap();
    for _ in 0..8 {
        file.write_all(&[b'x'; 1 << 20]).unwrap();
    }
    append(&scratch.0, "after");
    assert_eq!(all(&scratch.0), ["before", "after"]);
}

#[test]
fn a_writer_that_was_killed_before_it_rotated_leaves_that_to_the_next() {
    let scratch = Scratch::new();
    append_and_rotate(&scratch.0, &line("killed after its write", 500), u64::MAX).unwrap();
    assert_eq!(scratch.files(), ["log"]);
    append_and_rotate(&scratch.0, &line("next", 0), 400).unwrap();
    assert_eq!(scratch.files(), ["log.1"]);
    assert_eq!(all(&scratch.0), ["killed after its write", "next"]);
    // One that was killed between renaming and removing.
    fs::write(scratch.0.join("log.0"), "").unwrap();
    append_and_rotate(&scratch.0, &line("last", 500), 400).unwrap();
    assert_eq!(scratch.files(), ["log.2"]);
}

#[test]
fn a_stopped_process_that_holds_the_lock_holds_up_nobody_for_long() {
    let scratch = Scratch::new();
    append(&scratch.0, "one");
    let held = File::open(scratch.0.join("log")).unwrap();
    flock(&held, FlockOperation::LockShared).unwrap();
    let begun = Instant::now();
    append_and_rotate(&scratch.0, &line("two", 0), 1).unwrap();
    assert_eq!(scratch.files(), ["log"], "it cannot be rotated now");
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    flock(&held, FlockOperation::LockExclusive).unwrap();
    append(&scratch.0, "three");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    drop(held);
    assert_eq!(all(&scratch.0), ["one", "two", "three"]);
}

#[test]
fn whatever_has_the_log_s_name_is_no_endless_wait() {
    let scratch = Scratch::new();
    rustix::fs::mkfifoat(rustix::fs::CWD, scratch.0.join("log"), rustix::fs::Mode::RWXU).unwrap();
    assert!(append_and_rotate(&scratch.0, &line("one", 0), u64::MAX).is_err());
    fs::remove_file(scratch.0.join("log")).unwrap();
    fs::create_dir(scratch.0.join("log")).unwrap();
    assert!(append_and_rotate(&scratch.0, &line("one", 0), u64::MAX).is_err());
}

#[test]
fn a_reader_of_a_new_log_has_its_first_event() {
    let scratch = Scratch::new();
    let mut reader = EventReader::open(scratch.0.join("events"), false).unwrap();
    assert_eq!(read(&mut reader).actions, [""; 0]);
    append(&scratch.0.join("events"), "first");
    let readable = hull_sys::wait::until_readable(reader.descriptor().unwrap().as_fd(), Some(Duration::ZERO));
    assert!(readable.unwrap());
    assert_eq!(read(&mut reader).actions, ["first"]);
    append_and_rotate(&scratch.0.join("events"), &line("second", 0), 1).unwrap();
    append(&scratch.0.join("events"), "third");
    assert_eq!(read(&mut reader).actions, ["second", "third"]);
}

#[test]
fn what_only_has_the_name_of_an_old_file_hides_no_events() {
    let scratch = Scratch::new();
    append(&scratch.0, "before");
    fs::create_dir(scratch.0.join("log.3")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", scratch.0.join("log.4")).unwrap();
    File::create(scratch.0.join(format!("log.{}", u64::MAX))).unwrap();
    append_and_rotate(&scratch.0, &line("last of its file", 0), 1).unwrap();
    append(&scratch.0, "after");
    let mut reader = EventReader::open(scratch.0.clone(), true).unwrap();
    assert_eq!(read(&mut reader).actions, ["before", "last of its file", "after"]);
}
