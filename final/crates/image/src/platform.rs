//! `linux/arm64/v8`: what an image runs on. image-spec, image-index.md, "platform".

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    pub architecture: String,
    pub os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// The platform of this machine.
    pub fn host() -> Self {
        Self::normal("linux", std::env::consts::ARCH, None)
    }

    /// `os/architecture[/variant]`, or an architecture alone; uname's names are understood.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = || Error::Invalid {
            what: format!("platform {text:?}"),
            why: "expected os/architecture[/variant], such as linux/arm64".into(),
        };
        let is_word = |part: &&str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let lower = text.to_lowercase();
        let parts: Vec<&str> = lower.split('/').filter(is_word).collect();
        if parts.len() != lower.split('/').count() {
            return Err(invalid());
        }
        let platform = match parts.as_slice() {
            ["linux"] => Self::host(),
            [architecture] => Self::normal("linux", architecture, None),
            [os, architecture] => Self::normal(os, architecture, None),
            [os, architecture, variant] => Self::normal(os, architecture, Some(variant)),
            _ => return Err(invalid()),
        };
        match platform.os == "linux" {
            true => Ok(platform),
            false => Err(Error::Invalid {
                what: format!("platform {text:?}"),
                why: "hull runs linux images only".into(),
            }),
        }
    }

    fn normal(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let (architecture, implied) = match architecture {
            "x86_64" | "x86-64" => ("amd64", None),
            "x86" | "i386" | "i686" => ("386", None),
            "aarch64" => ("arm64", None),
            "armhf" | "arm" => ("arm", Some("v7")),
            "armel" => ("arm", Some("v6")),
            "powerpc64" if cfg!(target_endian = "little") => ("ppc64le", None),
            "loongarch64" => ("loong64", None),
            other => (other, None),
        };
        // The first variant of an architecture is the default and is not written.
        let unsaid = |variant: &&str| !matches!((architecture, *variant), ("arm64", "v8") | ("amd64", "v1"));
        let variant = variant.or(implied).filter(unsaid).map(str::to_owned);
        Self { architecture: architecture.into(), os: os.into(), variant }
    }

    /// How well a machine of this platform runs an image for `other`. `None` if it cannot run it.
    pub fn suits(&self, other: &Platform) -> Option<u32> {
        let other = Self::normal(&other.os, &other.architecture, other.variant.as_deref());
        let level = |variant: &Option<String>| {
            let digits = variant.as_ref().and_then(|variant| variant.strip_prefix('v'));
            digits.and_then(|digits| digits.parse::<u32>().ok()).unwrap_or(0)
        };
        let same = self.os == other.os && self.architecture == other.architecture;
        // A newer processor runs programs for an older one.
        (same && level(&other.variant) <= level(&self.variant)).then(|| level(&other.variant))
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The text comes from an image, so control characters are removed before it reaches a terminal.
        let plain = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
        write!(f, "{}/{}", plain(&self.os), plain(&self.architecture))?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{}", plain(variant)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_written_in_many_ways() {
        for (text, shown) in [
            ("linux/amd64", Some("linux/amd64")),
            ("x86_64", Some("linux/amd64")),
            ("Linux/AARCH64", Some("linux/arm64")),
            ("linux/arm64/v8", Some("linux/arm64")),
            ("linux/armhf", Some("linux/arm/v7")),
            ("linux/arm/v6", Some("linux/arm/v6")),
            ("windows/amd64", None),
            ("linux//amd64", None),
            ("linux/a/b/c", None),
            ("", None),
        ] {
            let parsed = Platform::parse(text).ok().map(|platform| platform.to_string());
            assert_eq!(parsed.as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn a_machine_runs_the_newest_variant_it_knows() {
        let of = |text: &str| Platform::parse(text).unwrap();
        let v7 = of("linux/arm/v7");
        assert_eq!(v7.suits(&of("linux/arm/v6")), Some(6));
        assert_eq!(of("linux/arm/v6").suits(&v7), None);
        assert_eq!(of("linux/amd64").suits(&of("linux/arm64")), None);
        assert_eq!(of("linux/amd64").suits(&of("linux/amd64/v3")), None);
    }
}
