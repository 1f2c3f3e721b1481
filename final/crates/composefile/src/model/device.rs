//! Devices, and limits on the I/O of block devices.

use super::mapping::Mapping;
use super::object::{Decode, Extensions, Print, extensions, field, object, serialize};
use super::quantity::{DeviceCount, UnitBytes};
use crate::path::Path;
use crate::print::{Form, Tree};
use crate::{Node, Result};

object! {
    pub struct DeviceMapping {
        source: String = "source",
        target: String = "target",
        permissions: String = "permissions",
    }
}

object! {
    /// Devices that a driver provides: GPUs.
    pub struct DeviceRequest without_extensions {
        capabilities: Vec<String> = "capabilities",
        driver: String = "driver",
        count: DeviceCount = "count",
        ids: Vec<String> = "device_ids",
        options: Mapping = "options",
    }
}

object! {
    pub struct BlkioConfig {
        weight: u16 = "weight",
        weight_device: Vec<WeightDevice> = "weight_device",
        device_read_bps: Vec<ThrottleDevice> = "device_read_bps",
        device_read_iops: Vec<ThrottleDevice> = "device_read_iops",
        device_write_bps: Vec<ThrottleDevice> = "device_write_bps",
        device_write_iops: Vec<ThrottleDevice> = "device_write_iops",
    }
}

/// Go's types have no names for these fields, so that its JSON has the names of the fields themselves.
macro_rules! device_limit {
    ($name:ident, $field:ident: $type:ty, $key:literal, $json:literal) => {
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            pub path: String,
            pub $field: $type,
            pub extensions: Extensions,
        }

        impl Decode for $name {
            fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
                Ok(Self {
                    path: field(node, "path", path)?,
                    $field: field(node, $key, path)?,
                    extensions: extensions(node),
                })
            }
        }

        impl Print for $name {
            fn tree(&self, form: Form) -> Tree {
                let (path, value) = match form {
                    Form::Json => ("Path", $json),
                    Form::Yaml => ("path", $key),
                };
                let mut fields =
                    vec![(path.to_owned(), self.path.tree(form)), (value.to_owned(), self.$field.tree(form))];
                if form == Form::Yaml {
                    fields.extend(Tree::extensions(&self.extensions, form));
                }
                Tree::Mapping(fields)
            }

            fn is_empty(&self, _: Form) -> bool {
                false
            }
        }

        serialize!($name);
    };
}

device_limit!(WeightDevice, weight: u16, "weight", "Weight");
device_limit!(ThrottleDevice, rate: UnitBytes, "rate", "Rate");
