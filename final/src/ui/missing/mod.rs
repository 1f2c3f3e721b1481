//! What others have and hull has not: a sentence for each, which says what to use instead, or why there is nothing.
//!
//! ```text
//! docker, podman, lxd, buildah, skopeo   the verbs and flags of each; what two have is in the first of these
//! peers/*.txt                            the names of all their verbs and flags, for the test that none is forgotten
//! ```

mod buildah;
mod docker;
mod lxd;
mod podman;
mod skopeo;
#[cfg(test)]
mod tests;

use hull_usage::Lacking;

/// A verb's full name without the program's, and the sentence. It answers for its subcommands, too.
type Verbs = &'static [(&'static str, &'static str)];

/// Verbs with a comma between two, flags with a space between two, and the sentence. The verbs are `.` for the program's
/// own flags; `run` stands for `container run` too, and so on.
type Flags = &'static [(&'static str, &'static str, &'static str)];

const VERBS: [Verbs; 5] = [docker::VERBS, podman::VERBS, lxd::VERBS, buildah::VERBS, skopeo::VERBS];
const FLAGS: [Flags; 5] = [docker::FLAGS, podman::FLAGS, lxd::FLAGS, buildah::FLAGS, skopeo::FLAGS];

/// For [`hull_usage::explain`].
pub const LACKING: Lacking = Lacking { verb, flag };

/// The sentence for a verb, such as `swarm init`. The longest entry that it begins with answers.
pub fn verb(typed: &str) -> Option<&'static str> {
    let is_of =
        |name: &str| typed.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let entries = VERBS.iter().copied().flatten().filter(|(name, _)| is_of(name));
    entries.max_by_key(|(name, _)| name.len()).map(|(_, sentence)| *sentence)
}

/// The sentence for a flag, such as `--gpus`, of a verb that exists.
fn flag(verb: &str, flag: &str) -> Option<&'static str> {
    let verb = plain(verb);
    let is_of = |verbs: &str, flags: &str| {
        verbs.split(", ").any(|one| one == verb) && flags.split(' ').any(|one| one == flag)
    };
    let mut entries = FLAGS.iter().copied().flatten();
    entries.find(|(verbs, flags, _)| is_of(verbs, flags)).map(|(.., sentence)| *sentence)
}

/// The short name of a verb that has two.
fn plain(verb: &str) -> &str {
    match verb {
        "" => ".",
        "image ls" => "images",
        "image rm" => "rmi",
        "builder build" | "buildx build" => "build",
        "container prune" => verb,
        _ => match verb.strip_prefix("image ") {
            Some(
                short @ ("build" | "history" | "import" | "load" | "pull" | "push" | "save" | "search"
                | "tag" | "untag"),
            ) => short,
            _ => verb.strip_prefix("container ").unwrap_or(verb),
        },
    }
}
