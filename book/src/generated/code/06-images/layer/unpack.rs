/// Unpacks into `directory`, which exists and is empty.
pub fn unpack(bytes: impl Read, blob: &Blob, diff_id: &str, directory: &Path, lost: &mut Lost) -> Result<()> {
    // Readers in readers: whoever reads from the last one moves bytes through all. One byte more than announced shows
    // that there is more.
    let mut compressed = Hashed::new(bytes.take(blob.size + 1));
    let mut plain = Hashed::new(match blob.kind.rsplit(['.', '+']).next() {
        Some("gzip") => Box::new(MultiGzDecoder::new(&mut compressed)) as Box<dyn Read>,
        Some("tar") => Box::new(&mut compressed),
        _ => bail!("a layer of type {}: this lesson unpacks tar and gzip alone", blob.kind),
    });
    let applied = apply(&mut plain, directory, lost);
    // A tar may go on behind its end, and the hashes are of everything.
    let rest = io::copy(&mut plain, &mut io::sink()).context("read the layer");
    let found = plain.digest();
    // Broken bytes break more than a hash; the hash is the reason to give.
    io::copy(&mut compressed, &mut io::sink()).context("read the layer")?;
    compare(&blob.digest, &compressed.digest()).context("the layer's bytes")?;
    applied?;
    rest?;
    compare(diff_id, &found).context("the layer's tar")
}
