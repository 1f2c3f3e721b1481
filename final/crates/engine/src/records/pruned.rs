//! What a pruning command has removed.

#[derive(Debug, Clone, Default)]
pub struct Pruned {
    pub containers: Vec<String>,
    pub images: Vec<String>,
    pub volumes: Vec<String>,
    pub networks: Vec<String>,
    /// Bytes that were freed.
    pub bytes: u64,
}
