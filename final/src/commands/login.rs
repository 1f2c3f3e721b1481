//! `login` and `logout`.

use std::io::{IsTerminal, Read, Write};

use anyhow::{Context, Result, bail};
use hull_image::registry::{self, Access, AccessOptions, Login as Kept};

use super::daemon;
use super::registry::access;
use crate::cli::registry::{Login, Logout};
use crate::environment;
use crate::ui::output;

pub fn login(args: &Login) -> Result<u8> {
    let registry = registry::name(args.registry.as_deref().unwrap_or_default());
    let access = access(&args.access)?;
    if args.get_login {
        let user = registry::logged_in(&access, registry)?;
        output::line(user.with_context(|| format!("not logged in to {registry}"))?)?;
        return Ok(0);
    }
    if args.password.is_some() {
        let _ = writeln!(
            std::io::stderr(),
            "WARNING! --password shows it to whoever lists processes; use --password-stdin."
        );
    }
    let user = match &args.username {
        Some(user) => user.clone(),
        None => ask("Username: ", false)?,
    };
    let password = match &args.password {
        Some(password) => password.clone(),
        None if args.password_stdin => {
            let mut password =
                std::io::read_to_string(std::io::stdin()).context("cannot read the password")?;
            password.truncate(password.trim_end_matches(['\n', '\r']).len());
            password
        }
        None => ask("Password: ", true)?,
    };
    if user.is_empty() || password.is_empty() {
        bail!("a name and a password are needed");
    }
    match registry::login(&access, registry, &user, &password)? {
        Kept::File(path) => {
            let note = "WARNING! Your password is stored there as it is; a credential helper keeps it safer.";
            let _ = writeln!(std::io::stderr(), "{}: {note}", path.display());
        }
        Kept::Helper(_) => {}
    }
    output::line("Login Succeeded")?;
    Ok(0)
}

pub fn logout(args: &Logout) -> Result<u8> {
    let registry = registry::name(args.registry.as_deref().unwrap_or_default());
    let access = Access::new(AccessOptions {
        environment: environment::registry(),
        auth_file: args.authfile.clone(),
        insecure: daemon::read()?.insecure_registries.clone(),
        ..AccessOptions::default()
    })?;
    match registry::logout(&access, registry)? {
        true => output::line(format!("Removing login credentials for {registry}"))?,
        false => output::line(format!("Not logged in to {registry}"))?,
    }
    Ok(0)
}

fn ask(question: &str, secret: bool) -> Result<String> {
    use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
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
