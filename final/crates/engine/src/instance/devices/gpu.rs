//! `gpu`: a CDI device. Its CDI specification says which nodes and files belong to it.

use super::Named;
use crate::engine::Engine;
use crate::error::Result;

/// Checks that the CDI device exists, and returns its name.
pub(super) fn plan(engine: &Engine, device: &Named<'_>) -> Result<String> {
    if let Some(key) = ["gid", "mode", "pci", "productid", "uid", "vendorid"]
        .into_iter()
        .find(|key| device.get(key).is_some())
    {
        return Err(device.unsupported(&format!("{key}= is what the CDI specification says")));
    }
    if let Some(kind) = device.get("gputype").filter(|kind| *kind != "physical") {
        return Err(device.unsupported(&format!("gputype={kind}; a CDI device can stand for it")));
    }
    let id = device.get("id").ok_or_else(|| {
        device.invalid("it needs id= with the name of a CDI device, such as nvidia.com/gpu=0")
    })?;
    if !id.split_once('=').is_some_and(|(kind, name)| kind.contains('/') && !name.is_empty()) {
        return Err(device.wrong("id", "a CDI device is called vendor/class=name"));
    }
    engine.cdi_edits(&[crate::spec::cdi_request(vec![id.to_owned()])])?;
    Ok(id.to_owned())
}
