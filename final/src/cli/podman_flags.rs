//! Flags of `run` and `create` that podman has and docker has not.

use clap::Args;
use hull_engine::options::ProcessExtras;

// No doc comment: clap would print it as the help of the verb it is flattened into.
#[derive(Debug, Args)]
#[command(next_help_heading = "Process")]
pub struct PodmanArgs {
    /// Set all variables of this command's environment
    #[arg(long)]
    pub env_host: bool,
    /// Leave out a variable that the image or hull sets
    #[arg(long, value_name = "NAME")]
    pub unsetenv: Vec<String>,
    /// Leave out all variables that the image and hull set
    #[arg(long)]
    pub unsetenv_all: bool,
    /// The umask, in octal
    #[arg(long, value_name = "MASK", value_parser = umask)]
    pub umask: Option<u32>,
    /// Leave the image's /etc/hosts as it is
    #[arg(long, help_heading = "Network", conflicts_with = "add_host")]
    pub no_hosts: bool,
    /// Leave the image's /etc/hostname as it is
    #[arg(long, help_heading = "Network")]
    pub no_hostname: bool,
}

fn umask(text: &str) -> Result<u32, String> {
    let mask = u32::from_str_radix(text, 8).ok().filter(|mask| *mask <= 0o777);
    mask.ok_or_else(|| "it is 0000 to 0777".into())
}

impl PodmanArgs {
    pub fn options(&self) -> ProcessExtras {
        ProcessExtras {
            umask: self.umask,
            unset_env: self.unsetenv.clone(),
            unset_all_env: self.unsetenv_all,
            no_hosts: self.no_hosts,
            no_hostname: self.no_hostname,
        }
    }
}
