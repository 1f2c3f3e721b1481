/// What the result of a step depends on. Two steps with equal inputs have the same key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// The key of the step below: none for a copy with `--link`, which does not depend on it.
    pub parent: Option<Key>,
    /// The instruction after expansion: its name, words and flags.
    pub instruction: Vec<String>,
    /// Everything else by its name: variables (`env PATH`), the user, the working directory, mounts.
    pub settings: BTreeMap<String, String>,
    /// What is read from build contexts, stages and images: the place and the path, and the digest of contents, modes and
    /// owners.
    pub files: BTreeMap<String, Digest>,
}
