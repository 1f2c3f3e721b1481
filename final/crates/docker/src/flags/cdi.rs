//! Names of CDI devices, which `--device` takes too: `VENDOR/CLASS=NAME`
//! (<https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md>).

use crate::wire::host_config::DeviceRequest;

/// The driver of a device request whose ids are names of CDI devices.
pub const DRIVER: &str = "cdi";

/// True for `vendor.com/class=name`. A path begins with `/`, and no vendor does.
pub fn is_name(text: &str) -> bool {
    split(text).is_some_and(|(kind, name)| is_kind(kind) && is_device(name))
}

/// The kind and the device's own name.
pub fn split(text: &str) -> Option<(&str, &str)> {
    text.split_once('=').filter(|(kind, name)| !kind.is_empty() && !name.is_empty())
}

/// `VENDOR/CLASS`: each begins with a letter and ends with a letter or a digit.
pub fn is_kind(text: &str) -> bool {
    let is_part =
        |part: &str| part.starts_with(|first: char| first.is_ascii_alphabetic()) && is_word(part, "_-.");
    text.split_once('/').is_some_and(|(vendor, class)| is_part(vendor) && is_part(class))
}

/// A device's own name: it begins and ends with a letter or a digit.
pub fn is_device(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && is_word(text, "_-.:")
}

fn is_word(text: &str, others: &str) -> bool {
    text.chars().all(|one| one.is_ascii_alphanumeric() || others.contains(one))
        && text.ends_with(|last: char| last.is_ascii_alphanumeric())
}

/// The request for devices by name, as docker's command line sends it.
pub fn request(names: Vec<String>) -> DeviceRequest {
    DeviceRequest { driver: DRIVER.to_owned(), device_ids: names, ..DeviceRequest::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_vendor_a_class_and_a_device() {
        for name in ["vendor.com/class=dev", "a/b=0", "nvidia.com/gpu=GPU-1:2", "v-1.x/c_2=a.b"] {
            assert!(is_name(name), "{name}");
        }
        for name in
            ["", "/dev/null", "/dev/a=b", "vendor.com=dev", "1v/c=d", "v/c-=d", "v/c=", "v/c=-d", "v/c=d d"]
        {
            assert!(!is_name(name), "{name}");
        }
    }
}
