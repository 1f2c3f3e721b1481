//! Random identifiers.

use crate::error::{IoContext, Result};

pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .context(|| "get random bytes".into())?;
    Ok(bytes)
}

pub(crate) fn random_id() -> Result<String> {
    Ok(hex(&random::<32>()?))
}

/// A random id in the format of machine-id(5).
pub(crate) fn random_machine_id() -> Result<String> {
    Ok(hex(&random::<16>()?))
}

/// The id of a build's step. It is half as long as a container's, so nothing that looks for containers finds the step.
pub(crate) fn random_step_id() -> Result<String> {
    Ok(hex(&random::<16>()?))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
