//! The value of `RUN --device`.

use super::suggest::with_suggestion;

#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Device {
    /// A name of CDI: `vendor.example/class=name`.
    pub name: String,
    /// Whether the build fails without it.
    pub required: bool,
}

impl Device {
    /// Parses `NAME[,required]` or `name=NAME,required=true`.
    ///
    /// # Errors
    ///
    /// Broken CSV, or a key that does not exist.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields =
            hull_docker::csv::fields(text).map_err(|why| format!("failed to parse csv devices: {why}"))?;
        let mut device = Self::default();
        for field in fields {
            let (key, value) = match field.split_once('=') {
                Some((key, value)) => (key.to_ascii_lowercase(), Some(value)),
                None => (field.to_ascii_lowercase(), None),
            };
            match (&*key, value) {
                ("required", None) => device.required = true,
                ("required", Some(value)) => {
                    device.required = hull_docker::bools::parse(value)
                        .map_err(|_| format!("invalid value for {key}: {value}"))?;
                }
                ("name", Some(_)) if !device.name.is_empty() => {
                    return Err(format!("device name already set to {}", device.name));
                }
                ("name", Some(value)) => device.name = value.into(),
                _ if device.name.is_empty() => device.name = field,
                (_, None) => return Err(format!("invalid field '{field}' must be a key=value pair")),
                (_, Some(_)) => {
                    let error = format!("unexpected key '{key}' in '{field}'");
                    return Err(with_suggestion(error, &key, &["name", "required"]));
                }
            }
        }
        Ok(device)
    }
}
