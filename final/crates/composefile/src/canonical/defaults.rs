//! Values of attributes that are missing.

use super::service::default;
use super::*;

/// Runs on the merged document, because a default must not win over what another file says.
pub fn set_defaults(document: &mut Node) -> Result<()> {
    each_below(document, "services", &Path::ROOT, |service, path| {
        child(service, "build", path, |build, _| {
            default(build, "context", string("."));
            Ok(())
        })?;
        each_below(service, "secrets", path, |secret, path| {
            let Value::Mapping(fields) = &secret.value else {
                return Err(wrong_kind(secret, path, "a mapping"));
            };
            let source =
                fields.get("source").map(|source| crate::model::text(&source.node, path)).transpose()?;
            default(secret, "target", string(format!("/run/secrets/{}", source.unwrap_or_default())));
            Ok(())
        })?;
        each_below(service, "ports", path, |port, _| {
            default(port, "protocol", string("tcp"));
            default(port, "mode", string("ingress"));
            Ok(())
        })?;
        each_below(service, "gpus", path, device_request)?;
        child(service, "deploy", path, |deploy, path| {
            child(deploy, "resources", path, |resources, path| {
                child(resources, "reservations", path, |reservations, path| {
                    each_below(reservations, "devices", path, device_request)
                })
            })
        })
    })
}

fn device_request(request: &mut Node, path: &Path<'_>) -> Result<()> {
    match &request.value {
        Value::Mapping(fields) => {
            if !fields.contains_key("device_ids") {
                default(request, "count", string("all"));
            }
            Ok(())
        }
        _ => Err(wrong_kind(request, path, "a mapping")),
    }
}
