//! The engine's errors in dockerd's words, which clients look for.

use hull_engine::Error;
use hull_image::reference::Reference;
use hull_storage::Error as Storage;

/// dockerd's sentence, or `None` where it has none that a client looks for.
pub fn worded(error: &Error) -> Option<String> {
    Some(match error {
        Error::WithUndo { first, .. } => return worded(first),
        Error::WrongState { verb, name, state } => wrong_state(verb, name, state),
        Error::InUse { name, state: state @ "paused" } => {
            format!("cannot remove container \"{name}\": container is {state} and must be unpaused first")
        }
        Error::InUse { name, state } => format!(
            "cannot remove container \"{name}\": container is {state}: stop the container before removing or force remove"
        ),
        Error::Storage(Storage::NameTaken { name, id }) => format!(
            "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have to remove (or \
             rename) that container to be able to reuse that name."
        ),
        Error::Storage(Storage::InvalidName { what: "container", name }) => {
            format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
        }
        Error::NoSuchUser { user, file } => {
            let kind = if file.ends_with("group") { "group" } else { "user" };
            let file = file.file_name().unwrap_or_default().display();
            format!("unable to find {kind} {user}: no matching entries in {file} file")
        }
        Error::Image(hull_image::Error::NoSuchImage { name, .. }) => no_such_image(name),
        Error::NoSuchDriver(driver) => format!("plugin {driver:?} not found"),
        Error::NoSuchNetwork(name) => format!("network {name} not found"),
        Error::Storage(Storage::NoSuchVolume(name)) => format!("get {name}: no such volume"),
        Error::Storage(Storage::InvalidName { what: "volume", name }) => format!(
            "create {name}: {name:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are \
             allowed. If you intended to pass a host directory, use absolute path"
        ),
        _ => return None,
    })
}

/// The sentence for an image that does not exist: a name gets the tag that it stands for.
pub fn no_such_image(name: &str) -> String {
    let shown = Reference::parse(name).map_or_else(|_| name.to_owned(), |name| name.familiar());
    format!("No such image: {shown}")
}

fn wrong_state(verb: &str, name: &str, state: &str) -> String {
    match (verb, state) {
        ("start", "paused") => "cannot start a paused container, try unpause instead".into(),
        ("pause", "paused") => format!("container {name} is already paused"),
        ("unpause", _) => format!("Container {name} is not paused"),
        ("exec in", "paused") => format!("Container {name} is paused, unpause the container before exec"),
        ("attach to", "paused") => format!("container {name} is paused, unpause the container before attach"),
        (_, "restarting") => format!("Container {name} is restarting, wait until the container is running"),
        ("exec in" | "resize", "not running") => format!("Container {name} is not running"),
        (_, "not running") => format!("container {name} is not running"),
        (_, state) => format!("container {name} is {state}"),
    }
}

/// The text with the kernel's reasons as Go writes them, in lower case. docker's client finds the exit code of `run` in them:
/// 126 for "permission denied", 127 for "no such file or directory".
pub fn as_go_writes(text: &str) -> String {
    const REASONS: [&str; 4] =
        ["Permission denied", "No such file or directory", "Is a directory", "Not a directory"];
    REASONS.iter().fold(text.to_owned(), |text, reason| {
        text.replace(&format!(": {reason}"), &format!(": {}", reason.to_lowercase()))
    })
}
