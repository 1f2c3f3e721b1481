//! Files for cloud-init, from which it configures a system at its first boot: the data source NoCloud.

use std::path::Path;

use crate::error::Result;
use crate::init::files::Files;
use crate::records::record::Record;

/// The directory in which cloud-init looks (its documentation, "NoCloud").
const DIRECTORY: &str = "/var/lib/cloud/seed/nocloud-net";

/// The files, each with the keys that have its content. The first key that is set counts.
const FILES: [(&str, &[&str]); 3] = [
    ("user-data", &["cloud-init.user-data", "user.user-data"]),
    ("vendor-data", &["cloud-init.vendor-data", "user.vendor-data"]),
    ("network-config", &["cloud-init.network-config", "user.network-config"]),
];

/// A configuration with nothing in it.
const NOTHING: &str = "#cloud-config\n{}\n";

/// Writes the files into the root that is mounted at `rootfs`, before a process of the container runs. Nothing is written for a
/// container without such keys.
pub(crate) fn write(record: &Record, rootfs: &Path) -> Result<()> {
    let files = files(record);
    if files.is_empty() {
        return Ok(());
    }
    Files::with(record, rootfs, |own| {
        files.iter().try_for_each(|(name, content)| {
            let path = Path::new(DIRECTORY).join(name);
            match content {
                Some(content) => own.put(&path, content.as_bytes()),
                None => own.remove(&path),
            }
        })
    })
}

/// The names of the files and their contents. `None`: the file is removed.
fn files(record: &Record) -> Vec<(&'static str, Option<String>)> {
    let key = |names: &[&str]| names.iter().find_map(|name| record.instance.key(name));
    let more = record.instance.key("user.meta-data");
    if more.is_none() && FILES.iter().all(|(_, names)| key(names).is_none()) {
        return vec![];
    }
    // For another instance-id cloud-init configures the system again, as a new machine.
    let meta = format!("instance-id: {}\nlocal-hostname: {}\n", record.id, record.hostname);
    let mut files = vec![("meta-data", Some(meta + more.unwrap_or_default()))];
    for (name, names) in FILES {
        let content = key(names).map(str::to_owned);
        // cloud-init ignores a directory that lacks a required file, so these files always exist.
        files.push((name, content.or_else(|| (name != "network-config").then(|| NOTHING.into()))));
    }
    files
}
