//! Go's field names, if docker's JSON has another key.
//!
//! docker runs a template over its Go structs, so `{{.ID}}` and `{{.HostConfig.NanoCPUs}}` are what its users write,
//! and over the JSON where that fails, so `{{.Id}}` is understood too. The rest of docker's names are the same in both.

/// Go's name, and the key in the JSON.
const NAMES: [(&str, &str); 15] = [
    ("APIVersion", "ApiVersion"),
    ("AuxAddress", "AuxiliaryAddresses"),
    ("CPUCount", "CpuCount"),
    ("CPUPercent", "CpuPercent"),
    ("CPUPeriod", "CpuPeriod"),
    ("CPUQuota", "CpuQuota"),
    ("CPURealtimePeriod", "CpuRealtimePeriod"),
    ("CPURealtimeRuntime", "CpuRealtimeRuntime"),
    ("CPUShares", "CpuShares"),
    ("DNS", "Dns"),
    ("DNSOptions", "DnsOptions"),
    ("DNSSearch", "DnsSearch"),
    ("HostIP", "HostIp"),
    ("ID", "Id"),
    ("NanoCPUs", "NanoCpus"),
];

/// The key in docker's JSON for the field `name` of a template; `None` if both are the same.
pub fn key(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(go, _)| *go == name).map(|(_, json)| *json)
}

/// What docker leaves out of its JSON where it is unset, though its structs have it: the fields of `wire` with
/// `skip_serializing_if`, but for names as common as `Name`, which would no longer be found to be mistyped.
const OPTIONAL: [&str; 19] = [
    "Annotations",
    "AuxiliaryAddresses",
    "BindOptions",
    "ExposedPorts",
    "Health",
    "Healthcheck",
    "IDMappings",
    "IPRange",
    "Init",
    "Mounts",
    "SizeRootFs",
    "SizeRw",
    "StopSignal",
    "StopTimeout",
    "Sysctls",
    "Tmpfs",
    "TmpfsOptions",
    "Variant",
    "VolumeOptions",
];

/// Whether a template may ask for `name` where it is not there: `{{if .State.Health}}…{{else}}…{{end}}` is what many
/// scripts do.
pub fn is_optional(name: &str) -> bool {
    OPTIONAL.contains(&name)
}

/// The keys whose objects are maps in docker's types: any key may be asked for, and one that is not there
/// gives `<no value>`. Every other object stands for a struct, where a name that is not there is a mistake.
pub const MAPS: [&str; 16] = [
    "Annotations",
    "Attributes",
    "AuxiliaryAddresses",
    "Containers",
    "DriverOpts",
    "Data",
    "ExposedPorts",
    "Labels",
    "Networks",
    "Options",
    "PortBindings",
    "Ports",
    "Runtimes",
    "Sysctls",
    "Tmpfs",
    "Volumes",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Deserialize;
    use serde::de::value::Error;
    use serde::de::{Deserializer, Error as _, Visitor};
    use serde::forward_to_deserialize_any;

    use super::*;
    use crate::wire::{
        config, container, events, exec, host_config, image, network, network_settings, system, volume,
    };

    /// A deserializer without input, which records the keys that a struct has.
    struct Asked<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Asked<'_> {
        type Error = Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            *self.0 = fields;
            Err(Error::custom("there is nothing to read"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("not a struct"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    fn keys<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
        let mut fields: &[&str] = &[];
        let _ = T::deserialize(Asked(&mut fields));
        assert!(!fields.is_empty(), "{} is a struct with fields", std::any::type_name::<T>());
        fields
    }

    fn all_keys() -> BTreeSet<&'static str> {
        let all = [
            keys::<config::Config>(),
            keys::<config::Healthcheck>(),
            keys::<config::ImageConfig>(),
            keys::<container::Container>(),
            keys::<container::Health>(),
            keys::<container::MountPoint>(),
            keys::<container::State>(),
            keys::<events::Actor>(),
            keys::<exec::ExecRequest>(),
            keys::<crate::wire::GraphDriver>(),
            keys::<host_config::BindOptions>(),
            keys::<host_config::HostConfig>(),
            keys::<host_config::LogConfig>(),
            keys::<host_config::Mount>(),
            keys::<host_config::PortBinding>(),
            keys::<host_config::VolumeOptions>(),
            keys::<image::Image>(),
            keys::<network::IpamConfig>(),
            keys::<network::Network>(),
            keys::<network_settings::EndpointIpam>(),
            keys::<network_settings::EndpointSettings>(),
            keys::<network_settings::NetworkSettings>(),
            keys::<system::ClientVersion>(),
            keys::<crate::wire::info::Info>(),
            keys::<volume::Volume>(),
        ];
        all.into_iter().flatten().copied().collect()
    }

    #[test]
    fn every_entry_names_a_field_of_the_wire_types() {
        let known = all_keys();
        let json = NAMES.iter().map(|(_, json)| json);
        for key in json.chain(&OPTIONAL).chain(&MAPS) {
            assert!(known.contains(key), "{key} is no field");
        }
        // ID is itself a key of GraphDriver.Data, which is a map, and of an event's Actor and of `info`, which have no Id.
        // CPUShares is a key of `info`, which has no CpuShares.
        for (go, _) in NAMES.into_iter().filter(|(go, _)| !["ID", "CPUShares"].contains(go)) {
            assert!(!known.contains(go), "{go} is a key itself");
        }
    }

    #[test]
    fn gos_names_lead_to_jsons() {
        assert_eq!(key("ID"), Some("Id"));
        assert_eq!(key("NanoCPUs"), Some("NanoCpus"));
        assert_eq!(key("Id"), None);
    }
}
