/// Follows an index to the manifest for this platform. An index lists manifests, or other indexes,
/// and names the platform of each.
pub fn choose(source: &mut Source, mut top: Value) -> Result<Value> {
    let (os, architecture) = platform();
    // A limit, because a hostile index could name another index without end.
    for _ in 0..4 {
        // A document without a list of manifests is the manifest itself.
        let Some(manifests) = top["manifests"].as_array() else { return Ok(top) };
        let fits = |found: &&Value| {
            let platform = &found["platform"];
            // An index with a single manifest may leave out the platform.
            platform.is_null() || (platform["os"] == os && platform["architecture"] == architecture)
        };
        let Some(found) = manifests.iter().find(fits) else {
            bail!("no manifest for {os}/{architecture}; there are: {}", platforms(manifests));
        };
        top = source.json(&Blob::new(found)?).context("manifest")?;
    }
    bail!("more than four indexes, each in another one");
}
