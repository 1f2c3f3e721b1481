//! Compiled filters on disk, named by what they were compiled from: the digest of a policy, or the capabilities for which the
//! default policy was taken. The latter's name is known without the policy, which every start would otherwise parse.
//!
//! The directory is in the run root, which only its owner can write to. A file holds a checksum of its program, and one that
//! is damaged is compiled again: the kernel would refuse the filter, or the container would get a wrong one.

use std::path::Path;

use hull_sys::security::Instruction;
use sha2::{Digest, Sha256};

use super::policy::DEFAULT;
use super::{Program, compile, default_policy};
use crate::error::Result;
use crate::spec::{Seccomp, Spec};

/// Part of the name, so that files of another version of the compiler, or of another format, are not used.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), ":3");

/// The default policy's part of the name.
const DEFAULT_CHECKSUM: u64 = checksum(DEFAULT.as_bytes());

/// Where the filter of a process comes from.
#[derive(Debug, Clone, Copy)]
pub enum Filter<'a> {
    /// The policy in the spec, if it has one. Compiled filters are kept in `cache`, if it is given and can be written.
    OfSpec { cache: Option<&'a Path> },
    /// docker's default policy for a container with these capabilities. The spec has none.
    Default { capabilities: &'a [String], cache: &'a Path },
}

impl Filter<'_> {
    /// The compiled filter, from the cache if it is there.
    pub(crate) fn compile(&self, spec: &Spec) -> Result<Option<Program>> {
        match *self {
            Self::OfSpec { cache } => {
                let policy = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
                policy.map(|policy| compile_cached(policy, cache)).transpose()
            }
            Self::Default { capabilities, cache } => {
                let name = checksum(capabilities.join(",").as_bytes());
                let path = cache.join(format!("default-{VERSION}-{DEFAULT_CHECKSUM:x}-{name:x}"));
                cached(&path, || compile(&default_policy(capabilities))).map(Some)
            }
        }
    }
}

fn compile_cached(policy: &Seccomp, directory: Option<&Path>) -> Result<Program> {
    let (Some(directory), Ok(text)) = (directory, serde_json::to_vec(policy)) else { return compile(policy) };
    let digest = Sha256::new().chain_update(VERSION).chain_update(&text).finalize();
    let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    cached(&directory.join(name), || compile(policy))
}

fn cached(path: &Path, compile: impl FnOnce() -> Result<Program>) -> Result<Program> {
    if let Some(program) = std::fs::read(path).ok().and_then(|bytes| decode(&bytes)) {
        return Ok(program);
    }
    let program = compile()?;
    let _ = store(path, &encode(&program));
    Ok(program)
}

/// FNV-1a of 64 bits. It finds damage; nobody who could deceive it may write to the directory.
const fn checksum(bytes: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < bytes.len() {
        sum = (sum ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    sum
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

/// The program, and its checksum.
fn encode(program: &Program) -> Vec<u8> {
    let mut bytes = program.flags.to_le_bytes().to_vec();
    for instruction in &program.instructions {
        bytes.extend(instruction.code.to_le_bytes());
        bytes.extend([instruction.jt, instruction.jf]);
        bytes.extend(instruction.k.to_le_bytes());
    }
    bytes.extend(checksum(&bytes).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Program> {
    let (bytes, sum) = bytes.split_last_chunk::<8>()?;
    if checksum(bytes) != u64::from_le_bytes(*sum) {
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

    /// One file for a policy that is given and one for the default policy.
    fn both(directory: &Path) -> [Program; 2] {
        let given = compile_cached(&default_policy(&[]), Some(directory)).unwrap();
        let default = Filter::Default { capabilities: &[], cache: directory };
        [given, default.compile(&Spec::default()).unwrap().unwrap()]
    }

    #[test]
    fn a_program_is_the_same_from_the_cache() {
        let directory = std::env::temp_dir().join(format!("hull-seccomp-{}", std::process::id()));
        let first = both(&directory);
        assert_eq!(first[0], first[1]);
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 2);
        assert_eq!(both(&directory), first);
        let administrator = ["CAP_SYS_ADMIN".to_owned()];
        let other = Filter::Default { capabilities: &administrator, cache: &directory };
        assert_ne!(other.compile(&Spec::default()).unwrap().unwrap(), first[0]);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_damaged_file_is_compiled_anew() {
        let directory = std::env::temp_dir().join(format!("hull-seccomp-damaged-{}", std::process::id()));
        let first = both(&directory);
        for file in std::fs::read_dir(&directory).unwrap() {
            let file = file.unwrap().path();
            let whole = std::fs::read(&file).unwrap();
            let mut changed = whole.clone();
            changed[100] ^= 1;
            for damaged in [changed, whole[..64].to_vec(), b"{}".repeat(100), vec![]] {
                std::fs::write(&file, damaged).unwrap();
                assert_eq!(both(&directory), first);
                assert_eq!(std::fs::read(&file).unwrap(), whole);
            }
        }
        std::fs::remove_dir_all(directory).unwrap();
    }
}
