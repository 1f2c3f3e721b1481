/// Unpacks a layer into `directory`, which exists and is empty. It is read once and not stored
/// first: a layer may be larger than the memory, and writing it to disk and reading it back would
/// be slow.
pub fn unpack(bytes: impl Read, blob: &Blob, diff_id: &str, directory: &Path, lost: &mut Lost) -> Result<()> {
    // A chain of readers. One byte more than the announced size is allowed, to notice a longer
    // blob.
    let mut compressed = Hashed::new(bytes.take(blob.size + 1));
    let mut plain = Hashed::new(match blob.kind.rsplit(['.', '+']).next() {
        // A gzip file may consist of several members (bgzip, estargz); a plain decoder would stop
        // after the first.
        Some("gzip") => Box::new(MultiGzDecoder::new(&mut compressed)) as Box<dyn Read>,
        Some("tar") => Box::new(&mut compressed),
        Some("zstd") => {
            return Err(anyhow!("it is compressed by zstd, and this lesson reads gzip and plain tar alone"))
                .context(
                    "hint: hull pull unpacks it; or have a copy made of it, and run DIRECTORY:TAG:\n      \
                          skopeo copy --dest-compress-format gzip docker://IMAGE oci:DIRECTORY:TAG",
                );
        }
        _ => bail!("it is of type {:?}, and this lesson unpacks tar and gzip alone", blob.kind),
    });
    let applied = apply(&mut plain, directory, lost);
    // The hashes cover everything, so the rest is read too: two zero blocks end a tar, and most
    // writers pad it to 10 KiB.
    let rest = io::copy(&mut plain, &mut io::sink()).context("read the layer");
    let found = plain.digest();
    // A wrong hash is reported before other errors, because it is their likely cause.
    io::copy(&mut compressed, &mut io::sink()).context("read the layer")?;
    compare(&blob.digest, &compressed.digest()).context("the layer's bytes")?;
    applied?;
    rest?;
    compare(diff_id, &found).context("the layer's tar")
}
