//! Compiled filters on disk, named by the digest of what they were compiled from.
//!
//! The directory is in the run root, which only its owner can write to. A file holds a digest of its program, and one that
//! is damaged is compiled again: the kernel would refuse the filter, or the container would get a wrong one.

use std::path::Path;

use hull_sys::security::Instruction;
use sha2::{Digest, Sha256};

use super::{Program, compile};
use crate::error::Result;
use crate::spec::Seccomp;

/// Part of the name, so that files of another version of the compiler, or of another format, are not used.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), ":2");

/// The compiled filter, from the cache if it is there. Without a directory that can be written, nothing is cached.
pub fn compile_cached(policy: &Seccomp, directory: Option<&Path>) -> Result<Program> {
    let (Some(directory), Ok(text)) = (directory, serde_json::to_vec(policy)) else { return compile(policy) };
    let digest = Sha256::new().chain_update(VERSION).chain_update(&text).finalize();
    let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = directory.join(name);
    if let Some(program) = std::fs::read(&path).ok().and_then(|bytes| decode(&bytes)) {
        return Ok(program);
    }
    let program = compile(policy)?;
    let _ = store(&path, &encode(&program));
    Ok(program)
}

/// Writes a temporary file and renames it, because two containers may start at once.
fn store(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let beside = path.with_extension(std::process::id().to_string());
    let stored = std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, path));
    stored.inspect_err(|_| drop(std::fs::remove_file(&beside)))
}

/// The program, and a digest of it.
fn encode(program: &Program) -> Vec<u8> {
    let mut bytes = program.flags.to_le_bytes().to_vec();
    for instruction in &program.instructions {
        bytes.extend(instruction.code.to_le_bytes());
        bytes.extend([instruction.jt, instruction.jf]);
        bytes.extend(instruction.k.to_le_bytes());
    }
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Program> {
    let (bytes, digest) = bytes.split_last_chunk::<32>()?;
    if Sha256::digest(bytes)[..] != digest[..] {
        return None;
    }
    let (flags, code) = bytes.split_first_chunk::<8>()?;
    let (chunks, []) = code.as_chunks::<8>() else { return None };
    let instructions = chunks.iter().map(|&[a, b, jt, jf, k0, k1, k2, k3]| Instruction {
        code: u16::from_le_bytes([a, b]),
        jt,
        jf,
        k: u32::from_le_bytes([k0, k1, k2, k3]),
    });
    let instructions: Vec<Instruction> = instructions.collect();
    (!instructions.is_empty()).then_some(Program { flags: u64::from_le_bytes(*flags), instructions })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::seccomp::default_policy;

    #[test]
    fn a_program_is_the_same_from_the_cache() {
        let directory = std::env::temp_dir().join(format!("hull-seccomp-{}", std::process::id()));
        let policy = default_policy(&[]);
        let first = compile_cached(&policy, Some(&directory)).unwrap();
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
        assert_eq!(compile_cached(&policy, Some(&directory)).unwrap(), first);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_damaged_file_is_compiled_anew() {
        let directory = std::env::temp_dir().join(format!("hull-seccomp-damaged-{}", std::process::id()));
        let policy = default_policy(&[]);
        let first = compile_cached(&policy, Some(&directory)).unwrap();
        let file = std::fs::read_dir(&directory).unwrap().next().unwrap().unwrap().path();
        let whole = std::fs::read(&file).unwrap();
        let mut changed = whole.clone();
        changed[100] ^= 1;
        for damaged in [changed, whole[..64].to_vec(), b"{}".repeat(100), vec![]] {
            std::fs::write(&file, damaged).unwrap();
            assert_eq!(compile_cached(&policy, Some(&directory)).unwrap(), first);
            assert_eq!(std::fs::read(&file).unwrap(), whole);
        }
        std::fs::remove_dir_all(directory).unwrap();
    }
}
