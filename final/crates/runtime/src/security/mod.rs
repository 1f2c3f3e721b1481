//! Restrictions of a container's programs: capabilities, seccomp filter, labels, and docker's defaults for them.
//!
//! ```text
//! defaults        docker's capabilities, hidden paths, device rules
//! capabilities    names to bits, bits to the kernel
//! labels          AppArmor's profile and SELinux's label
//! seccomp/        policy: JSON to rules; compile: rules to BPF; cache: compiled once
//! ```

pub mod capabilities;
pub mod defaults;
pub(crate) mod labels;
pub mod seccomp;
