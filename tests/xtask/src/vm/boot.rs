//! Boots the machine and reads from its serial console how the tests ended.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::machine::Machine;

/// Everything, boot and tests, under emulation.
const DEADLINE: Duration = Duration::from_secs(1800);

/// The last line of `tests.sh`.
const VERDICT: &str = "the tests in the virtual machine ended with ";

pub fn boot(machine: &Machine, kernel: &Path, initramfs: &Path) -> Result<()> {
    let mut qemu = Command::new("timeout");
    qemu.arg(DEADLINE.as_secs().to_string()).arg(machine.qemu).args(machine.qemu_args);
    qemu.args(["-nographic", "-no-reboot", "-nic", "none"]);
    qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(initramfs);
    qemu.arg("-append").arg(format!("console={} quiet panic=-1", machine.console));
    let mut child = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting qemu")?;
    let console = BufReader::new(child.stdout.take().context("qemu has a pipe")?);
    let mut verdict = None;
    for line in console.split(b'\n') {
        let line =
            String::from_utf8_lossy(&line.context("reading the serial console")?).trim_end().to_owned();
        println!("  vm | {line}");
        if let Some(code) = line.strip_prefix(VERDICT) {
            verdict = Some(code.to_owned());
        }
    }
    child.wait()?;
    match verdict.as_deref() {
        Some("0") => Ok(()),
        Some(code) => bail!("tests failed in the virtual machine: {code}"),
        None => bail!("the virtual machine ended, or was ended after {DEADLINE:?}, before its tests did"),
    }
}
