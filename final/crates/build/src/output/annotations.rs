//! `--annotation`: which document of an image each is for (buildx, "Annotations").

use std::collections::BTreeMap;

use hull_image::platform::Platform;

use crate::{Error, Result};

/// The document that has an annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Manifest,
    /// The descriptor of a manifest, in the index.
    ManifestDescriptor,
    Index,
    /// The descriptor of the index, in an OCI layout.
    IndexDescriptor,
}

#[derive(Debug, Clone, PartialEq)]
struct Annotation {
    place: Place,
    /// `None` for all platforms.
    platform: Option<Platform>,
    key: String,
    value: String,
}

/// All annotations of a result.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Annotations(Vec<Annotation>);

impl Annotations {
    /// From `--annotation`: `KEY`, or `TYPE[PLATFORM],…:KEY`, with their values.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if a type or a platform is not known, or a key is empty.
    pub fn parse(pairs: &[(String, String)]) -> Result<Self> {
        let mut all = Self::default();
        for (whole, value) in pairs {
            let (places, key) = match whole.split_once(':') {
                None => ("manifest", whole.as_str()),
                Some((places, key)) => (places, key),
            };
            for place in places.split(',') {
                all.add(place, key, value, whole)?;
            }
        }
        Ok(all)
    }

    /// Adds an attribute of an output: `annotation.KEY`, `annotation-TYPE.KEY`, `annotation-TYPE[PLATFORM].KEY`.
    /// Returns `false` if it is something else.
    pub(super) fn add_attribute(&mut self, name: &str, value: &str) -> Result<bool> {
        let Some(rest) = name.strip_prefix("annotation") else { return Ok(false) };
        let Some((place, key)) = rest.split_once('.') else { return Ok(false) };
        let place = match place.strip_prefix('-') {
            Some(place) => place.to_owned(),
            None if place.is_empty() || place.starts_with('[') => format!("manifest{place}"),
            None => return Ok(false),
        };
        self.add(&place, key, value, name).map(|()| true)
    }

    fn add(&mut self, place: &str, key: &str, value: &str, whole: &str) -> Result<()> {
        let invalid = |why: String| Error::Invalid { what: format!("annotation {whole:?}"), why };
        let (name, platform) = match place.strip_suffix(']').map(|place| place.split_once('[')) {
            Some(Some((name, platform))) => (name, Some(platform)),
            _ => (place, None),
        };
        let place = match name {
            "manifest" => Place::Manifest,
            "manifest-descriptor" => Place::ManifestDescriptor,
            "index" => Place::Index,
            "index-descriptor" => Place::IndexDescriptor,
            _ => {
                let known = "manifest, manifest-descriptor, index or index-descriptor";
                return Err(invalid(format!("{name:?} is no type: expected {known}")));
            }
        };
        if key.is_empty() {
            return Err(invalid("it has no key".into()));
        }
        let platform =
            platform.map(Platform::parse).transpose().map_err(|error| invalid(error.to_string()))?;
        self.0.retain(|one| one.place != place || one.platform != platform || one.key != key);
        self.0.push(Annotation { place, platform, key: key.into(), value: value.into() });
        Ok(())
    }

    /// The annotations of one document. `platform` is that of the manifest or descriptor.
    pub(super) fn of(&self, place: Place, platform: Option<&Platform>) -> BTreeMap<String, String> {
        let fits = |one: &&Annotation| {
            one.place == place
                && one
                    .platform
                    .as_ref()
                    .is_none_or(|wanted| platform.is_some_and(|other| same(wanted, other)))
        };
        // Those for one platform only come last, and count.
        let (all, some): (Vec<_>, Vec<_>) =
            self.0.iter().filter(fits).partition(|one| one.platform.is_none());
        all.into_iter().chain(some).map(|one| (one.key.clone(), one.value.clone())).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// # Errors
    ///
    /// [`Error::Unsupported`] if one is for an index, and there is one platform only.
    pub(super) fn check(&self, several: bool) -> Result<()> {
        let is_for_index = |one: &Annotation| matches!(one.place, Place::Index | Place::IndexDescriptor);
        if several || !self.0.iter().any(is_for_index) {
            return Ok(());
        }
        Err(Error::Unsupported("annotations of an index need several platforms: --platform".into()))
    }
}

/// Whether two spellings are one platform.
fn same(one: &Platform, other: &Platform) -> bool {
    one.suits(other).is_some() && other.suits(one).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(pairs: &[(&str, &str)]) -> Result<Annotations> {
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        Annotations::parse(&pairs)
    }

    #[test]
    fn a_prefix_names_the_documents() {
        let mut all = parsed(&[
            ("a", "1"),
            ("index,manifest[linux/arm64]:a", "2"),
            ("manifest-descriptor:b:c", "3"),
            ("a", "4"),
        ])
        .unwrap();
        let [amd64, arm64] = ["amd64", "linux/arm64/v8"].map(|text| Platform::parse(text).unwrap());
        assert_eq!(all.of(Place::Manifest, Some(&amd64)), BTreeMap::from([("a".into(), "4".into())]));
        assert_eq!(all.of(Place::Manifest, Some(&arm64))["a"], "2");
        assert_eq!(all.of(Place::Index, None)["a"], "2");
        assert_eq!(all.of(Place::ManifestDescriptor, Some(&amd64))["b:c"], "3");
        assert!(all.add_attribute("annotation.d", "5").unwrap());
        assert!(all.add_attribute("annotation-index-descriptor.e", "6").unwrap());
        assert!(!all.add_attribute("annotations", "6").unwrap());
        assert_eq!(all.of(Place::Manifest, None)["d"], "5");
        assert_eq!(all.of(Place::IndexDescriptor, None)["e"], "6");
    }

    #[test]
    fn what_is_no_type_is_refused() {
        for key in ["layer:a", "index:", "", ":a", "manifest[]:a", "manifest[solaris/sparc]:a", "manifest[:a"]
        {
            assert!(matches!(parsed(&[(key, "x")]), Err(Error::Invalid { .. })), "{key}");
        }
        assert!(matches!(
            Annotations::default().add_attribute("annotation-x.y", ""),
            Err(Error::Invalid { .. })
        ));
    }
}
