//! A command line as a request has it, for `#[serde(deserialize_with = "words::deserialize")]`: a list of words, or one text,
//! which dockerd takes as a list of one word (`strslice.StrSlice`).

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, SeqAccess, Visitor};

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    deserializer.deserialize_any(Words)
}

struct Words;

impl<'de> Visitor<'de> for Words {
    type Value = Option<Vec<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of words, or one word")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
        Ok(Some(vec![word.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut words = Vec::new();
        while let Some(word) = list.next_element()? {
            words.push(word);
        }
        Ok(Some(words))
    }
}

#[test]
fn a_command_is_a_list_or_one_word() {
    let read = |json: &str| deserialize(&mut serde_json::Deserializer::from_str(json)).ok();
    assert_eq!(read(r#"["sleep", "1"]"#).unwrap().unwrap(), ["sleep", "1"]);
    assert_eq!(read(r#""sleep 1""#).unwrap().unwrap(), ["sleep 1"]);
    assert_eq!((read("null"), read("3"), read("[3]")), (Some(None), None, None));
}
