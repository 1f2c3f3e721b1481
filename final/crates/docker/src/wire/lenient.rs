//! JSON as Go reads it into its structs, which is how dockerd reads every request:
//!
//! * `null` sets nothing: the text stays empty, the number 0, the list without elements. docker-py sends a `null` for every
//!   option that its caller leaves out.
//! * A key fits a field whatever the case of its letters.
//!
//! See <https://pkg.go.dev/encoding/json#Unmarshal>.

use std::fmt;

use serde::de::value::StringDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Visitor,
};
use serde_json::Error;

/// Reads a whole document.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = T::deserialize(Lenient { inner: &mut reader })?;
    reader.end()?;
    Ok(value)
}

/// A deserializer that gives the zero value for `null`.
struct Lenient<D> {
    inner: D,
}

/// What `null` means, by what was asked for.
#[derive(Debug, Clone, Copy)]
enum Zero {
    Unit,
    Bool,
    Number,
    Text,
    /// A list without elements, or of so many zero values.
    List(usize),
    Map,
}

macro_rules! zero {
    ($($method:ident => $zero:expr),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.deserialize_any(Forward { visitor, zero: $zero, fields: &[] })
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Lenient<D> {
    type Error = D::Error;

    zero! {
        deserialize_any => Zero::Unit,
        deserialize_unit => Zero::Unit,
        deserialize_bool => Zero::Bool,
        deserialize_i8 => Zero::Number,
        deserialize_i16 => Zero::Number,
        deserialize_i32 => Zero::Number,
        deserialize_i64 => Zero::Number,
        deserialize_u8 => Zero::Number,
        deserialize_u16 => Zero::Number,
        deserialize_u32 => Zero::Number,
        deserialize_u64 => Zero::Number,
        deserialize_f32 => Zero::Number,
        deserialize_f64 => Zero::Number,
        deserialize_char => Zero::Text,
        deserialize_str => Zero::Text,
        deserialize_string => Zero::Text,
        deserialize_bytes => Zero::List(0),
        deserialize_byte_buf => Zero::List(0),
        deserialize_seq => Zero::List(0),
        deserialize_map => Zero::Map,
        deserialize_identifier => Zero::Text,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_option(Wrapped(visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(Forward { visitor, zero: Zero::List(length), fields: &[] })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(Forward { visitor, zero: Zero::Map, fields })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_ignored_any(visitor)
    }
}

/// Hands everything to the visitor, with lists and maps made lenient, and `null` replaced.
struct Forward<V> {
    visitor: V,
    zero: Zero,
    fields: &'static [&'static str],
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Forward<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        match self.zero {
            Zero::Unit => self.visitor.visit_unit(),
            Zero::Bool => self.visitor.visit_bool(false),
            Zero::Number => self.visitor.visit_u64(0),
            Zero::Text => self.visitor.visit_str(""),
            Zero::List(length) => {
                self.visitor.visit_seq(Zeros { left: length, error: std::marker::PhantomData })
            }
            Zero::Map => self.visitor.visit_map(Zeros { left: 0, error: std::marker::PhantomData }),
        }
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<V::Value, E> {
        self.visitor.visit_bool(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<V::Value, E> {
        self.visitor.visit_i64(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<V::Value, E> {
        self.visitor.visit_u64(value)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<V::Value, E> {
        self.visitor.visit_f64(value)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<V::Value, E> {
        self.visitor.visit_str(value)
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<V::Value, E> {
        self.visitor.visit_borrowed_str(value)
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<V::Value, E> {
        self.visitor.visit_string(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<V::Value, A::Error> {
        match self.zero {
            // serde would fill the fields of a struct in their order.
            Zero::Map => Err(de::Error::invalid_type(de::Unexpected::Seq, &self)),
            _ => self.visitor.visit_seq(Elements(list)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Entries { map, fields: self.fields })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(data)
    }
}

/// An `Option`: `null` is none.
struct Wrapped<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Wrapped<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Lenient { inner })
    }
}

struct Elements<A>(A);

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(Seed(seed))
    }
}

struct Entries<A> {
    map: A,
    fields: &'static [&'static str],
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        if self.fields.is_empty() {
            return self.map.next_key_seed(seed);
        }
        let Some(key) = self.map.next_key::<String>()? else { return Ok(None) };
        let is_field = |field: &&&str| field.eq_ignore_ascii_case(&key);
        let exact = self.fields.contains(&key.as_str());
        let key = match self.fields.iter().find(is_field).filter(|_| !exact) {
            Some(field) => (*field).to_owned(),
            None => key,
        };
        seed.deserialize(StringDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.map.next_value_seed(Seed(seed))
    }
}

struct Seed<T>(T);

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<T::Value, D::Error> {
        self.0.deserialize(Lenient { inner })
    }
}

/// So many zero values, or an empty map.
struct Zeros<E> {
    left: usize,
    error: std::marker::PhantomData<E>,
}

impl<'de, E: de::Error> SeqAccess<'de> for Zeros<E> {
    type Error = E;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, E> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(Lenient { inner: de::value::UnitDeserializer::new() }).map(Some)
    }
}

impl<'de, E: de::Error> MapAccess<'de> for Zeros<E> {
    type Error = E;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _seed: K) -> Result<Option<K::Value>, E> {
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, E> {
        seed.deserialize(Lenient { inner: de::value::UnitDeserializer::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::config::Config;
    use crate::wire::host_config::HostConfig;
    use crate::wire::network::Network;

    #[test]
    fn null_sets_nothing() {
        let config: Config = from_slice(
            br#"{"Hostname": null, "Tty": null, "Env": null, "Cmd": null, "Healthcheck": null, "StopTimeout": null,
                 "Labels": {"a": null}, "Volumes": {"/x": null}, "ExposedPorts": null}"#,
        )
        .unwrap();
        let expected = Config {
            labels: [("a".to_owned(), String::new())].into(),
            volumes: [("/x".to_owned(), Default::default())].into(),
            ..Config::default()
        };
        assert_eq!(config, expected);
        let host: HostConfig = from_slice(
            br#"{"ConsoleSize": null, "Memory": null, "LogConfig": null, "PortBindings": {"80/tcp": null}, "Init": null,
                 "BlkioWeight": null, "Devices": null, "RestartPolicy": {"Name": null}, "PidsLimit": null}"#,
        )
        .unwrap();
        assert_eq!(
            host,
            HostConfig { port_bindings: [("80/tcp".to_owned(), None)].into(), ..HostConfig::default() }
        );
        let network: Network = from_slice(br#"{"Name": "x", "IPAM": null, "Options": null}"#).unwrap();
        assert_eq!(network.name, "x");
    }

    #[test]
    fn the_case_of_a_key_does_not_matter() {
        let config: Config = from_slice(br#"{"image": "x", "ENV": ["a=b"], "Unknown": {"a": [1]}}"#).unwrap();
        assert_eq!((config.image.as_str(), config.env.len()), ("x", 1));
        // The keys of a map are the user's.
        let config: Config = from_slice(br#"{"labels": {"Name": "1", "name": "2"}}"#).unwrap();
        assert_eq!(config.labels.len(), 2);
    }

    #[test]
    fn another_type_is_an_error() {
        for wrong in [r#"{"Image": 3}"#, r#"{"Tty": "yes"}"#, r#"{"Env": "x"}"#, "[]", "{", "{} x", ""] {
            assert!(from_slice::<Config>(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let deep = "[".repeat(100_000);
        assert!(from_slice::<Config>(format!("{{\"Env\": {deep}").as_bytes()).is_err());
    }
}
