//! The verbs that talk to registries.

use std::path::PathBuf;

use clap::Args;

// Credentials and certificates. No doc comment: clap would print it as the help of the verb it is flattened into.
#[derive(Debug, Clone, Default, Args)]
pub struct Access {
    /// The file of credentials [default: docker's config.json and podman's auth.json]
    #[arg(long, value_name = "FILE")]
    pub authfile: Option<PathBuf>,
    /// A directory with the registry's CA certificate (*.crt) and a client certificate (*.cert, *.key)
    #[arg(long, value_name = "DIR")]
    pub cert_dir: Option<PathBuf>,
    /// Name and password for this command only
    #[arg(long, value_name = "USER:PASSWORD")]
    pub creds: Option<String>,
    /// Verify the registry's certificate [default: true, except for this machine's own addresses]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub tls_verify: Option<bool>,
}

#[derive(Debug, Args)]
pub struct Pull {
    /// Fetch all tags of the repository
    #[arg(short, long)]
    pub all_tags: bool,
    /// Choose another platform than that of this machine: OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
    /// Print only the images' names
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub access: Access,
    #[arg(required = true, value_name = "IMAGE")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Push {
    /// Send all tags of the repository
    #[arg(short, long)]
    pub all_tags: bool,
    /// Send large layers in pieces of this size, for a proxy that refuses more, such as 500m or 1g
    #[arg(long, value_name = "SIZE")]
    pub chunk_size: Option<String>,
    /// Write the digest to a file
    #[arg(long, value_name = "FILE")]
    pub digestfile: Option<PathBuf>,
    /// Print only the digest
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub access: Access,
    #[arg(value_name = "IMAGE")]
    pub name: String,
    /// The destination [default: the image's own name]
    #[arg(value_name = "TARGET")]
    pub target: Option<String>,
}

#[derive(Debug, Args)]
pub struct Login {
    /// Print the name of the user who is logged in
    #[arg(long)]
    pub get_login: bool,
    #[arg(short, long, value_name = "PASSWORD")]
    pub password: Option<String>,
    /// Read the password from stdin
    #[arg(long, conflicts_with = "password")]
    pub password_stdin: bool,
    #[arg(short, long, value_name = "USER")]
    pub username: Option<String>,
    #[command(flatten)]
    pub access: Access,
    /// [default: docker.io]
    #[arg(value_name = "REGISTRY")]
    pub registry: Option<String>,
}

#[derive(Debug, Args)]
pub struct Logout {
    /// The file of credentials
    #[arg(long, value_name = "FILE")]
    pub authfile: Option<PathBuf>,
    /// [default: docker.io]
    #[arg(value_name = "REGISTRY")]
    pub registry: Option<String>,
}

#[derive(Debug, Args)]
pub struct Search {
    /// Show only what matches: is-official=true|false, stars=N
    #[arg(short, long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub limit: usize,
    /// Do not shorten long columns
    #[arg(long)]
    pub no_trunc: bool,
    #[command(flatten)]
    pub access: Access,
    /// The search term; REGISTRY/TERM searches only that registry
    #[arg(value_name = "[REGISTRY/]TERM")]
    pub term: String,
}

#[derive(Debug, Args)]
pub struct Tags {
    /// json, table, or a Go template
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    #[command(flatten)]
    pub access: Access,
    #[arg(value_name = "REPOSITORY")]
    pub name: String,
}
