//! Helpers of the verbs that talk to registries.

use anyhow::{Result, bail};
use hull_image::registry::{Access, AccessOptions, Credential};

use super::daemon::{self, Daemon};
use crate::cli::registry as cli;
use crate::environment;

pub fn access(args: &cli::Access) -> Result<Access> {
    access_with_chunk(args, None)
}

pub fn access_with_chunk(args: &cli::Access, chunk: Option<u64>) -> Result<Access> {
    Ok(Access::new(options(args, chunk)?)?)
}

pub fn options(args: &cli::Access, chunk: Option<u64>) -> Result<AccessOptions> {
    let credential = args.creds.as_deref().map(credential).transpose()?;
    Ok(AccessOptions {
        auth_file: args.authfile.clone(),
        credential,
        certificates: args.cert_dir.clone(),
        verify: args.tls_verify,
        chunk,
        ..default_options(daemon::read()?)
    })
}

/// What the environment and daemon.json say about registries.
pub fn default_options(daemon: &Daemon) -> AccessOptions {
    AccessOptions {
        environment: environment::registry(),
        mirrors: daemon.registry_mirrors.clone(),
        insecure: daemon.insecure_registries.clone(),
        ..AccessOptions::default()
    }
}

fn credential(text: &str) -> Result<Credential> {
    match text.split_once(':') {
        Some((user, password)) if !user.is_empty() => {
            Ok(Credential::Password { user: user.into(), password: password.into() })
        }
        // The error does not quote the value, because it may be the password.
        _ => bail!("--creds takes USER:PASSWORD"),
    }
}
