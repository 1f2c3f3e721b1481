/// Reads an index, a manifest or a config. The digest is checked before the JSON is parsed,
/// because a parser is a larger attack surface than a hash.
fn json(&mut self, blob: &Blob) -> Result<Value> {
    let mut bytes = Vec::new();
    match self {
        // A registry has manifests and blobs under different URLs.
        Self::Registry(registry) if MANIFESTS.contains(&&*blob.kind) => {
            bytes = registry.manifest(&blob.digest)?;
        }
        _ => {
            ensure!(blob.size <= 4 << 20, "{} has {} bytes of JSON", blob.digest, blob.size);
            self.open(blob)?.take(blob.size + 1).read_to_end(&mut bytes).context("read")?;
        }
    }
    digest::compare(&blob.digest, &digest::of(&bytes))?;
    serde_json::from_slice(&bytes).with_context(|| blob.digest.clone())
}
