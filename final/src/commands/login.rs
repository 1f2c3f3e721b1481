//! `login` and `logout`.

use std::io::Write;

use anyhow::{Context, Result, bail};
use hull_image::registry::{self, Access, AccessOptions, Login as Kept};

use super::daemon;
use super::registry::access;
use crate::cli::registry::{Login, Logout};
use crate::environment;
use crate::ui::output;
use crate::ui::terminal::ask;

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
            "WARNING! --password shows it to every user who lists processes; use --password-stdin."
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
