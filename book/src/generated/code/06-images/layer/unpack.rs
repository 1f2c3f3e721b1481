/// Unpacks into `directory`, which exists and is empty.
/// In one pass, and no copy of the compressed bytes is kept: a layer may be larger than the memory, and a disk
/// is slow to read what it has just written.
pub fn unpack(bytes: impl Read, blob: &Blob, diff_id: &str, directory: &Path, lost: &mut Lost) -> Result<()> {
    // Readers in readers: whoever reads from the last one moves bytes through all. One byte more than announced shows
    // that there is more.
    let mut compressed = Hashed::new(bytes.take(blob.size + 1));
    let mut plain = Hashed::new(match blob.kind.rsplit(['.', '+']).next() {
        // Multi: a gzip file may be several on end, as bgzip and estargz write it. A plain decoder stops after
        // the first and calls that the end.
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
    // A tar may go on behind its end, and the hashes are of everything.
    // Two blocks of zeroes end a tar. Most writers fill up to 10 KiB behind these, and every byte of it was hashed.
    let rest = io::copy(&mut plain, &mut io::sink()).context("read the layer");
    let found = plain.digest();
    // Broken bytes break more than a hash; the hash is the reason to give.
    io::copy(&mut compressed, &mut io::sink()).context("read the layer")?;
    compare(&blob.digest, &compressed.digest()).context("the layer's bytes")?;
    applied?;
    rest?;
    compare(diff_id, &found).context("the layer's tar")
}
