//! LXD's flags `-s`, `-c`, `-d`, `-p` and `--no-profiles`, as changes of a container's settings.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use hull_engine::InstanceChanges;

use crate::cli::instance_flags::InstanceFlags;

pub fn changes(flags: &InstanceFlags) -> Result<InstanceChanges> {
    let mut devices: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for text in &flags.device {
        let (device, (key, value)) = device(text)?;
        devices.entry(device).or_default().insert(key, value);
    }
    let profiles = match (flags.no_profiles, flags.profile.is_empty()) {
        (true, _) => Some(vec![]),
        (false, true) => None,
        (false, false) => Some(flags.profile.clone()),
    };
    let config = flags.config.iter().map(|text| pair("--config", text)).collect::<Result<_>>()?;
    Ok(InstanceChanges { config, devices, profiles })
}

/// The same flags as words for the command line of another hull.
pub fn words(flags: &InstanceFlags) -> Vec<String> {
    let lists = [("--config", &flags.config), ("--device", &flags.device), ("--profile", &flags.profile)];
    let lists = lists.into_iter().flat_map(|(flag, values)| values.iter().map(move |value| (flag, value)));
    let storage = flags.storage.iter().map(|pool| ("--storage", pool));
    let words = storage.chain(lists).map(|(flag, value)| format!("{flag}={value}"));
    words.chain(flags.no_profiles.then(|| "--no-profiles".to_owned())).collect()
}

/// `DEVICE,KEY=VALUE`. The value may have commas.
pub(super) fn device(text: &str) -> Result<(String, (String, String))> {
    match text.split_once(',').filter(|(name, _)| !name.is_empty() && !name.contains('=')) {
        Some((name, keys)) => Ok((name.to_owned(), pair("--device", keys)?)),
        None => bail!("--device {text:?} is not DEVICE,KEY=VALUE, as in root,size=5GiB"),
    }
}

fn pair(flag: &str, text: &str) -> Result<(String, String)> {
    match text.split_once('=').filter(|(key, _)| !key.is_empty()) {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => bail!("{flag} {text:?} is not KEY=VALUE, as in limits.memory=1GiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_changes_and_words() {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let flags = InstanceFlags {
            storage: Some("fast".into()),
            config: list(&["user.note=a b", "limits.cpu="]),
            device: list(&["eth0,network=br0", "eth0,hwaddr=", "eth0,name=a,b"]),
            profile: list(&["web"]),
            no_profiles: false,
        };
        let changes = changes(&flags).unwrap();
        assert_eq!(changes.config["limits.cpu"], "");
        assert_eq!(changes.devices["eth0"].len(), 3);
        assert_eq!(changes.profiles, Some(list(&["web"])));
        assert_eq!(words(&flags)[..2], list(&["--storage=fast", "--config=user.note=a b"]));
        for wrong in ["eth0", "a=b,c=d", ",a=b", "eth0,x"] {
            let flags = InstanceFlags { device: list(&[wrong]), ..InstanceFlags::default() };
            assert!(super::changes(&flags).is_err(), "{wrong}");
        }
    }
}
