//! Boots the machine and reads from its serial console how the tests ended.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::machine::Machine;

/// A machine that prints nothing for this long hangs. The whole run has no limit, because an emulated machine is as slow as
/// the load of its host makes it, and each of its tests prints a line at its end.
const SILENCE: Duration = Duration::from_secs(1200);

/// How many lines of a panic's message are repeated at the end.
const LINES_OF_PANIC: u32 = 6;

/// The last line of `tests.sh`.
const VERDICT: &str = "the tests in the virtual machine ended with ";

pub fn boot(machine: &Machine, kernel: &Path, initramfs: &Path) -> Result<()> {
    let mut qemu = Command::new(machine.qemu);
    qemu.args(machine.qemu_args);
    qemu.args(["-nographic", "-no-reboot", "-nic", "none"]);
    qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(initramfs);
    qemu.arg("-append").arg(format!("console={} quiet panic=-1", machine.console));
    let mut child = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting qemu")?;
    let console = lines(BufReader::new(child.stdout.take().context("qemu has a pipe")?));
    let mut failures = Vec::new();
    let verdict = follow(&console, &mut failures);
    // The machine has powered itself off, unless it hangs.
    if verdict.is_err() {
        let _ = child.kill();
    }
    child.wait()?;
    match verdict?.as_deref() {
        Some("0") => Ok(()),
        Some(code) => bail!("tests failed in the virtual machine: {code}\n{}", failures.join("\n")),
        None => bail!("the virtual machine ended before its tests did"),
    }
}

/// The lines of the console. A separate thread reads them, so that waiting for a line can have a limit.
fn lines(console: BufReader<ChildStdout>) -> Receiver<std::io::Result<Vec<u8>>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || console.split(b'\n').try_for_each(|line| sender.send(line)));
    receiver
}

/// Prints the lines until the machine has ended; the exit code of the tests, if they said one. The lines that name a failed
/// test, and the first lines of its panic, go to `failures`: the console is long, and they stand far from its end.
fn follow(
    console: &Receiver<std::io::Result<Vec<u8>>>,
    failures: &mut Vec<String>,
) -> Result<Option<String>> {
    let mut verdict = None;
    let mut of_panic = 0;
    loop {
        let line = match console.recv_timeout(SILENCE) {
            Ok(line) => line.context("reading the serial console")?,
            Err(RecvTimeoutError::Disconnected) => return Ok(verdict),
            Err(RecvTimeoutError::Timeout) => {
                bail!("the virtual machine has said nothing for {SILENCE:?}")
            }
        };
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        println!("  vm | {line}");
        if line.contains(" panicked at ") {
            of_panic = LINES_OF_PANIC;
        }
        if of_panic > 0 || line.ends_with(" ... FAILED") {
            failures.push(format!("  vm | {line}"));
        }
        of_panic = of_panic.saturating_sub(1);
        if let Some(code) = line.strip_prefix(VERDICT) {
            verdict = Some(code.to_owned());
        }
    }
}
