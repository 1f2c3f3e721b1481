/// Unpacks a layer into `directory`, which exists and is empty. The layer is read only once, and is
/// not stored first: it may be larger than the memory, and it would take longer to write it to disk
/// and to read it again.
pub fn unpack(bytes: impl Read, blob: &Blob, diff_id: &str, directory: &Path, lost: &mut Lost) -> Result<()> {
    // A chain of readers, each of which reads from the one before. The limit is one byte above the
    // announced size, so that a longer blob has another hash.
    let mut compressed = Hashed::new(bytes.take(blob.size + 1));
    let mut plain = Hashed::new(match blob.kind.rsplit(['.', '+']).next() {
        // A gzip file may consist of several members (bgzip, estargz). A plain decoder would stop
        // after the first member.
        Some("gzip") => Box::new(MultiGzDecoder::new(&mut compressed)) as Box<dyn Read>,
        Some("tar") => Box::new(&mut compressed),
        Some("zstd") => {
            return Err(anyhow!("it is compressed by zstd, and this step reads only gzip and plain tar"))
                .context(
                    "hint: hull pull reads zstd; or make a gzip copy, and run DIRECTORY:TAG:\n      \
                      skopeo copy --dest-compress-format gzip docker://IMAGE oci:DIRECTORY:TAG",
                );
        }
        _ => bail!("it is of type {:?}, and this step reads only gzip and plain tar", blob.kind),
    });
    let applied = apply(&mut plain, directory, lost);
    // The hashes cover all bytes, so the rest is read too: two blocks of zeros end a tar, and most
    // programs pad a tar to 10 KiB.
    let rest = io::copy(&mut plain, &mut io::sink()).context("read the layer");
    let found = plain.digest();
    // A wrong hash is reported before any other error, because wrong bytes are the likely cause.
    io::copy(&mut compressed, &mut io::sink()).context("read the layer")?;
    compare(&blob.digest, &compressed.digest()).context("the layer's bytes")?;
    applied?;
    rest?;
    compare(diff_id, &found).context("the layer's tar")
}
