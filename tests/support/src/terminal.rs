//! A command on a pseudo-terminal: what `-it` is used with.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

use crate::outcome::{DEADLINE, wrapped};

/// A running command and the terminal it has for itself.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    master: File,
    seen: Arc<Mutex<String>>,
    /// How much of `seen` was matched by an earlier [`Terminal::expect`].
    matched: usize,
}

impl Terminal {
    /// Starts `command` as the leader of a session with a terminal of 24 rows and 80 columns.
    pub fn start(command: &Command) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).expect("a pseudo-terminal");
        // setsid(1) makes the terminal the controlling one, which takes code between fork and exec.
        let mut session = wrapped(&["setsid", "-c"], command);
        let end = |fd: &OwnedFd| fd.try_clone().expect("a descriptor");
        session.stdin(end(&pty.slave)).stdout(end(&pty.slave)).stderr(pty.slave).env("TERM", "xterm");
        let child = session.spawn().expect("setsid is installed");
        let master = File::from(pty.master);
        let seen = Arc::new(Mutex::new(String::new()));
        collect(master.try_clone().expect("a descriptor"), Arc::clone(&seen));
        Self { child, master, seen, matched: 0 }
    }

    /// Types `text`.
    pub fn send(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("the terminal takes input");
    }

    /// Waits until `text` is printed after what was matched before.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let seen = self.seen.lock().expect("no panic in the reader");
            if let Some(at) = seen[self.matched..].find(text) {
                self.matched += at + text.len();
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{text:?} is not printed; after what matched:\n{}",
                &seen[self.matched..]
            );
            drop(seen);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Gives the terminal another size, which its foreground program hears of by SIGWINCH.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&self.master, size).expect("a terminal has a size");
    }

    /// What its line discipline does: termios(3).
    pub fn modes(&self) -> rustix::termios::LocalModes {
        rustix::termios::tcgetattr(&self.master).expect("a terminal has modes").local_modes
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// All that was printed.
    pub fn seen(&self) -> String {
        self.seen.lock().expect("no panic in the reader").clone()
    }

    /// Waits for the end of the command, which is to have succeeded and printed just `text`.
    #[track_caller]
    pub fn wait_and_see(self, text: &str) {
        let seen = Arc::clone(&self.seen);
        assert_eq!(self.wait(), 0);
        let seen = || seen.lock().expect("no panic in the reader").clone();
        // The reader is a thread, and may be behind.
        let deadline = Instant::now() + Duration::from_secs(5);
        while seen().len() < text.len() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(seen(), text);
    }

    /// Waits for the end of the command; its exit code.
    #[track_caller]
    pub fn wait(mut self) -> i32 {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("own child") {
                return status.code().unwrap_or(-1);
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                panic!("has not ended; its terminal shows:\n{}", self.seen());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads until the last writer is gone, which a terminal reports as EIO.
fn collect(mut master: File, seen: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            seen.lock().expect("no panic elsewhere").push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    });
}
