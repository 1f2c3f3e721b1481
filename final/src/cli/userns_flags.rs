//! The flags of `run` and `create` for a user namespace, as podman has them.

use clap::Args;

// No doc comment: clap would print it as the help of the verb it is flattened into.
#[derive(Debug, Args)]
#[command(next_help_heading = "Isolation")]
pub struct UsernsArgs {
    /// Choose the user namespace: host, private, auto[:size=N], keep-id[:uid=N,gid=N], nomap or container:NAME
    #[arg(long, value_name = "NAMESPACE")]
    pub userns: Option<String>,
    /// Map user ids: INSIDE:OUTSIDE:COUNT
    #[arg(long, value_name = "MAPPING")]
    pub uidmap: Vec<String>,
    /// Map group ids: INSIDE:OUTSIDE:COUNT
    #[arg(long, value_name = "MAPPING")]
    pub gidmap: Vec<String>,
    /// Map the user ids that /etc/subuid gives to a name
    #[arg(long, value_name = "NAME")]
    pub subuidname: Option<String>,
    /// Map the group ids that /etc/subgid gives to a name
    #[arg(long, value_name = "NAME")]
    pub subgidname: Option<String>,
}
