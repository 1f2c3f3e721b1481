//! What can be read, but hardly means what it says.

use super::command::split;
use crate::path::Path;
use crate::{Node, Value, Warn};

/// Switches that are still texts in the merged document. Interpolation warns of the others.
const SWITCHES: [&str; 10] = [
    "services.*.attach",
    "services.*.build.no_cache",
    "services.*.build.pull",
    "services.*.build.privileged",
    "services.*.depends_on.*.restart",
    "services.*.env_file.*.required",
    "services.*.post_start.*.privileged",
    "services.*.pre_stop.*.privileged",
    "services.*.use_api_socket",
    "services.*.volumes.*.bind.create_host_path",
];

const COMMANDS: [&str; 5] = [
    "services.*.command",
    "services.*.entrypoint",
    "services.*.post_start.*.command",
    "services.*.pre_stop.*.command",
    "services.*.develop.watch.*.exec.command",
];

const SIZES: [&str; 11] = [
    "services.*.mem_limit",
    "services.*.mem_reservation",
    "services.*.memswap_limit",
    "services.*.mem_swappiness",
    "services.*.shm_size",
    "services.*.build.shm_size",
    "services.*.blkio_config.device_read_bps.*.rate",
    "services.*.blkio_config.device_read_iops.*.rate",
    "services.*.blkio_config.device_write_bps.*.rate",
    "services.*.blkio_config.device_write_iops.*.rate",
    "services.*.volumes.*.tmpfs.size",
];

/// What the schema has, but Compose's types have not.
const IGNORED: [&str; 2] = ["services.*.pull_refresh_after", "networks.*.ipam.options"];

/// Warns of what Compose takes in a way that few expect, in a document in the canonical form: switches of YAML 1.1 (`yes`),
/// commands that lose a part, and sizes that are ignored.
pub fn discouraged(document: &Node, warn: &mut Warn<'_>) {
    walk(document, &Path::ROOT, warn);
}

fn walk(node: &Node, path: &Path<'_>, warn: &mut Warn<'_>) {
    if let Value::Mapping(entries) = &node.value
        && path.is("services.*.gpus.*")
    {
        const KNOWN: [&str; 5] = ["capabilities", "driver", "count", "device_ids", "options"];
        let unknown =
            entries.iter().filter(|(key, _)| !KNOWN.contains(&key.as_str()) && !key.starts_with("x-"));
        unknown.for_each(|(key, entry)| {
            warn(format!("{path}.{key}: is ignored, as by Docker Compose"), entry.key)
        });
    }
    if IGNORED.iter().any(|pattern| path.is(pattern)) {
        warn(format!("{path}: is ignored, as by Docker Compose"), node.place);
        return;
    }
    match &node.value {
        Value::Mapping(entries) => {
            entries.iter().for_each(|(key, entry)| walk(&entry.node, &path.key(key), warn));
        }
        Value::Sequence(items) => {
            items.iter().enumerate().for_each(|(index, item)| walk(item, &path.index(index), warn));
        }
        Value::String(text) if SWITCHES.iter().any(|pattern| path.is(pattern)) => {
            let value = match text.to_lowercase().as_str() {
                "y" | "yes" | "on" => true,
                "n" | "no" | "off" => false,
                _ => return,
            };
            let why = format!("{text:?} for boolean is not supported by YAML 1.2, please use `{value}`");
            warn(why, node.place);
        }
        Value::Float(_) if SIZES.iter().any(|pattern| path.is(pattern)) => {
            let why = format!(
                "{path}: a size with a fraction or an exponent is ignored; write whole bytes, or 64m"
            );
            warn(why, node.place);
        }
        Value::String(text) if COMMANDS.iter().any(|pattern| path.is(pattern)) => {
            if let Some((_, rest)) = split(text)
                && !rest.is_empty()
            {
                let why = format!(
                    "{path}: there is no shell, {rest:?} is dropped; write it as [sh, -c, …] to run one"
                );
                warn(why, node.place);
            }
        }
        _ => {}
    }
}
