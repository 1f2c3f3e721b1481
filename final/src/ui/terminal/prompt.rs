//! Questions to the user.

use std::io::{IsTerminal, Read, Write};

use anyhow::{Context, Result, bail};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};

/// Asks for a line on the terminal. A secret is not echoed.
pub fn ask(question: &str, secret: bool) -> Result<String> {
    const INTERRUPT: u8 = 3;
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        bail!("there is no terminal to ask on: give --username, and the password with --password-stdin");
    }
    let _ = write!(std::io::stderr(), "{question}");
    let before = tcgetattr(&stdin).context("cannot read the terminal's settings")?;
    let mut silent = before.clone();
    silent.local_modes.set(LocalModes::ECHO, !secret);
    // ^C would end the command before it restores the terminal's echo. So it only ends the line here.
    silent.local_modes.set(LocalModes::ISIG, !secret);
    silent.special_codes[SpecialCodeIndex::VEOL2] = INTERRUPT;
    tcsetattr(&stdin, OptionalActions::Flush, &silent).context("cannot set the terminal")?;
    let line = read_line(&stdin, INTERRUPT);
    let _ = tcsetattr(&stdin, OptionalActions::Flush, &before);
    if secret {
        let _ = writeln!(std::io::stderr());
    }
    let line = line.context("cannot read from the terminal")?;
    if line.ends_with(&[INTERRUPT]) {
        bail!("interrupted");
    }
    let line = String::from_utf8(line).context("what was typed is not UTF-8")?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Reads a line that ends with a newline or with `end`. `BufRead` would wait for a newline.
fn read_line(mut terminal: &std::io::Stdin, end: u8) -> std::io::Result<Vec<u8>> {
    let (mut line, mut buffer) = (Vec::new(), [0; 4096]);
    while !line.ends_with(b"\n") && !line.ends_with(&[end]) {
        match terminal.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => line.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(line)
}
